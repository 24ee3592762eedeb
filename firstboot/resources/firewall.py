"""The firewall's rules as they are in the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from appliance.model import Appliance
from firstboot.actions import Action, LoadRules, ShutFirewall
from firstboot.facts import Facts
from firstboot.firewall_drift import told
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES
from firstboot.rendered.ufw import rules_of
from firstboot.rulesets import BUILT_IN, Ruleset, framework, hooked, hooks, mark_of, parse
from firstboot.topology import address_of, awaits_lease, uplink_of


@dataclass(frozen=True)
class Loaded:
    """One family's rules in the kernel.

    `closed`: what no rule decides is dropped, but for what the machine itself sends; `hooked`: ufw's chains, the user's
    rules and ours are reached, each once and none for nothing; `rules`: the number of rules by (table, chain), of the
    chains that the file fills, jumps aside; `loaded`: the mark of the text that is there rule for rule. A daemon that
    has just started loads it to know.
    """

    family: int
    version: str
    closed: bool
    hooked: bool
    rules: frozenset[tuple[str, str, int]]
    loaded: str
    text: str = field(default="", compare=False, repr=False)
    """All rules as iptables-restore reads them."""
    kernel: Ruleset | None = field(default=None, compare=False, repr=False)
    """All that is known of those that were found."""

    @property
    def key(self) -> str:
        """The family."""
        return f"IPv{self.family} rules"


class Firewall(Kind[Loaded]):
    """The rules that ufw keeps in the kernel."""

    name = "firewall"
    title = "the firewall's rules"
    needs = ("files",)
    setting = "firewall"
    gives_way = False

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Loaded]:
        """What the rendered files say, and the user's, loaded."""
        if awaits_lease(appliance, facts):
            address_of(uplink_of(appliance), facts)  # which says that there is none
        wanted, policy = [], policy_of(appliance, facts)
        for family in FAMILIES:
            rules = rules_of(policy, family)
            text = framework(family) + rules.text + facts.other_rules.get(family, "")
            counts, mark = _counts_in(text, family), mark_of(text)
            wanted.append(Loaded(family, rules.version, closed=True, hooked=True, rules=counts, loaded=mark, text=text))
        return tuple(wanted)

    def observe(self, machine: Machine, wanted: Sequence[Loaded]) -> Sequence[Loaded]:
        """What the kernel has, of the chains that the files fill."""
        found = []
        for want in wanted:
            kernel = machine.rules(want.family)
            chains = {(table, chain) for table, chain, _ in want.rules}
            rules = frozenset(rule for rule in _counts(kernel, want.family) if rule[:2] in chains)
            jumps = hooked(want.text, want.family)
            is_hooked = all(kernel.jumps[jump] == count for jump, count in jumps.items())
            is_closed, loaded = kernel.has_our_policies, kernel.loaded
            found.append(Loaded(want.family, kernel.version, is_closed, is_hooked, rules, loaded, kernel=kernel))
        return found

    def actions(self, change: Change[Loaded]) -> Sequence[Action]:
        """Load that family's rules; where nothing but the policy is wrong, only that is put right, which is quick."""
        want, have = change.want, change.have
        if want is None:
            return []
        kernel = have.kernel if have is not None else None
        drift = told(kernel, want.rules, hooked(want.text, want.family), want.loaded) if kernel is not None else ""
        if have is not None and replace(have, closed=True) == want:
            return [ShutFirewall(want.family, drift)]
        return [LoadRules(want.family, want.text, drift)]


@lru_cache(maxsize=2 * len(FAMILIES))
def _counts_in(text: str, family: int) -> frozenset[tuple[str, str, int]]:
    """Kept, as the same text is wanted in nearly every pass."""
    return _counts(parse(text), family)


def _counts(rules: Ruleset, family: int) -> frozenset[tuple[str, str, int]]:
    """Of the chains that are not everybody's."""
    counts = Counter({place: count for place, count in rules.counts.items() if place[1] not in BUILT_IN})
    for table, chain, target in hooks(family):
        counts[table, chain] -= rules.jumps[table, chain, target]
    return frozenset((table, chain, count) for (table, chain), count in counts.items() if count > 0)
