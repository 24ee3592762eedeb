"""The firewall's rules as they are in the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, LoadRules
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.rendered.ufw import FAMILIES, rules_of
from firstboot.rulesets import Ruleset, parse

HOOKS = (("mangle", "FORWARD", "appliance-mss"), ("nat", "POSTROUTING", "appliance-nat"))
"""The jumps into the chains of ours that ufw has no place for: (table, chain, target)."""


@dataclass(frozen=True)
class Loaded:
    """One family's rules in the kernel.

    `closed`: ufw's chains are in place and what they do not decide is dropped; `hooked`: our other chains
    are reached, once; `rules`: the number of rules by (table, chain), of the chains that the file fills.
    """

    family: int
    version: str
    closed: bool
    hooked: bool
    rules: frozenset[tuple[str, str, int]]

    @property
    def key(self) -> str:
        """The family."""
        return f"IPv{self.family} rules"


class Firewall:
    """The rules that ufw keeps in the kernel."""

    name = "firewall"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Loaded]:
        """What the rendered files say, loaded."""
        wanted = []
        for family in FAMILIES:
            rules = rules_of(appliance, facts, family)
            wanted.append(Loaded(family, rules.version, closed=True, hooked=True, rules=_counts(parse(rules.text))))
        return tuple(wanted)

    def observe(self, machine: Machine, wanted: Sequence[Loaded]) -> Sequence[Loaded]:
        """What the kernel has, of the chains that the files fill."""
        found = []
        for want in wanted:
            text = machine.rules(want.family)
            if text is None:
                continue
            kernel = parse(text)
            chains = {(table, chain) for table, chain, _ in want.rules}
            rules = frozenset((table, chain, n) for table, chain, n in _counts(kernel) if (table, chain) in chains)
            hooked = all(kernel.jumps[hook] == 1 for hook in HOOKS)
            found.append(Loaded(want.family, kernel.version, _is_closed(kernel, want.family), hooked, rules))
        return found

    def actions(self, change: Change[Loaded]) -> Sequence[Action]:
        """Both families change together, so one action serves either."""
        return [LoadRules()]


def _counts(rules: Ruleset) -> frozenset[tuple[str, str, int]]:
    return frozenset((table, chain, count) for (table, chain), count in rules.counts.items())


def _is_closed(kernel: Ruleset, family: int) -> bool:
    chain = "ufw" if family == 4 else "ufw6"
    return all(
        kernel.policies.get(("filter", builtin)) == "DROP"
        and kernel.jumps["filter", builtin, f"{chain}-before-{builtin.lower()}"] >= 1
        for builtin in ("INPUT", "FORWARD")
    )
