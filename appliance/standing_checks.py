"""Rules of one's own that do nothing, as a rule that nobody writes comes before them and decides.

Those are in firstboot/policy/standard.py; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from appliance.addresses import Network, host_network, is_within, overlap
from appliance.finding import Check, Finding
from appliance.firewall import FilterRule, Verdict, Zone
from appliance.firewall_checks import inside_networks
from appliance.model import Appliance
from appliance.poison import until_unread
from appliance.ranges import PortRange
from appliance.services import ANY, Protocol, Service

BOTH = frozenset((4, 6))
ICMP = Service(Protocol.ICMP)
EVERYBODY: tuple[Network, ...] = (IPv4Network("224.0.0.0/4"), IPv6Network("ff00::/8"), IPv4Network("255.255.255.255"))


@dataclass(frozen=True)
class Standing:
    """What comes before. `words`: what it is about; `is_part`: not about all packets of that service.

    `destination`: to whom alone, or None.
    """

    words: str
    from_: Zone
    to: Zone
    service: Service
    verdict: Verdict = Verdict.ALLOW
    families: frozenset[int] = field(default=BOTH)
    destination: Network | None = None
    is_part: bool = False

    def is_about_all(self, rule: FilterRule, service: Service) -> bool:
        """Whether it decides about every packet that a rule means by one of its services."""
        return (
            not self.is_part
            and self.from_.covers(rule.from_)
            and self.to.covers(rule.to)
            and self.service.covers(service)
            and (self.destination is None or _is_within(rule.destination, self.destination))
        )

    def is_about_some(self, rule: FilterRule, service: Service) -> bool:
        """Whether it lets some of them in that are just what the rule names: not one of all that it is about."""
        return (
            self.verdict is Verdict.ALLOW
            and _meet(self.from_, rule.from_)
            and _meet(self.to, rule.to)
            and self.service.covers(service)
        )


def standing(appliance: Appliance) -> Iterator[Standing]:
    """All that comes before rules of one's own, in its order, and can be named by one."""
    yield from _links(appliance)
    words = "the Pi drops what is sent to everybody"
    inside = (network for network in inside_networks(appliance, 4) if network.num_addresses > 2)
    for network in (*EVERYBODY, *(host_network(each.broadcast_address) for each in inside)):
        yield Standing(words, Zone.ANY, Zone.BOX, ANY, Verdict.DENY, frozenset((network.version,)), network)
    yield from _control(appliance)


def _links(appliance: Appliance) -> Iterator[Standing]:
    uplink, is_gadget = appliance.uplink, appliance.gadget is not None
    words = "neighbour discovery, without which there is no IPv6"
    yield Standing(words, Zone.ANY, Zone.BOX, ICMP, families=frozenset((6,)), is_part=True)
    for family, port, is_client in (
        (4, 68, uplink is not None and uplink.address is None),
        (6, 546, uplink is not None and (uplink.address is None or is_gadget)),
    ):
        if is_client:
            words, families = "the answers of the uplink's DHCP", frozenset((family,))
            yield Standing(words, Zone.ANY, Zone.BOX, _udp(port), families=families, is_part=True)
    for family, port in ((4, 67), (6, 547)):
        words, families = "DHCP from inside", frozenset((family,))
        yield Standing(words, Zone.INSIDE, Zone.BOX, _udp(port), families=families)
    yield Standing("names ending in .local, asked for from inside", Zone.INSIDE, Zone.BOX, _udp(5353))


def _control(appliance: Appliance) -> Iterator[Standing]:
    is_gateway = appliance.gadget is None
    words = "errors about known connections (RFC 4890)"
    yield Standing(words, Zone.ANY, Zone.ANY, ICMP, is_part=True)
    if is_gateway or appliance.tunnel is not None:
        words = "echo requests, as the tunnel's broker asks by them"
        yield Standing(words, Zone.ANY, Zone.BOX, ICMP, families=frozenset((4,)), is_part=True)
    words = "echo requests of IPv6 (RFC 4890)"
    for from_, to in ((Zone.ANY, Zone.BOX), (Zone.OUTSIDE, Zone.INSIDE)) if is_gateway else ():
        yield Standing(words, from_, to, ICMP, families=frozenset((6,)), is_part=True)
    for to in (Zone.BOX, Zone.OUTSIDE):  # networks inside do not send each other any
        yield Standing("echo requests from inside", Zone.INSIDE, to, ICMP, is_part=True)


def _udp(port: int) -> Service:
    return Service(Protocol.UDP, PortRange(port, port))


def _preceded(appliance: Appliance) -> Iterator[Finding]:
    before = tuple(until_unread(standing(appliance)))
    for number, rule in enumerate(appliance.firewall.rules):
        yield from until_unread(_without_effect(appliance, rule, f"firewall.rules[{number}]", before))


def _without_effect(
    appliance: Appliance, rule: FilterRule, path: str, before: tuple[Standing, ...]
) -> Iterator[Finding]:
    met = [each for each in before if _may_be_of(appliance, rule, each)]
    whole = [next((each for each in met if each.is_about_all(rule, service)), None) for service in rule.port]
    if whole and all(whole):
        words = _joined([each for each in whole if each is not None])
        message = f"{path} has no effect, as standing rules come before it: {words}"
        yield Finding(path, message, "take it out")
    elif rule.action is Verdict.DENY:
        some = [each for service in rule.port for each in met if each.is_about_some(rule, service)]
        if some:
            message = f"{path} does not deny all of that, as standing rules come before it, and allow: {_joined(some)}"
            yield Finding(path, message, warning=True)


def _joined(found: Sequence[Standing]) -> str:
    return "; ".join(dict.fromkeys(each.words for each in found))


def _may_be_of(appliance: Appliance, rule: FilterRule, before: Standing) -> bool:
    """Whether a rule's hosts can be the ones that a standing rule is about."""
    ends = ((rule.source, before.from_), (rule.destination, before.to))
    return all(_may_be_at(appliance, end, zone, before.families) for end, zone in ends)


def _may_be_at(appliance: Appliance, end: Network | str | None, zone: Zone, families: frozenset[int]) -> bool:
    if end is None or isinstance(end, str):
        return True
    inside = tuple(inside_networks(appliance, end.version))
    is_there = zone is not Zone.INSIDE or not inside or any(overlap(end, network) for network in inside)
    return end.version in families and is_there


def _meet(one: Zone, other: Zone) -> bool:
    return one.covers(other) or other.covers(one)


def _is_within(end: Network | str | None, network: Network) -> bool:
    return end is not None and not isinstance(end, str) and is_within(end, network)


CHECKS: tuple[Check, ...] = (_preceded,)
