"""What is done when the interfaces that a policy means are others than they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance, ChangePolicy, Profile
from firstboot.actions import Action, ReactSoon
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.selection import selected, told


@dataclass(frozen=True)
class Reacted:
    """A policy, and the interfaces for which its action was carried out last.

    `trouble`: why the last attempt failed; `soon`: what is to be done.
    """

    policy: str
    members: tuple[str, ...]
    trouble: str = field(default="", compare=False)
    soon: ReactSoon | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The policy in words."""
        return self.policy


class Reactions(Kind[Reacted]):
    """Reactions. What is there when the machine starts is no change."""

    name = "reactions"
    setting = "routing.on_interface_change"
    wakes_when_right = True
    profiles = frozenset({Profile.CUSTOM})

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Reacted]:
        """Each policy's action has been carried out for the interfaces that there are."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Reacted]) -> Sequence[Reacted]:
        """For which it has been."""
        return [Reacted(want.policy, *machine.reacted(want.policy, want.members)) for want in wanted]

    def actions(self, change: Change[Reacted]) -> Sequence[Action]:
        """Soon: not before nothing more changes."""
        return [change.want.soon] if change.want is not None and change.want.soon is not None else []

    def explain(self, change: Change[Reacted]) -> ApplianceError | None:
        """It takes its time."""
        if change.have is not None and change.have.trouble:
            return TemporaryError(f"{change.key}: {change.have.trouble}")
        return TemporaryError(f"{change.key}: once they have settled")


def _desired(appliance: Appliance, facts: Facts) -> Iterator[Reacted]:
    for policy in appliance.routing.on_interface_change:
        # One of the same name that was made anew is another one.
        members = tuple(sorted(f"{link.name} ({link.index})" for link in selected(policy, facts)))
        name = _told(policy)
        soon = ReactSoon(name, members, policy.settle, policy.at_most_every, policy.restart, policy.run)
        yield Reacted(name, members, soon=soon)


def _told(policy: ChangePolicy) -> str:
    what = f"restart {policy.restart}" if policy.restart is not None else f"run {' '.join(policy.run)}"
    return f"{what} for {told(policy)}"
