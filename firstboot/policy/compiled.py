"""From a policy to the lines that iptables-restore reads, of one family; each knows the rule that it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from itertools import product
from typing import Any

from appliance.addresses import EVERYWHERE, Network
from appliance.firewall import Logged, Zone
from appliance.ranges import PortRange
from firstboot.policy.rules import ICMP, Action, Group, Policy, Rule, State, Traffic

INPUT, OUTPUT, FORWARD = "input", "output", "forward"
ALLOWED, LOGGED, DENIED, LOGGED_DENIED, LOGGED_DROPPED = (
    "appliance-allow",
    "appliance-log-allow",
    "appliance-deny",
    "appliance-log-deny",
    "appliance-log-drop",
)
REDIRECTED, TRANSLATED, USUAL = "appliance-dnat", "appliance-nat", "appliance-masquerade"

ELSEWHERE = (Group.INBOUND, Group.UFW)
"""The first may be thousands, and are looked up; the others are written by ufw."""


@dataclass(frozen=True)
class Line:
    """A rule of a chain; `rule`: the number of the policy's rule that it is for, or None."""

    chain: str
    words: str
    rule: int | None = None

    def __str__(self) -> str:
        return f"-A {self.chain} {self.words}"


def chains_of(rule: Rule) -> Sequence[str]:
    """Where packets that a rule is about come by. What connection tracking does not know, the box itself may send."""
    if rule.chains is not None:
        return rule.chains
    if rule.group is Group.LOOPBACK:
        return (INPUT, OUTPUT)
    found = [INPUT] if rule.from_ is not Zone.BOX and rule.to.covers(Zone.BOX) else []
    if rule.from_.covers(Zone.BOX) and rule.to is not Zone.BOX and rule.state is not State.INVALID:
        found.append(OUTPUT)
    if rule.from_ is not Zone.BOX and rule.to is not Zone.BOX:
        found.append(FORWARD)
    return found


def filter_lines(policy: Policy, family: int) -> Iterator[Line]:
    """The lines of ufw's chains, by the direction that they are for in place of a name."""
    for number, rule in enumerate(policy.rules):
        if not rule.has(family) or rule.group in ELSEWHERE:
            continue
        for direction in chains_of(rule):
            target = target_of(policy, rule)
            yield from (
                Line(direction, f"{words} {target}", number) for words in matches(policy, rule, family, direction)
            )


def target_of(policy: Policy, rule: Rule) -> str:
    """The end of a line."""
    if rule.action is Action.DROP:
        return f"-j {LOGGED_DROPPED}" if rule.log else "-j DROP"
    if rule.action is Action.DENY:
        return f"-j {LOGGED_DENIED if rule.log else DENIED}"
    if rule.log:
        return f"-j {LOGGED}"
    return f"-j {ALLOWED}" if is_logged(policy, rule) else "-j ACCEPT"


def is_logged(policy: Policy, rule: Rule) -> bool:
    """Whether what it decides about is logged, by its own wish or the policy's."""
    if rule.log or rule.action in (Action.DROP, Action.UNKNOWN):
        return rule.log
    if rule.action is Action.DENY:
        return policy.log is not Logged.NONE
    return policy.log is Logged.ALL and rule.group not in (Group.LOOPBACK, Group.ESTABLISHED, Group.LINKS, Group.UFW)


def matches(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[str]:
    """What a line asks for: one for each way in which a packet may fit."""
    if rule.group is Group.LOOPBACK:
        yield "-i lo" if direction == INPUT else "-o lo"
        return
    state = f"-m conntrack --ctstate {rule.state}" if rule.state is not State.ANY else ""
    sources, destinations = _sources(policy, rule, family, direction), _destinations(policy, rule, family, direction)
    for source, destination, traffic in product(tuple(sources), tuple(destinations), rule.traffic):
        yield " ".join(word for word in (source, destination, packet(traffic, family), state) if word)


@dataclass(frozen=True)
class _End:
    """An interface ("": any); the networks that are believed there, (): all; and those that are not meant."""

    interface: str = ""
    believed: tuple[Network, ...] = ()
    excluded: tuple[Network, ...] = ()


def _sources(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[str]:
    """By which interfaces a packet comes, and from which addresses."""
    ends = (_End(),) if direction == OUTPUT else _coming(policy, rule, family, direction)
    for end in ends:
        yield from _worded("-i", "-s", end, rule.source, family)


def _destinations(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[str]:
    """By which interfaces it leaves, and to which addresses."""
    for end in _going(policy, rule, family, direction):
        yield from _worded("-o", "-d", end, rule.destination, family)


def _coming(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[_End]:
    zones = policy.zones
    if rule.interface:
        yield _End(rule.interface)
    elif rule.from_ is Zone.INSIDE and direction == INPUT:
        yield from (_End(arm.interface, arm.networks) for arm in zones.inside[family])
    elif rule.from_ is Zone.INSIDE:
        yield from (_End(way.interface, (way.network,)) for way in zones.ways[family])
    elif rule.from_ is Zone.OUTSIDE:
        yield from (_End(each, excluded=_inside_by(policy, each, family)) for each in zones.outside[family])
    elif rule.from_ is Zone.ANY:
        yield _End()


def _going(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[_End]:
    zones = policy.zones
    if direction == INPUT or rule.to is Zone.ANY:
        yield _End(rule.exit)
    elif rule.to is Zone.OUTSIDE:
        for each in zones.outside[family]:
            yield _End(each, excluded=_inside_by(policy, each, family) if direction == OUTPUT else ())
    elif direction == OUTPUT:
        yield from (_End(arm.interface, arm.networks) for arm in zones.inside[family])
    else:
        yield from (_End(interface) for interface in dict.fromkeys(way.interface for way in zones.ways[family]))


def _inside_by(policy: Policy, interface: str, family: int) -> tuple[Network, ...]:
    """Of a box with one arm: the networks of the inside that are reached by the same interface as the outside."""
    arms = (arm for arm in policy.zones.inside[family] if arm.interface == interface)
    return tuple(network for arm in arms for network in arm.networks)


def _worded(by: str, flag: str, end: _End, meant: Sequence[Network] | None, family: int) -> Iterator[str]:
    """As a line asks for it, once for each network."""
    for addresses in _addresses(flag, end, meant, family):
        yield " ".join(word for word in (f"{by} {end.interface}" if end.interface else "", addresses) if word)


def _addresses(flag: str, end: _End, meant: Sequence[Network] | None, family: int) -> Iterator[str]:
    """Those that are both believed there and meant, without what is excluded."""
    wanted = (None,) if meant is None else [network for network in meant if network.version == family]
    for network in (each for pair in product(end.believed or (None,), wanted) for each in _common(*pair)):
        if network is None and len(end.excluded) <= 1:
            yield "".join(f"! {flag} {excluded}" for excluded in end.excluded)
        else:
            yield from (f"{flag} {each}" for each in _without(network or EVERYWHERE[family], end.excluded))


def _common(believed: Network | None, meant: Network | None) -> Iterator[Network | None]:
    """None: any."""
    if believed is None or meant is None:
        yield meant if believed is None else believed
    elif believed.overlaps(meant):
        yield max(believed, meant, key=lambda network: network.prefixlen)


def _without(network: Network, excluded: Sequence[Any]) -> Iterable[Network]:
    """What is left of it: several smaller ones."""
    found: list[Any] = [network]
    for other in excluded:
        found = [left for each in found for left in _less(each, other)]
    return found


def _less(network: Any, other: Any) -> Iterable[Network]:
    if not network.overlaps(other):
        return (network,)
    return sorted(network.address_exclude(other)) if other.subnet_of(network) else ()


def packet(traffic: Traffic, family: int) -> str:
    """What a line asks of the packet itself."""
    protocol = ICMP[family] if traffic.protocol == "icmp" else traffic.protocol
    words = [f"-p {protocol}"] if protocol else []
    words += [f"--sport {port_words(traffic.source_ports)}"] if traffic.source_ports is not None else []
    words += [f"--dport {port_words(traffic.ports)}"] if traffic.ports is not None else []
    words += [f"{'' if traffic.opening else '! '}--syn"] if traffic.opening is not None else []
    words += [f"--{protocol}-type {each}" for each in traffic.types]
    words += [f"-m hl --hl-eq {traffic.hops}"] if traffic.hops is not None else []
    words += [f"-m rt --rt-type {traffic.routing}"] if traffic.routing is not None else []
    words += ["-m addrtype --dst-type BROADCAST"] if traffic.broadcast else []
    words += [f'-m u32 --u32 "{_inner(traffic.inner)}"'] if traffic.inner is not None else []
    return " ".join(words)


def _inner(network: IPv6Network) -> str:
    """Whose IPv6 packet it is in one of protocol 41 (iptables-extensions(8), u32): what follows the IPv4 header counts.

    An IPv6 header has its source in the third to the sixth word.
    """
    tests = []
    for word in range(4):
        value, mask = (int(end) >> (96 - 32 * word) & 0xFFFFFFFF for end in (network.network_address, network.netmask))
        if mask:
            tests.append(f"0x0>>0x16&0x3c@0x{8 + 4 * word:x}&0x{mask:x}=0x{value:x}")
    return "&&".join(tests)


def port_words(ports: PortRange) -> str:
    """Ports as iptables reads them."""
    return f"{ports.first}:{ports.last}" if ports.first != ports.last else f"{ports.first}"
