"""What the firewall has refused since its rules were loaded, by reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firstboot.policy.counted import Count, Counts, by_rule
from firstboot.policy.rules import Action, Group, Policy, Rule

REFUSING = (Action.DROP, Action.DENY, Action.REJECT)
SHOWN = 8
THE_REST = "what no rule allows"


@dataclass(frozen=True)
class Reason:
    """Why packets were refused, and how many."""

    what: str
    packets: int


@dataclass(frozen=True)
class Refused:
    """All that was refused, in packets and bytes; the reasons for most of it, the largest first.

    `decided`: what each part of the policy did with packets: by (part, action), packets and bytes.
    """

    packets: int
    bytes: int
    reasons: tuple[Reason, ...]
    decided: Mapping[tuple[str, str], Count]


def refused(policy: Policy, counts: Mapping[int, Counts]) -> Refused | None:
    """`counts` by family; None where nothing is known."""
    if not counts:
        return None
    reasons: dict[str, int] = {}
    decided: dict[tuple[str, str], Count] = {}
    for number, (packets, size) in by_rule(policy, counts).items():
        rule = policy.rules[number] if number is not None else None
        part, action = (rule.group, rule.action) if rule is not None else (Group.REST, Action.DENY)
        before = decided.get((part, action), (0, 0))
        decided[part, action] = before[0] + packets, before[1] + size
        if action in REFUSING:
            what = _what(rule)
            reasons[what] = reasons.get(what, 0) + packets
    told = sorted(((packets, what) for what, packets in reasons.items() if packets), reverse=True)[:SHOWN]
    found = [count for (_, action), count in decided.items() if action in REFUSING]
    return Refused(
        packets=sum(packets for packets, _ in found),
        bytes=sum(size for _, size in found),
        reasons=tuple(Reason(what, packets) for packets, what in told),
        decided=decided,
    )


def _what(rule: Rule | None) -> str:
    return THE_REST if rule is None else rule.note or rule.setting
