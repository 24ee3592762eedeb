"""What is allowed in, and where ports lead: the mistakes that involve more than one setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address

from appliance.addresses import EVERYWHERE, Network, is_within, overlap, own_address_in, subnet
from appliance.finding import Check, Finding
from appliance.firewall import AllowIn, PortForward
from appliance.model import Appliance
from appliance.network_checks import lan_networks
from appliance.poison import until_unread
from appliance.ranges import PortRange
from appliance.services import SSH, Protocol, Service
from appliance.traffic_scalars import INSIDE
from appliance.tunnel_checks import tunnels

WIDEST = {4: 8, 6: 16}
"""The shortest prefix length of a network that is still somebody's."""


@dataclass(frozen=True)
class Given:
    """A service, the machine that has it, who may use it (nobody named: everybody), and the setting's path.

    `port`: that of the machine, where it is another.
    """

    service: Service
    machine: object
    from_: tuple[Network, ...]
    path: str
    port: int | None = None

    def leads_elsewhere(self, other: Given) -> bool:
        """Whether what one packet is for would be two machines, or two ports of one."""
        return (self.machine, self._target()) != (other.machine, other._target())

    def _target(self) -> int | None:
        ports = self.service.ports
        return None if ports is not None and self.port == ports.first else self.port

    def meets(self, other: Given, family: int | None = None) -> bool:
        """Whether a packet may be for both, of two settings; `family`: only one of that."""
        return self.path != other.path and self.service.overlaps(other.service) and self._may_come(other, family)

    def _may_come(self, other: Given, family: int | None) -> bool:
        mine, theirs = self._senders(family), other._senders(family)
        return any(overlap(one, another) for one in mine for another in theirs)

    def _senders(self, family: int | None) -> list[Network]:
        return [each for each in self.from_ or EVERYWHERE.values() if family in (None, each.version)]


def services_of(rule: AllowIn) -> list[Service]:
    """All that a setting of `allow_in` lets in."""
    named = ((Protocol.TCP, rule.tcp), (Protocol.UDP, rule.udp))
    return [Service(protocol, ports) for protocol, found in named for ports in found]


def own_ipv4(appliance: Appliance) -> Sequence[IPv4Interface]:
    """The Pi's addresses in the networks that are behind it, where the file says which they are."""
    found = [appliance.gadget.network] if appliance.gadget is not None else []
    return [own for own in (*found, *(lan.address for _, lan in lan_networks(appliance))) if own is not None]


def inside_ipv4(appliance: Appliance) -> Sequence[IPv4Network]:
    """These networks."""
    return [own.network for own in own_ipv4(appliance)]


def own_ipv6(appliance: Appliance) -> Sequence[IPv6Address]:
    """The Pi's addresses in the networks that each tunnel's broker routes to it."""
    networks = range(max(1, len(lan_networks(appliance))))
    return [own_address_in(subnet(each.routed, number)).ip for each in appliance.known_tunnels for number in networks]


def hides_ipv4(appliance: Appliance) -> bool:
    """Whether the IPv4 of a network inside goes through the Pi, which hides it behind its own address."""
    uplink = appliance.uplink
    behind = [lan for _, lan in lan_networks(appliance) if uplink is not None and lan.interface != uplink.interface]
    return appliance.gadget is not None or bool(behind)


def inside_networks(appliance: Appliance, family: int) -> Iterator[Network]:
    """Those that the inside has and whose packets the Pi sees, where the file says which."""
    if family == 4 and hides_ipv4(appliance):
        yield from inside_ipv4(appliance)
    if family == 6:
        yield from (tunnel.routed for tunnel in appliance.known_tunnels)


def _allow_in(appliance: Appliance) -> Iterator[Finding]:
    for number, rule in enumerate(appliance.firewall.allow_in):
        path = f"firewall.allow_in[{number}]"
        yield from until_unread(_inside(appliance, rule.to, f"{path}.to"))
        yield from until_unread(_ports(rule, path))


def _port_forwards(appliance: Appliance) -> Iterator[Finding]:
    for number, forward in enumerate(appliance.firewall.port_forwards):
        path = f"firewall.port_forwards[{number}]"
        yield from until_unread(_inside(appliance, forward.to, f"{path}.to"))
        if isinstance(forward.to, str) and not hides_ipv4(appliance):
            yield _not_through(f"{path}.to", forward.to)
        yield from until_unread(_one_target(forward, path))


def _inside(appliance: Appliance, to: IPv4Address | IPv6Address | str, path: str) -> Iterator[Finding]:
    """Whether a machine is one that is inside."""
    if isinstance(to, IPv6Address):
        yield from _inside_ipv6(appliance, to, path)
    elif isinstance(to, IPv4Address):
        yield from _inside_ipv4(appliance, to, path)


def _inside_ipv6(appliance: Appliance, to: IPv6Address, path: str) -> Iterator[Finding]:
    if appliance.tunnel is None:
        yield Finding(path, f"{path}: without a tunnel nothing inside has an address that is known here", "a tunnel")
        return
    all_routed = {where: tunnel.routed for where, tunnel in tunnels(appliance)}
    if not any(routed is None or to in routed for routed in all_routed.values()):
        named = " or ".join(str(routed) for routed in all_routed.values())
        whose = " or ".join(f"{where}.routed" for where in all_routed)
        message = f"{path}: {to} is not in {named}, which is {whose}"
        yield Finding(path, message, f"an address in {named}")
    elif to in own_ipv6(appliance):
        message = f"{path}: {to} is the Pi itself, which the outside never reaches"
        yield Finding(path, message, "the address of another machine inside")


def _inside_ipv4(appliance: Appliance, to: IPv4Address, path: str) -> Iterator[Finding]:
    networks = inside_ipv4(appliance)
    if not hides_ipv4(appliance):
        yield _not_through(path, to)
    elif networks and not any(to in network for network in networks):
        named = " or ".join(str(network) for network in networks)
        yield Finding(path, f"{path}: {to} is not in {named}, the network inside", f"an address in {named}")
    elif to in [own.ip for own in own_ipv4(appliance)]:
        yield Finding(path, f"{path}: {to} is the Pi itself", "the address of another machine inside")


def _not_through(path: str, to: object) -> Finding:
    message = f"{path}: IPv4 to {to} does not pass through the Pi: the LAN is on the uplink's interface"
    return Finding(path, message, "have the home router forward the port")


def _ports(rule: AllowIn, path: str) -> Iterator[Finding]:
    services = services_of(rule)
    if not services:
        yield Finding(path, f"{path} allows nothing: it has no ports", "tcp: [443] or udp: [51820], or both")
    elif rule.nat_port is not None and any(service.ports != services[0].ports for service in services):
        yield Finding(f"{path}.nat_port", f"{path}.nat_port: it is one port, for several ones", "a setting for each")
    elif rule.nat_port is not None and services[0].ports is not None and not _is_one(services[0].ports):
        yield Finding(f"{path}.nat_port", f"{path}.nat_port: {services[0].ports} cannot all lead there", "one port")


def _one_target(forward: PortForward, path: str) -> Iterator[Finding]:
    ports = forward.port.ports
    if forward.to_port is not None and ports is not None and not _is_one(ports):
        yield Finding(f"{path}.to_port", f"{path}.to_port: {ports} cannot all lead to one port", "leave it out")


def _is_one(ports: PortRange) -> bool:
    return ports.first == ports.last


def _allowed_twice(appliance: Appliance) -> Iterator[Finding]:
    """The same service of the same machine."""
    seen: list[Given] = []
    for number, rule in enumerate(appliance.firewall.allow_in):
        yield from until_unread(_repeated(rule, f"firewall.allow_in[{number}]", seen))


def _repeated(rule: AllowIn, path: str, seen: list[Given]) -> Iterator[Finding]:
    for service in services_of(rule):
        given = Given(service, rule.to, rule.from_, path)
        for other in seen:
            if other.machine == rule.to and given.meets(other) and not rule.from_:
                yield Finding(path, f"{path}: {service} of {rule.to} is in {other.path} too", "once", also=other.path)
                break
        seen.append(given)


def _one_port_for_two(appliance: Appliance) -> Iterator[Finding]:
    """A port of the Pi's one IPv4 address leads one sender to the first machine that is named, whatever comes later."""
    if not hides_ipv4(appliance):
        return
    seen = list(_ssh_from_outside(appliance))
    for given in led_inside(appliance):
        yield from until_unread(_taken(given, seen))


def led_inside(appliance: Appliance) -> Iterator[Given]:
    """The ports of the Pi's one IPv4 address that lead to a machine inside, the more special ones first."""
    if not hides_ipv4(appliance):
        return
    for number, forward in enumerate(appliance.firewall.port_forwards):
        path = f"firewall.port_forwards[{number}]"
        yield from until_unread(_forwarded(forward, path))
    for number, rule in enumerate(appliance.firewall.allow_in):
        yield from until_unread(_let_to(rule, f"firewall.allow_in[{number}]"))


def _forwarded(forward: PortForward, path: str) -> Iterator[Given]:
    yield Given(forward.port, forward.to, forward.from_, path, forward.to_port)


def _let_to(rule: AllowIn, path: str) -> Iterator[Given]:
    if not isinstance(rule.to, IPv6Address):
        yield from (Given(service, rule.to, rule.from_, path, rule.nat_port) for service in services_of(rule))


def _ssh_from_outside(appliance: Appliance) -> Iterator[Given]:
    """A port that leads inside is not the Pi's own any more."""
    for number, host in enumerate(appliance.firewall.management.ssh_from):
        is_inside = isinstance(host, str) or any(is_within(host, network) for network in inside_ipv4(appliance))
        if not isinstance(host, str) and not is_inside:
            yield Given(SSH, "the Pi itself", (host,), f"firewall.management.ssh_from[{number}]")


def _taken(given: Given, seen: list[Given]) -> Iterator[Finding]:
    for other in seen:
        if given.leads_elsewhere(other) and given.meets(other, family=4):
            message = f"{given.path}: {given.service} of the Pi's IPv4 address leads to {other.machine} already"
            allowed = "another port, nat_port, or from with no address that both have"
            yield Finding(given.path, f"{message}, by {other.path}", allowed, also=other.path)
            break
    seen.append(given)


def _management(appliance: Appliance) -> Iterator[Finding]:
    path, hosts = "firewall.management.ssh_from", appliance.firewall.management.ssh_from
    if not hosts:
        yield Finding(path, f"{path}: nobody can log in over the network", INSIDE, warning=True)
    for number, host in enumerate(hosts):
        if not isinstance(host, str) and host.prefixlen < WIDEST[host.version]:
            message = f"{path}: {host} is {'the whole' if host.prefixlen == 0 else 'a large part of the'} Internet"
            yield Finding(f"{path}[{number}]", message, "the hosts that you look after it from")


CHECKS: tuple[Check, ...] = (_allow_in, _port_forwards, _allowed_twice, _one_port_for_two, _management)
