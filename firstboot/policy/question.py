"""`appliance firewall test`: from a person's words to packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from appliance.errors import InputError
from appliance.firewall import Zone
from appliance.services import Protocol, Service
from firstboot.facts import Facts, Gateway
from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES, Policy
from firstboot.policy.standard import ECHO, LINK_LOCAL

SOMEBODY: dict[int, Gateway] = {4: IPv4Address("192.0.2.1"), 6: IPv6Address("2001:db8:ffff::1")}
"""Of the Internet, whoever that is (RFC 5737, RFC 3849)."""

EVERYBODY = IPv4Address("255.255.255.255")
EPHEMERAL = 50000


@dataclass(frozen=True)
class Question:
    """Who sends what to whom: a zone, an address, or the name of a machine inside."""

    source: str
    destination: str
    service: Service


def packets(question: Question, policy: Policy, facts: Facts) -> Iterator[Packet]:
    """The packets that are meant: one of each family for which there are such ends. Raises `InputError`."""
    _one_port(question.service)
    sources, destinations = _addresses(question.source, policy, facts), _addresses(question.destination, policy, facts)
    found = False
    for family in FAMILIES:
        source = next((each for each in sources if each.version == family), None)
        # From inside to inside another network is meant, where there is one.
        of_family = [each for each in destinations if each.version == family]
        destination = next((each for each in of_family if each != source), of_family[0] if of_family else None)
        if source is not None and destination is not None:
            found = True
            yield _packet(source, destination, question.service, policy, facts)
    if not found:
        message = f"{question.source} and {question.destination} have no addresses of one family"
        raise InputError(message, hint="both of IPv4, or both of IPv6")


def _one_port(service: Service) -> None:
    """Several may be decided in several ways."""
    if service.protocol is not Protocol.ICMP and (service.ports is None or service.ports.first != service.ports.last):
        raise InputError(f"{service} is not one sort of packet", hint="one port, such as tcp/443, or icmp")


def _addresses(end: str, policy: Policy, facts: Facts) -> list[Gateway]:
    if end == Zone.OUTSIDE:
        found = [SOMEBODY[family] for family in FAMILIES if policy.zones.outside[family]]
        if not found:
            raise InputError("there is no outside", hint="appliance.yaml has no uplink that packets leave by")
        return found
    if end == Zone.INSIDE:
        return list(_somebody_inside(policy))
    if end == Zone.BOX:
        return list(_own(policy, facts))
    if end.lower() in facts.hosts:
        return list(facts.hosts[end.lower()])
    try:
        return [ip_address(end)]
    except ValueError:
        names = ", ".join(sorted(facts.hosts)) or "none now"
        message = f"{end!r} is no zone, no address, and no machine inside"
        raise InputError(message, hint=f"outside, inside, box, an address, or a name: {names}") from None


def _somebody_inside(policy: Policy) -> Iterator[Gateway]:
    """The highest address of each network: hardly ever the box's own."""
    for family in FAMILIES:
        networks = [way.network for way in policy.zones.ways[family]]
        networks += [network for arm in policy.zones.inside[family] for network in arm.networks]
        yield from dict.fromkeys(network[-2] for network in networks if network != LINK_LOCAL)


def _own(policy: Policy, facts: Facts) -> Iterator[Gateway]:
    """The outside's first: of several, it is what the outside knows."""
    for family in FAMILIES:
        own = [found for found in facts.addresses if found.address.version == family]
        own.sort(key=lambda found: found.interface not in policy.zones.outside[family][:1])
        yield from (found.address.ip for found in own[:1])


def _packet(source: Gateway, destination: Gateway, service: Service, policy: Policy, facts: Facts) -> Packet:
    family = destination.version
    ports = service.ports
    is_broadcast = _is_broadcast(destination, facts)
    return Packet(
        source=source,
        destination=destination,
        protocol="" if service.protocol is Protocol.ANY else str(service.protocol),
        arriving=_interface(source, policy, facts),
        leaving="" if is_broadcast or destination.is_multicast else _interface(destination, policy, facts),
        port=ports.first if ports is not None else 0,
        source_port=EPHEMERAL,
        type=ECHO[family][0],
        broadcast=is_broadcast,
    )


def _is_broadcast(address: Gateway, facts: Facts) -> bool:
    networks = (found.address.network for found in facts.addresses if found.address.network.num_addresses > 2)
    return address in (EVERYBODY, *(each.broadcast_address for each in networks if each.version == 4))


def _interface(address: Gateway, policy: Policy, facts: Facts) -> str:
    """That by which one comes from there, or goes there; "" for the box's own addresses."""
    if any(found.address.ip == address for found in facts.addresses):
        return ""
    for arm in policy.zones.inside[address.version]:
        if any(address in network for network in arm.networks):
            return arm.interface
    if not policy.zones.outside[address.version]:
        raise InputError(f"{address} is neither the Pi nor inside, and there is no outside in IPv{address.version}")
    return policy.zones.outside[address.version][0]
