"""Rules of one's own that others come before, and settings that rules come before, compared with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.addresses import Network, host_network, is_within
from appliance.finding import Check, Finding
from appliance.firewall import FilterRule, Verdict, Zone
from appliance.firewall_checks import services_of
from appliance.model import Appliance
from appliance.poison import until_unread
from appliance.ranges import PortRange
from appliance.regions import Box, boxes_of, left_of
from appliance.services import ANY, SSH, Protocol, Service
from appliance.traffic_scalars import INSIDE

SSH_FROM = "firewall.management.ssh_from"
NAMED_MAX = 4
"""So many rules are named that together hide another one."""


@dataclass(frozen=True)
class Written:
    """A rule, and the setting that it is from."""

    rule: FilterRule
    path: str


def own_rules(appliance: Appliance) -> Iterator[Written]:
    """All rules of one's own, in their order."""
    for number, rule in enumerate(appliance.firewall.rules):
        yield Written(rule, f"firewall.rules[{number}]")


def _overshadowed(appliance: Appliance) -> Iterator[Finding]:
    before: list[tuple[Written, Sequence[Box]]] = []
    for written in until_unread(_standard(appliance)):
        before += until_unread(_with_boxes(written))
    for written in own_rules(appliance):
        yield from until_unread(_covered(written, before))
        before += until_unread(_with_boxes(written))


def _with_boxes(written: Written) -> Iterator[tuple[Written, Sequence[Box]]]:
    yield written, boxes_of(written.rule)


def _covered(written: Written, before: Sequence[tuple[Written, Sequence[Box]]]) -> Iterator[Finding]:
    """By one rule, or by several together."""
    left: Sequence[Box] = boxes_of(written.rule)
    deciding: list[Written] = []
    for earlier, boxes in before if left else ():
        rest = left_of(left, boxes)
        if rest is not left:
            deciding.append(earlier)
            left = rest
        if not left:
            alone = next((each for each, _ in before if covers(each.rule, written.rule)), None)
            yield _never_matching(written, [alone] if alone is not None else deciding)
            return


def _never_matching(written: Written, deciding: Sequence[Written]) -> Finding:
    first, *others = deciding
    message = f"{written.path} can never match: {first.path} comes before it, and decides all of that"
    if others:
        named = ", ".join(each.path for each in deciding[:NAMED_MAX])
        more = f" and {len(deciding) - NAMED_MAX} more" if len(deciding) > NAMED_MAX else ""
        message = f"{written.path} can never match: {named}{more} come before it, and together decide all of that"
    allowed = f"put it before {'them' if others else 'the other'}, or take it out"
    if any(each.path.startswith(SSH_FROM) for each in deciding):
        allowed = "list there who may, or take it out"
    return Finding(written.path, message, allowed, also=first.path)


def _denied(appliance: Appliance) -> Iterator[Finding]:
    """What is let in, or out, by another setting, and denied by rules that come before that."""
    own = [each for each in own_rules(appliance) if each.rule.action is Verdict.DENY]
    for path, wanted in (*_let_in(appliance), *_let_out(appliance)):
        yield from until_unread(_is_denied(path, wanted, own))


def _is_denied(path: str, wanted: Sequence[FilterRule], own: Sequence[Written]) -> Iterator[Finding]:
    for written in own:
        if wanted and all(covers(written.rule, rule) for rule in wanted):
            message = f"{path} allows nothing: {written.path} comes before it, and denies all of that"
            yield Finding(path, message, "take one of the two out", also=written.path)
            return


def _let_in(appliance: Appliance) -> Iterator[tuple[str, Sequence[FilterRule]]]:
    for number, rule in enumerate(appliance.firewall.allow_in):
        to = rule.to if isinstance(rule.to, str) else host_network(rule.to)
        port = tuple(_behind(service, rule.nat_port) for service in services_of(rule))
        yield (
            f"firewall.allow_in[{number}]",
            [
                FilterRule(
                    from_=Zone.OUTSIDE, source=source, to=Zone.INSIDE, destination=to, port=port, action=Verdict.ALLOW
                )
                for source in rule.from_ or (None,)
            ],
        )


def _behind(service: Service, port: int | None) -> Service:
    """Where it is at the machine."""
    return service if port is None else Service(service.protocol, PortRange(port, port))


def _let_out(appliance: Appliance) -> Iterator[tuple[str, Sequence[FilterRule]]]:
    """What is listed; without a list everything is meant, but for what rules deny."""
    for number, service in enumerate(appliance.firewall.outbound):
        if service != ANY:
            rule = FilterRule(from_=Zone.INSIDE, to=Zone.OUTSIDE, port=(service,), action=Verdict.ALLOW)
            yield f"firewall.outbound[{number}]", [rule]


def covers(one: FilterRule, other: FilterRule) -> bool:
    """Whether all packets that fit the other fit this one, too."""
    return (
        one.from_.covers(other.from_)
        and one.to.covers(other.to)
        and _has(one.source, other.source)
        and _has(one.destination, other.destination)
        and (one.nat is None or other.nat is not None)  # which is about IPv4 alone
        and all(any(service.covers(wanted) for service in one.port) for wanted in other.port)
    )


def _standard(appliance: Appliance) -> Iterator[Written]:
    """What comes before rules of one's own: those who look after the Pi are let in, and it logs to them."""
    for number, host in enumerate(appliance.firewall.management.ssh_from):
        zone, source = (Zone.INSIDE, None) if isinstance(host, str) else (Zone.ANY, host)
        rule = FilterRule(from_=zone, source=source, to=Zone.BOX, port=(SSH,), action=Verdict.ALLOW)
        yield Written(rule, SSH_FROM + (f"[{number}]" if host != INSIDE else ""))
    if (log := appliance.firewall.management.syslog_to) is not None:
        port = (Service(Protocol.UDP, PortRange(514, 514)), Service(Protocol.TCP, PortRange(6514, 6514)))
        rule = FilterRule(from_=Zone.BOX, destination=host_network(log), port=port, action=Verdict.ALLOW)
        yield Written(rule, "firewall.management.syslog_to")


def _has(one: Network | str | None, other: Network | str | None) -> bool:
    if one is None or one == other:
        return True
    return not (isinstance(one, str) or isinstance(other, str) or other is None) and is_within(other, one)


CHECKS: tuple[Check, ...] = (_overshadowed, _denied)
