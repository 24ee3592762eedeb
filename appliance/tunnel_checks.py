"""The tunnel: the mistakes that people make with the broker's page."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Interface, IPv6Network

from appliance.addresses import SUBNET_PREFIXLEN, is_within, subnet
from appliance.finding import Check, Finding
from appliance.model import TUNNEL_PATHS, AnyTunnel, Appliance, TunnelForm
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


def tunnels(appliance: Appliance) -> Iterator[tuple[str, AnyTunnel]]:
    """Those that the file has, each with its path."""
    return zip(TUNNEL_PATHS, appliance.tunnels, strict=False)


def _brokers(appliance: Appliance) -> Iterator[tuple[str, AnyTunnel]]:
    """Those that are a broker's."""
    return ((path, tunnel) for path, tunnel in tunnels(appliance) if tunnel.kind is TunnelForm.SIX_IN_FOUR)


def _left_out(appliance: Appliance) -> Iterator[Finding]:
    """What the file does not say, the broker does, if it may be asked."""
    for path, tunnel in _brokers(appliance):
        for name, field in PAGE.items() if tunnel.broker is None else ():
            if getattr(tunnel, name) is None:
                message = f'{path}.{name} is missing: the page\'s "{field}"'
                yield Finding(path, message, f"or an account in {path}.broker, and the broker is asked for it")


def _providers(appliance: Appliance) -> Iterator[Finding]:
    """What is not for the file to say."""
    for path, tunnel in tunnels(appliance):
        for name in (*PAGE, "broker") if tunnel.kind is TunnelForm.SIX_RD else ():
            if getattr(tunnel, name) is not None and name not in tunnel.told:
                message = f"{path}.{name} is of a broker's tunnel, and {path}.kind is {tunnel.kind}"
                yield Finding(f"{path}.{name}", message, "leave it out: the provider says what its tunnel is")


def _server(appliance: Appliance) -> Iterator[Finding]:
    for section, tunnel in _brokers(appliance):
        path, uplink = f"{section}.server", appliance.uplink
        if tunnel.server is None:
            continue
        allowed = 'the page\'s "Server IPv4 Address"'
        for network, what in NO_SERVER.items():
            if tunnel.server in network:
                yield Finding(path, f"{path}: {tunnel.server} is {what}", allowed)
        if uplink is not None and uplink.address is not None and tunnel.server == uplink.address.ip:
            yield Finding(path, f"{path}: {tunnel.server} is the Pi's own address", allowed)


def _address(appliance: Appliance) -> Iterator[Finding]:
    for section, tunnel in _brokers(appliance):
        if tunnel.address is not None:
            yield from _end(tunnel.address, f"{section}.address")


def _end(address: IPv6Interface, path: str) -> Iterator[Finding]:
    if address.network.prefixlen != 64:
        message = f"{path}: its network is a /64, not a /{address.network.prefixlen}"
        yield Finding(path, message, f"{address.ip}/64")
    elif not any(address.ip in network for network in UNICAST):
        yield Finding(path, f"{path}: {address.ip} is no global address", 'the page\'s "Client IPv6 Address"')
    elif address.ip == address.network.network_address:
        message = f"{path}: {address.ip} is the network itself, not an address in it"
        yield Finding(path, message, 'the page\'s "Client IPv6 Address", which ends in ::2')
    elif address.ip == address.network[1]:
        message = f"{path}: {address.ip} looks like the server's end of the tunnel"
        yield Finding(path, message, 'the page\'s "Client IPv6 Address", which ends in ::2', warning=True)


def _routed(appliance: Appliance) -> Iterator[Finding]:
    for section, tunnel in tunnels(appliance):
        routed, path = tunnel.routed, f"{section}.routed"
        if routed is None:
            continue
        allowed = 'the page\'s "Routed /64"'
        if not any(routed.subnet_of(network) for network in UNICAST):
            yield Finding(path, f"{path}: {routed} is not a network of global addresses", allowed)
        elif routed.prefixlen > SUBNET_PREFIXLEN:
            message = f"{path}: a LAN whose machines choose their addresses needs a /64, not a /{routed.prefixlen}"
            yield Finding(path, message, allowed)


def _enough(appliance: Appliance) -> Iterator[Finding]:
    """One for each network."""
    for section, tunnel in tunnels(appliance):
        routed = tunnel.routed
        if routed is None or routed.prefixlen > SUBNET_PREFIXLEN:
            continue
        for number, (path, lan) in enumerate(lan_networks(appliance)):
            if not is_within(subnet(routed, number), routed):
                message = f"{path}: there is no /64 left for {lan.interface} in {routed}, which is {section}.routed"
                is_brokers = tunnel.kind is TunnelForm.SIX_IN_FOUR
                has_more = 'the page\'s "Routed /48", which the broker gives when asked to'
                yield Finding(path, message, has_more if is_brokers else "the provider gives no more")


def _routed_is_not_the_tunnel(appliance: Appliance) -> Iterator[Finding]:
    for section, tunnel in _brokers(appliance):
        if tunnel.routed is None or tunnel.address is None:
            continue
        if tunnel.routed.overlaps(tunnel.address.network):
            path = f"{section}.routed"
            message = f"{path}: {tunnel.routed} is the tunnel's own network, that of {section}.address"
            yield Finding(path, message, 'the page\'s "Routed /64", which is another one')


def _mtu(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if appliance.tunnel is None or uplink is None:
        return
    room = uplink.mtu - HEADER_BYTES
    if room < IPV6_MTU_MIN:
        message = f"uplink.mtu: {uplink.mtu} leaves the tunnel {room} bytes, and IPv6 needs {IPV6_MTU_MIN}"
        yield Finding("uplink.mtu", message, f"at least {IPV6_MTU_MIN + HEADER_BYTES}")
        return
    for section, tunnel in tunnels(appliance):
        if tunnel.mtu is not None and tunnel.mtu > room:
            path = f"{section}.mtu"
            message = f"{path}: {tunnel.mtu} does not fit through the uplink, whose packets have {uplink.mtu} bytes"
            yield Finding(path, message, f"at most {room}")


def _carrier_nat(appliance: Appliance) -> Iterator[Finding]:
    uplink = appliance.uplink
    if uplink is None or uplink.address is None or not any(_brokers(appliance)):
        return
    if uplink.address.ip in CARRIER_NAT:
        message = f"uplink.address: {uplink.address.ip} is behind carrier-grade NAT, which no tunnel passes"
        yield Finding("uplink.address", message, "ask the provider for a public address", warning=True)


def _interface(appliance: Appliance) -> Iterator[Finding]:
    taken = [(path, each.interface) for path, each in sections(appliance)]
    for section, tunnel in tunnels(appliance):
        other = next((path for path, interface in taken if interface == tunnel.interface), None)
        if other is not None:
            path = f"{section}.interface"
            yield Finding(path, f"{path}: {tunnel.interface} is {other}.interface", "a name of its own, e.g. he-ipv6")
        taken.append((section, tunnel.interface))


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
