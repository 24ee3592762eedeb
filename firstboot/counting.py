"""What the kernel has counted of the policy in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from firstboot.policy.counted import Counts
from firstboot.policy.rules import FAMILIES, Policy
from firstboot.rendered.ufw import rules_of
from firstboot.rulesets import Ruleset


class Counting(Protocol):
    """A machine whose firewall counts."""

    def rules(self, family: int) -> Ruleset:
        """The firewall's rules (family 4 or 6)."""
        ...

    def counts(self, family: int) -> Counts:
        """What each of them has counted."""
        ...


def counts_of(machine: Counting, policy: Policy) -> Mapping[int, Counts]:
    """By family; without the one whose rules in the kernel are not those of the policy now.

    Raises `TemporaryError` where they cannot be read.
    """
    are_in_force = {family: machine.rules(family).version == rules_of(policy, family).version for family in FAMILIES}
    return {family: machine.counts(family) for family, is_in_force in are_in_force.items() if is_in_force}
