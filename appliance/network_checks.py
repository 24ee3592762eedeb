"""The uplink, the LAN and its DHCP server: whether their addresses can work together."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from appliance.finding import Check, Finding
from appliance.model import Appliance, LanNetwork, Uplink, WifiNetwork
from appliance.poison import until_unread

LEASE_MIN_S = 120  # dnsmasq's own minimum: it raises shorter ones silently (dnsmasq(8), --dhcp-range)


Section = Uplink | LanNetwork


def lan_networks(appliance: Appliance) -> list[tuple[str, LanNetwork]]:
    """The networks that are served, each with its path in the file."""
    if appliance.lan is None:
        return []
    others = [(f"lan.others[{number}]", other) for number, other in enumerate(appliance.lan.others)]
    return [("lan", appliance.lan), *others]


def sections(appliance: Appliance) -> list[tuple[str, Section]]:
    """The uplink and these."""
    uplink = appliance.uplink
    return [*([("uplink", uplink)] if uplink is not None else []), *lan_networks(appliance)]


def _uplink(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is None:
        return
    if uplink.address is None:
        if uplink.gateway is not None:
            allowed = "with uplink.address; without one, DHCP finds the gateway"
            yield Finding("uplink.gateway", "uplink.gateway is only for a fixed address", allowed)
        return
    if uplink.gateway is None:
        yield Finding("uplink.address", "uplink.gateway is missing: a fixed address needs the router's")
    if not uplink.dns:
        message = "uplink.dns is missing: with a fixed address nobody tells the Pi its DNS servers"
        yield Finding("uplink.address", message, "e.g. dns: [1.1.1.1, 8.8.8.8]", warning=True)


def _uplink_address(appliance: Appliance) -> Iterator[Finding]:
    for path, section in sections(appliance):
        if section.address is not None and unusable(section.address.ip):
            message = f"{path}.address: {section.address.ip} is not an address for a machine on a network"
            yield Finding(f"{path}.address", message, "an address of your own network, e.g. 192.168.1.252/24")


def _uplink_gateway(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is None or uplink.address is None or uplink.gateway is None:
        return
    network, gateway = uplink.address.network, uplink.gateway
    if gateway not in network:
        message = f"uplink.gateway: {gateway} is not in {network}, the network of uplink.address"
        yield Finding("uplink.gateway", message, f"an address in {network}")
    elif gateway == uplink.address.ip:
        yield Finding("uplink.gateway", f"uplink.gateway: {gateway} is the Pi's own address", "the router's address")
    elif _edge(gateway, network):
        yield Finding("uplink.gateway", f"uplink.gateway: {gateway} is no machine's address", f"one within {network}")


def _wireless(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is None:
        return
    if uplink.wifi is None and uplink.interface.startswith("wl"):
        message = f"uplink.wifi is missing: {uplink.interface} is wireless and needs a network to join"
        yield Finding("uplink.interface", message, "ssid, passphrase, country")
    if uplink.wifi is not None and uplink.interface.startswith(("eth", "en")):
        message = f"uplink.wifi: {uplink.interface} is a wired interface"
        yield Finding("uplink.wifi", message, "interface: wlan0 for the Pi's own radio", warning=True)


def _wifi_security(appliance: Appliance) -> Iterator[Finding]:
    wifi = appliance.uplink.wifi if appliance.uplink is not None else None
    if wifi is None:
        return
    paths = ["uplink.wifi", *(f"uplink.wifi.others[{number}]" for number in range(len(wifi.others)))]
    for path, network in zip(paths, wifi.networks, strict=True):
        yield from until_unread(_security_of(network, path))


def _security_of(network: WifiNetwork, path: str) -> Iterator[Finding]:
    if network.open:
        if network.passphrase is not None:
            yield Finding(f"{path}.open", f"{path}.open: an open network has no passphrase", "one of the two")
        else:
            message = f"{path}.open: on an open network everybody nearby can read and change the traffic"
            yield Finding(f"{path}.open", message, warning=True)
    elif network.passphrase is None:
        yield Finding(path, f"{path}.passphrase is missing", "a passphrase, or open: true for a network without one")


def _wifi_names(appliance: Appliance) -> Iterator[Finding]:
    wifi = appliance.uplink.wifi if appliance.uplink is not None else None
    names = [network.ssid for network in wifi.networks] if wifi is not None else []
    for number, name in enumerate(names[1:]):
        if name in names[: number + 1]:
            path = f"uplink.wifi.others[{number}].ssid"
            yield Finding(path, f"{path}: {name} is there twice", "once")


def _arms(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is not None:
        for path, lan in lan_networks(appliance):
            yield from until_unread(_arm(uplink, lan, path))


def _arm(uplink: Uplink, lan: LanNetwork, path: str) -> Iterator[Finding]:
    if lan.interface != uplink.interface:
        if lan.address is None:
            message = f"{path}.address is missing: {lan.interface} is another interface than the uplink's"
            yield Finding(path, message, "the Pi's own address there, e.g. 192.168.2.1/24")
        elif uplink.address is not None and uplink.address.network.overlaps(lan.address.network):
            message = f"{path}.address: {lan.address.network} overlaps {uplink.address.network}, the uplink's network"
            yield Finding(f"{path}.address", message, "a network of its own")
    elif lan.address is not None and lan.address != uplink.address:
        message = (
            f"{path}.address: the LAN is on the uplink's interface, {lan.interface}, which has its address already"
        )
        yield Finding(f"{path}.address", message, "leave it out")


def _others(appliance: Appliance) -> Iterator[Finding]:
    """With one arm the inside's IPv4 does not come by, so it could not be kept apart from others."""
    uplink, networks = appliance.uplink, lan_networks(appliance)
    if uplink is None:
        return
    for path, lan in networks[1:]:
        if uplink.interface in (networks[0][1].interface, lan.interface):
            message = f"{path}: the uplink's interface, {uplink.interface}, cannot be that of one network of several"
            yield Finding(path, message, "an interface of its own for lan, and for each of lan.others")


def _apart(appliance: Appliance) -> Iterator[Finding]:
    """Each network is on an interface of its own, and has addresses of its own."""
    networks = lan_networks(appliance)
    for number, (path, lan) in enumerate(networks):
        for other_path, other in networks[:number]:
            if lan.interface == other.interface:
                message = f"{path}.interface: {lan.interface} is that of {other_path}"
                yield Finding(f"{path}.interface", message, "an interface of its own")
            elif lan.address and other.address and lan.address.network.overlaps(other.address.network):
                message = f"{path}.address: {lan.address.network} overlaps that of {other_path}"
                yield Finding(f"{path}.address", message, "a network of its own")


def _ranges(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is not None:
        for path, lan in lan_networks(appliance):
            yield from until_unread(_range(uplink, lan, f"{path}.dhcp4"))


def _range(uplink: Uplink, lan: LanNetwork, path: str) -> Iterator[Finding]:
    if lan.dhcp4 is None:
        return
    own = _own_address(uplink, lan)
    if own is None:
        if lan.interface == uplink.interface:
            message = (
                f"{path}: the Pi has its own address by DHCP from another server on this network, "
                "and there cannot be two"
            )
            yield Finding(path, message, f"give uplink.address, or leave {path} out")
        return
    path = f"{path}.range"
    addresses, network = lan.dhcp4.range, own.network
    if addresses.first not in network or addresses.last not in network:
        yield Finding(path, f"{path}: {addresses} is not within {network}", f"within {network}")
        return
    if _edge(addresses.first, network) or _edge(addresses.last, network):
        allowed = f"{network[1]} to {network[-2]}"
        yield Finding(path, f"{path}: {addresses} has an address that no machine can have", allowed)
    taken = {"the Pi's own address": own.ip, "the gateway": uplink.gateway}
    for name, address in taken.items():
        if address is not None and address in addresses:
            yield Finding(path, f"{path}: {addresses} includes {address}, {name}", "a range without it")


def _lease(appliance: Appliance) -> Iterator[Finding]:
    for path, lan in lan_networks(appliance):
        if lan.dhcp4 is not None and lan.dhcp4.lease < LEASE_MIN_S:
            message = f"{path}.dhcp4.lease: {lan.dhcp4.lease} seconds is too short"
            yield Finding(f"{path}.dhcp4.lease", message, f"at least {LEASE_MIN_S}s")


def _domain(appliance: Appliance) -> Iterator[Finding]:
    for path, lan in lan_networks(appliance):
        if lan.domain.lower() == "local":
            message = f'{path}.domain: "local" belongs to multicast DNS (RFC 6762): such names are not asked of the Pi'
            yield Finding(f"{path}.domain", message, "e.g. lan or home.arpa", warning=True)


def _loopback(appliance: Appliance) -> Iterator[Finding]:
    for path, section in sections(appliance):
        if section.interface == "lo":
            yield Finding(f"{path}.interface", f"{path}.interface: lo leads nowhere", "e.g. eth0")


def _own_address(uplink: Uplink, lan: LanNetwork) -> IPv4Interface | None:
    """Give the Pi's address on the LAN, where the file says it."""
    return uplink.address if lan.interface == uplink.interface else lan.address


def _edge(address: IPv4Address, network: IPv4Network) -> bool:
    return network.prefixlen <= 30 and address in (network.network_address, network.broadcast_address)


def unusable(address: IPv4Address) -> bool:
    """Whether no machine on a network can have the address."""
    return address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local


CHECKS: tuple[Check, ...] = (
    _uplink,
    _uplink_address,
    _uplink_gateway,
    _wireless,
    _wifi_security,
    _wifi_names,
    _arms,
    _others,
    _apart,
    _ranges,
    _lease,
    _domain,
    _loopback,
)
