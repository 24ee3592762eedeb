"""The firewall's rules as they are in the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, LoadRules
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.rendered.ufw import FAMILIES, rules_of
from firstboot.rulesets import Ruleset, hooks, parse


@dataclass(frozen=True)
class Loaded:
    """One family's rules in the kernel.

    `closed`: what no rule decides is dropped; `hooked`: ufw's chains, the user's rules and ours are reached,
    each once; `rules`: the number of rules by (table, chain), of the chains that the file fills, jumps aside.
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
            wanted.append(
                Loaded(family, rules.version, closed=True, hooked=True, rules=_counts(parse(rules.text), family))
            )
        return tuple(wanted)

    def observe(self, machine: Machine, wanted: Sequence[Loaded]) -> Sequence[Loaded]:
        """What the kernel has, of the chains that the files fill."""
        found = []
        for want in wanted:
            kernel = parse(machine.rules(want.family))
            chains = {(table, chain) for table, chain, _ in want.rules}
            rules = frozenset(rule for rule in _counts(kernel, want.family) if rule[:2] in chains)
            hooked = all(kernel.jumps[hook] == 1 for hook in hooks(want.family))
            found.append(Loaded(want.family, kernel.version, _is_closed(kernel), hooked, rules))
        return found

    def actions(self, change: Change[Loaded]) -> Sequence[Action]:
        """Both families change together, so one action serves either."""
        return [LoadRules()]


def _counts(rules: Ruleset, family: int) -> frozenset[tuple[str, str, int]]:
    counts = Counter(rules.counts)
    for table, chain, target in hooks(family):
        counts[table, chain] -= rules.jumps[table, chain, target]
    return frozenset((table, chain, count) for (table, chain), count in counts.items() if count > 0)


def _is_closed(kernel: Ruleset) -> bool:
    return all(kernel.policies.get(("filter", chain)) == "DROP" for chain in ("INPUT", "FORWARD"))
