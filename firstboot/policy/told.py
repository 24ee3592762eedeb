"""A policy in words: the table that people read, each rule with what it has counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from appliance.addresses import Network
from appliance.errors import Mark
from appliance.firewall import Deny, Logged, Zone
from firstboot.policy.compiled import is_logged
from firstboot.policy.counted import Count, Counts, by_rule
from firstboot.policy.openings import opened
from firstboot.policy.rules import FAMILIES, Action, Group, Policy, Rule, State, Traffic
from firstboot.policy.shadows import letting_by, shadowing
from firstboot.policy.standard import LISTENERS, NEIGHBOURS
from firstboot.policy.translation import leaves
from firstboot.status import line_of

TYPES = {
    4: {0: "echo-reply", 3: "unreachable", 8: "echo", 11: "time-exceeded", 12: "parameter-problem"},
    6: {
        1: "unreachable",
        2: "packet-too-big",
        3: "time-exceeded",
        4: "parameter-problem",
        128: "echo",
        129: "echo-reply",
    },
}
SETS = {"neighbour-discovery": NEIGHBOURS, "multicast-listeners": LISTENERS}
"""Types that are always together."""


@dataclass(frozen=True)
class Row:
    """One rule in words. `families`: "4", "6" or "4, 6", of IP. `packets`, `bytes`: what it has decided, of both
    families; None: not known. `in_force`: false while the rule names a machine without an address.

    `number`: its place among the rules, from 1; None: it is no rule of the policy's.
    """

    number: int | None
    part: str
    families: str
    from_: str
    source: str
    to: str
    destination: str
    port: str
    nat: str
    action: str
    in_force: bool
    log: bool
    note: str
    setting: str
    line: int | None
    packets: int | None = None
    bytes: int | None = None

    def as_json(self) -> Mapping[str, object]:
        """As programs read it: `from_` without its mark."""
        return {name.rstrip("_"): value for name, value in asdict(self).items()}


def rows(policy: Policy, marks: Mapping[str, Mark], counts: Mapping[int, Counts]) -> Sequence[Row]:
    """All rules, top down; `counts` by family, of those whose rules are in the kernel as they are here."""
    counted = by_rule(policy, counts)
    found = [_row(number, rule, policy, marks, counted.get(number)) for number, rule in enumerate(policy.rules)]
    return (*found, _rest(policy, counted.get(None)))


def _row(number: int, rule: Rule, policy: Policy, marks: Mapping[str, Mark], counted: Count | None) -> Row:
    packets, size = counted or (None, None)
    return Row(
        number=number + 1,
        part=rule.group,
        families=_families(rule),
        from_=_from(rule),
        source=_hosts(rule.source),
        to=f"{rule.to} by {rule.exit}" if rule.exit else rule.to,
        destination=_hosts(rule.destination),
        port=_traffic(rule),
        nat=_nat(rule, policy),
        action=rule.action,
        in_force=_in_force(rule),
        log=is_logged(policy, rule),
        note=_note(number, rule, policy),
        setting=rule.setting,
        line=line_of(rule.setting, marks) if rule.setting else None,
        packets=packets,
        bytes=size,
    )


def _note(number: int, rule: Rule, policy: Policy) -> str:
    """Of ufw's rules also what they have no say about, or open: of one's own, that is said before they are in force."""
    if not _in_force(rule):
        return "; ".join(each for each in (rule.note, _why_not(rule)) if each)
    if rule.group is not Group.UFW:
        return rule.note
    before = shadowing(policy.rules, number)
    if before is not None:
        return f"{rule.note}; it never decides, rule {before + 1} does before it"
    letting = ", ".join(str(each + 1) for each in letting_by(policy.rules, number))
    if letting:
        return f"{rule.note}; some of it is allowed before, by rule {letting}"
    names = ", ".join(opened(policy, number))
    return f"{rule.note}; it opens to the outside what the Pi has for the inside: {names}" if names else rule.note


def _rest(policy: Policy, counted: Count | None) -> Row:
    how = "its sender is told" if policy.deny is Deny.REJECT else "its sender is not told"
    note = f"what no rule decides; {how}; the box itself may send it"
    end = (Zone.ANY, "any", Zone.ANY, "any", "any", "no", Action.DENY, True, policy.log is not Logged.NONE)
    return Row(None, Group.REST, ", ".join(map(str, FAMILIES)), *end, note, "", None, *(counted or (None, None)))


def _in_force(rule: Rule) -> bool:
    return any(rule.has(family) for family in FAMILIES)


def _why_not(rule: Rule) -> str:
    if () in (rule.source, rule.destination):
        return "not in force: the machine that it names has no address now"
    return "not in force: its hosts are of different families"


def _families(rule: Rule) -> str:
    """Those that it can be about; a rule about a machine that has no address now is about neither."""
    return ", ".join(str(family) for family in FAMILIES if rule.has(family)) or "none now"


def _from(rule: Rule) -> str:
    return f"{rule.from_} by {rule.interface}" if rule.interface else rule.from_


def _hosts(networks: Sequence[Network] | None) -> str:
    if networks is None:
        return "any"
    return ", ".join(str(network).removesuffix("/32").removesuffix("/128") for network in networks) or "nobody now"


def _traffic(rule: Rule) -> str:
    """Ports with their protocols; those of control messages by name."""
    if rule.state is State.KNOWN:
        return "known connections"
    if rule.state is State.INVALID:
        return "in no connection"
    types = {kind for traffic in rule.traffic for kind in traffic.types}
    sets = {kind: name for name, kinds in SETS.items() if types.issuperset(kinds) for kind in kinds}
    return ", ".join(dict.fromkeys(_told(traffic, rule, sets) for traffic in rule.traffic))


def _told(traffic: Traffic, rule: Rule, sets: Mapping[int, str]) -> str:
    if traffic.types:
        [kind] = traffic.types
        names = (sets.get(kind), *(TYPES[family].get(kind) for family in rule.families))
        return f"icmp/{next((name for name in names if name), kind)}"
    if traffic.routing is not None:
        return f"routing header {traffic.routing}"
    if traffic.broadcast:
        return "broadcast"
    if traffic.opening is False:
        return f"{traffic.protocol}, not opening"
    if traffic.inner is not None:
        return f"protocol {traffic.protocol} of {traffic.inner}"
    protocol = f"protocol {traffic.protocol}" if traffic.protocol.isdigit() else traffic.protocol or "any"
    return f"{protocol}/{traffic.ports}" if traffic.ports is not None else protocol


def _nat(rule: Rule, policy: Policy) -> str:
    """What becomes of the addresses; of IPv6 seldom anything."""
    if rule.redirected is not None:
        return f"from port {rule.redirected} of the Pi's IPv4 address"
    if rule.nat is not None:
        return "yes" if rule.nat else "no"
    is_leaving = rule.group is Group.OUTBOUND or leaves(rule)
    ways = (way for family in FAMILIES if rule.has(family) for way in policy.zones.ways[family])
    translated = sorted({way.network.version for way in ways if way.translated})
    return " and ".join(f"IPv{version}" for version in translated) if is_leaving and translated else "no"
