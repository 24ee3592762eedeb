"""Leaving with the box's own address: the nat table's lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from appliance.firewall import Zone
from firstboot.policy.compiled import FORWARD, TRANSLATED, USUAL, Line, matches
from firstboot.policy.rules import Action, Group, Policy, Rule


def nat_lines(policy: Policy, family: int) -> Iterator[Line]:
    """Rules of one's own that say how, as far as they come before; then what is usual."""
    own = [(number, rule) for number, rule in enumerate(policy.rules) if leaves(rule) and rule.has(family)]
    translated = [way for way in policy.zones.ways[family] if way.translated]
    is_own = any(rule.nat is not None for _, rule in own)
    for number, rule in own if is_own else ():
        for words in matches(policy, rule, family, FORWARD):
            yield Line(TRANSLATED, f"{_without_entrance(words)} {_target(rule)}", number)
    if is_own:
        yield Line(TRANSLATED, f"-g {USUAL}")
    for way, exit_ in product(translated, policy.zones.outside[family]):
        # Where nothing comes before, each new connection is spared a jump.
        yield Line(USUAL if is_own else TRANSLATED, f"-s {way.network} -o {exit_} -j MASQUERADE")


def leaves(rule: Rule) -> bool:
    """Whether it is one of one's own that lets the inside out."""
    is_allowed = rule.group is Group.OWN and rule.action is Action.ALLOW
    return is_allowed and rule.from_.covers(Zone.INSIDE) and rule.to.covers(Zone.OUTSIDE)


def _target(rule: Rule) -> str:
    if rule.nat is None:
        return f"-g {USUAL}"
    return "-j MASQUERADE" if rule.nat else "-j RETURN"


def _without_entrance(words: str) -> str:
    """Where packets leave, iptables does not tell by which interface they came."""
    found = words.split()
    if "-i" in found:
        at = found.index("-i")
        del found[at : at + 2]
    return " ".join(found)
