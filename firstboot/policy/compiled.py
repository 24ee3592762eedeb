"""From a policy to the lines that iptables-restore reads, of one family; each knows the rule that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from appliance.addresses import Network
from appliance.firewall import Logged, Zone
from appliance.ranges import PortRange
from firstboot.policy.rules import ICMP, Action, Arm, Group, Policy, Rule, State, Traffic

INPUT, OUTPUT, FORWARD = "input", "output", "forward"
ALLOWED, LOGGED, DENIED, LOGGED_DENIED = (
    "appliance-allow",
    "appliance-log-allow",
    "appliance-deny",
    "appliance-log-deny",
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
        return "-j DROP"
    if rule.action is Action.DENY:
        return f"-j {LOGGED_DENIED if rule.log else DENIED}"
    if rule.log:
        return f"-j {LOGGED}"
    is_worth_it = policy.log is Logged.ALL and rule.group not in (Group.LOOPBACK, Group.ESTABLISHED, Group.LINKS)
    return f"-j {ALLOWED}" if is_worth_it else "-j ACCEPT"


def matches(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[str]:
    """What a line asks for: one for each way in which a packet may fit."""
    if rule.group is Group.LOOPBACK:
        yield "-i lo" if direction == INPUT else "-o lo"
        return
    state = f"-m conntrack --ctstate {rule.state}" if rule.state is not State.ANY else ""
    ways = tuple(_ways(policy, rule, family, direction))
    for way, destination, traffic in product(ways, _of(rule.destination, family), rule.traffic):
        words = (way, f"-d {destination}" if destination is not None else "", packet(traffic, family), state)
        yield " ".join(word for word in words if word)


def _ways(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[str]:
    """By which interfaces, and from which addresses."""
    if direction == OUTPUT:
        leaving = policy.zones.outside[family] if rule.to is Zone.OUTSIDE else ""
        interfaces = [arm.interface for arm in policy.zones.inside[family]] if rule.to is Zone.INSIDE else [leaving]
        for interface, source in product(dict.fromkeys(interfaces), _of(rule.source, family)):
            yield _joined(f"-o {interface}" if interface else "", source)
        return
    for (arm, excluded), leaving in product(
        _arms(policy, rule, family, direction), _leaving(policy, rule, family, direction)
    ):
        for source in _common(arm, rule.source, family):
            words = _joined(f"-i {arm.interface}" if arm.interface else "", source)
            words = f"{words} ! -s {excluded}".strip() if excluded is not None and source is None else words
            yield f"{words} {leaving}".strip()


def _arms(policy: Policy, rule: Rule, family: int, direction: str) -> Iterator[tuple[Arm, Network | None]]:
    """Where a packet may come from: an interface with addresses, and what is none of the zone's there."""
    zones = policy.zones
    if rule.interface:
        yield Arm(rule.interface), None
    elif rule.from_ is Zone.INSIDE and direction == INPUT:
        yield from ((arm, None) for arm in zones.inside[family])
    elif rule.from_ is Zone.INSIDE:
        yield from ((Arm(way.interface, (way.network,)), None) for way in zones.ways[family])
    elif rule.from_ is Zone.OUTSIDE and zones.outside[family]:
        interface = zones.outside[family]
        inside = [net for arm in zones.inside[family] if arm.interface == interface for net in arm.networks]
        yield Arm(interface), next(iter(inside), None)
    elif rule.from_ is Zone.ANY:
        yield Arm(""), None


def _leaving(policy: Policy, rule: Rule, family: int, direction: str) -> Sequence[str]:
    zones = policy.zones
    if direction == INPUT or rule.to is Zone.ANY:
        return ("",)
    if rule.to is Zone.OUTSIDE:
        return (f"-o {zones.outside[family]}",) if zones.outside[family] else ()
    return tuple(dict.fromkeys(f"-o {way.interface}" for way in zones.ways[family]))


def _common(arm: Arm, source: Sequence[Network] | None, family: int) -> Iterator[Network | None]:
    """The addresses that are both believed there and meant."""
    for believed, meant in product(arm.networks or (None,), _of(source, family)):
        if believed is None or meant is None:
            yield meant if believed is None else believed
        elif believed.overlaps(meant):
            yield max(believed, meant, key=lambda network: network.prefixlen)


def _of(networks: Sequence[Network] | None, family: int) -> Sequence[Network | None]:
    return (None,) if networks is None else [network for network in networks if network.version == family]


def _joined(interface: str, source: Network | None) -> str:
    return f"{interface} -s {source}".strip() if source is not None else interface


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
    return " ".join(words)


def port_words(ports: PortRange) -> str:
    """Ports as iptables reads them."""
    return f"{ports.first}:{ports.last}" if ports.first != ports.last else f"{ports.first}"
