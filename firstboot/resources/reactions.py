"""What is done when the interfaces that a policy means are others than they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance, ChangePolicy, Profile
from firstboot.actions import Action, ForgetReaction, NoteMembers, ReactSoon
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine, Reaction
from firstboot.plan import Change
from firstboot.selection import selected, told


@dataclass(frozen=True)
class Reacted:
    """A policy, and the interfaces for which its action was carried out, or is `under_way`.

    `due`: it is to be carried out; `soon`: in which way. `known`: what else is known of it.
    """

    policy: str
    members: tuple[str, ...]
    due: bool = False
    under_way: bool = False
    soon: ReactSoon | None = field(default=None, compare=False, repr=False)
    known: Reaction | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The policy in words."""
        return self.policy


class Reactions(Kind[Reacted]):
    """Reactions. What is there when the machine starts is no change."""

    name = "reactions"
    title = "reactions to changes"
    setting = "routing.on_interface_change"
    wakes_when_right = True
    profiles = frozenset(Profile)  # what custom left due is forgotten in another one

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Reacted]:
        """Each policy's action has been carried out for the interfaces that there are."""
        return tuple(_desired(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[Reacted]) -> Sequence[Reacted]:
        """For which it has been, also of policies that are none any more."""
        return [
            Reacted(policy, known.members, known.due is not None, known.under_way, known.due, known)
            for policy, known in machine.reactions().items()
        ]

    def actions(self, change: Change[Reacted]) -> Sequence[Action]:
        """Soon: not before nothing more changes."""
        want, have = change.want, change.have
        if want is None:
            return [ForgetReaction(change.key)]
        if have is None or (have.due and have.members == want.members):  # new, or again as it was
            return [NoteMembers(want.policy, want.members)]
        if want.soon is None or have.members == want.members or have.soon == want.soon:
            return []
        return [want.soon]

    def explain(self, change: Change[Reacted]) -> ApplianceError | None:
        """It takes its time."""
        known = change.have.known if change.have is not None else None
        if known is None:
            return None
        hint = known.trouble.hint if known.trouble is not None else ""
        return TemporaryError(f"{change.key}: {_why(known)}", hint=hint)


def _why(known: Reaction) -> str:
    """Why it is not done yet."""
    if known.under_way:
        return "it is under way"
    told = known.trouble.message if known.trouble is not None else ""
    if known.repeats < 2:
        return told or "once they have settled"
    told = told or "each time that it is done these interfaces change"
    return f"{told}, {known.repeats} times in a row: at most every {known.every_s:.0f} s for now"


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
