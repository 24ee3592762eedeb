"""The tunnel: the mistakes that people make with the broker's page."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from appliance.addresses import SUBNET_PREFIXLEN, is_within, subnet
from appliance.finding import Check, Finding
from appliance.model import Appliance, Tunnel, TunnelForm
from appliance.network_checks import lan_networks, sections

HEADER_BYTES = 20  # the IPv4 header around each packet (RFC 4213, section 3.2)
IPV6_MTU_MIN = 1280  # RFC 8200, section 5
# IANA's special-purpose registry, less the documentation networks, which stand in for real ones in examples.
NO_SERVER = {
    IPv4Network("0.0.0.0/8"): "no address of a machine",
    IPv4Network("10.0.0.0/8"): "a private address",
    IPv4Network("100.64.0.0/10"): "an address behind carrier-grade NAT",
    IPv4Network("127.0.0.0/8"): "an address of every machine for itself",
    IPv4Network("169.254.0.0/16"): "a link-local address",
    IPv4Network("172.16.0.0/12"): "a private address",
    IPv4Network("192.168.0.0/16"): "a private address",
    IPv4Network("224.0.0.0/4"): "a multicast address",
    IPv4Network("240.0.0.0/4"): "a reserved address",
}
"""And none that the broker could send to. Whoever has such an address is seen on the Internet by another one."""
CARRIER_NAT = IPv4Network("100.64.0.0/10")  # RFC 6598
PAGE = {"server": "Server IPv4 Address", "address": "Client IPv6 Address", "routed": "Routed /64"}
"""What the broker's page calls these settings."""
UNICAST = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))


def is_public(address: IPv4Address) -> bool:
    """Whether it is an address on the Internet."""
    return not any(address in network for network in NO_SERVER)


def _left_out(appliance: Appliance) -> Iterator[Finding]:
    """What the file does not say, the broker does, if it may be asked."""
    tunnel = appliance.tunnel
    if tunnel is None or tunnel.broker is not None or tunnel.kind is TunnelForm.SIX_RD:
        return
    for name, field in PAGE.items():
        if getattr(tunnel, name) is None:
            message = f'tunnel.{name} is missing: the page\'s "{field}"'
            yield Finding("tunnel", message, "or an account in tunnel.broker, and the broker is asked for it")


def _providers(appliance: Appliance) -> Iterator[Finding]:
    """What is not for the file to say."""
    tunnel = appliance.tunnel
    if tunnel is None or tunnel.kind is not TunnelForm.SIX_RD:
        return
    for name in (*PAGE, "broker"):
        if getattr(tunnel, name) is not None and name not in tunnel.told:
            message = f"tunnel.{name} is of a broker's tunnel, and tunnel.kind is {tunnel.kind}"
            yield Finding(f"tunnel.{name}", message, "leave it out: the provider says what its tunnel is")


def _brokers(appliance: Appliance) -> Tunnel | None:
    """The tunnel, where it is a broker's."""
    tunnel = appliance.tunnel
    return tunnel if tunnel is not None and tunnel.kind is TunnelForm.SIX_IN_FOUR else None


def _server(appliance: Appliance) -> Iterator[Finding]:
    tunnel, uplink = _brokers(appliance), appliance.uplink
    if tunnel is None or tunnel.server is None:
        return
    allowed = 'the page\'s "Server IPv4 Address"'
    for network, what in NO_SERVER.items():
        if tunnel.server in network:
            yield Finding("tunnel.server", f"tunnel.server: {tunnel.server} is {what}", allowed)
    if uplink is not None and uplink.address is not None and tunnel.server == uplink.address.ip:
        yield Finding("tunnel.server", f"tunnel.server: {tunnel.server} is the Pi's own address", allowed)


def _address(appliance: Appliance) -> Iterator[Finding]:
    tunnel = _brokers(appliance)
    if tunnel is None or tunnel.address is None:
        return
    address, path = tunnel.address, "tunnel.address"
    if address.network.prefixlen != 64:
        message = f"tunnel.address: its network is a /64, not a /{address.network.prefixlen}"
        yield Finding(path, message, f"{address.ip}/64")
    elif not any(address.ip in network for network in UNICAST):
        yield Finding(path, f"tunnel.address: {address.ip} is no global address", 'the page\'s "Client IPv6 Address"')
    elif address.ip == address.network.network_address:
        message = f"tunnel.address: {address.ip} is the network itself, not an address in it"
        yield Finding(path, message, 'the page\'s "Client IPv6 Address", which ends in ::2')
    elif address.ip == address.network[1]:
        message = f"tunnel.address: {address.ip} looks like the server's end of the tunnel"
        yield Finding(path, message, 'the page\'s "Client IPv6 Address", which ends in ::2', warning=True)


def _routed(appliance: Appliance) -> Iterator[Finding]:
    tunnel = appliance.tunnel
    if tunnel is None or tunnel.routed is None:
        return
    routed, path = tunnel.routed, "tunnel.routed"
    allowed = 'the page\'s "Routed /64"'
    if not any(routed.subnet_of(network) for network in UNICAST):
        yield Finding(path, f"tunnel.routed: {routed} is not a network of global addresses", allowed)
    elif routed.prefixlen > SUBNET_PREFIXLEN:
        message = f"tunnel.routed: a LAN whose machines choose their addresses needs a /64, not a /{routed.prefixlen}"
        yield Finding(path, message, allowed)


def _enough(appliance: Appliance) -> Iterator[Finding]:
    """One for each network."""
    routed = appliance.tunnel.routed if appliance.tunnel is not None else None
    if routed is None or routed.prefixlen > SUBNET_PREFIXLEN:
        return
    for number, (path, lan) in enumerate(lan_networks(appliance)):
        if not is_within(subnet(routed, number), routed):
            message = f"{path}: there is no /64 left for {lan.interface} in {routed}, which is tunnel.routed"
            has_more = 'the page\'s "Routed /48", which the broker gives when asked to'
            yield Finding(path, message, has_more if _brokers(appliance) is not None else "the provider gives no more")


def _routed_is_not_the_tunnel(appliance: Appliance) -> Iterator[Finding]:
    tunnel = _brokers(appliance)
    if tunnel is None or tunnel.routed is None or tunnel.address is None:
        return
    if tunnel.routed.overlaps(tunnel.address.network):
        message = f"tunnel.routed: {tunnel.routed} is the tunnel's own network, that of tunnel.address"
        yield Finding("tunnel.routed", message, 'the page\'s "Routed /64", which is another one')


def _mtu(appliance: Appliance) -> Iterator[Finding]:
    tunnel, uplink = appliance.tunnel, appliance.uplink
    if tunnel is None or uplink is None:
        return
    room = uplink.mtu - HEADER_BYTES
    if room < IPV6_MTU_MIN:
        message = f"uplink.mtu: {uplink.mtu} leaves the tunnel {room} bytes, and IPv6 needs {IPV6_MTU_MIN}"
        yield Finding("uplink.mtu", message, f"at least {IPV6_MTU_MIN + HEADER_BYTES}")
    elif tunnel.mtu is not None and tunnel.mtu > room:
        message = f"tunnel.mtu: {tunnel.mtu} does not fit through the uplink, whose packets have {uplink.mtu} bytes"
        yield Finding("tunnel.mtu", message, f"at most {room}")


def _carrier_nat(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if _brokers(appliance) is None or uplink is None or uplink.address is None:
        return
    if uplink.address.ip in CARRIER_NAT:
        message = f"uplink.address: {uplink.address.ip} is behind carrier-grade NAT, which no tunnel passes"
        yield Finding("uplink.address", message, "ask the provider for a public address", warning=True)


def _interface(appliance: Appliance) -> Iterator[Finding]:
    if appliance.tunnel is None:
        return
    for path, section in sections(appliance):
        if section.interface == appliance.tunnel.interface:
            message = f"tunnel.interface: {section.interface} is {path}.interface"
            yield Finding("tunnel.interface", message, "a name of its own, e.g. he-ipv6")
            return


def _ipv4_only(appliance: Appliance) -> Iterator[Finding]:
    own = [f".{lan.domain}".lower() for _, lan in lan_networks(appliance)]
    for number, domain in enumerate(appliance.tunnel.ipv4_only if appliance.tunnel is not None else ()):
        if any(f".{domain}".lower().endswith(one) for one in own):
            path = f"tunnel.ipv4_only[{number}]"
            message = f"{path}: {domain} is of the LAN itself, which is not behind the tunnel"
            yield Finding(path, message, "domains on the Internet")


CHECKS: tuple[Check, ...] = (
    _left_out,
    _providers,
    _server,
    _address,
    _routed,
    _enough,
    _routed_is_not_the_tunnel,
    _mtu,
    _carrier_nat,
    _interface,
    _ipv4_only,
)
