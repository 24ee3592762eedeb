"""What a kind of resource is: what it wants, how it looks, and what it does about a difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from appliance.errors import ApplianceError
from appliance.model import Appliance, Profile
from firstboot.actions import Action, ReactSoon
from firstboot.broker.description import KnownDescription
from firstboot.broker.memory import KnownRecord
from firstboot.facts import Facts
from firstboot.plan import Change, Spec
from firstboot.rulesets import Ruleset
from firstboot.sources import NOTHING, Source
from firstboot.wireless import Heard, Joining, Radio

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class FileState:
    """A file as it is. `mode` holds the permission bits."""

    content: bytes
    mode: int


@dataclass(frozen=True)
class Gadget:
    """The USB gadget as it is: its files, normalised; its links; the controller that shows it to a host ("": none)."""

    files: Mapping[str, str]
    links: Sequence[tuple[str, str]]
    controller: str


@dataclass(frozen=True)
class Reaction:
    """What was done about the interfaces of a policy, and what is to be done.

    `members`: those for which its action was carried out, or is `under_way`. `trouble`: why the last attempt failed.
    `due`: what is to be done soon. `repeats`: so many times in a row it will have been done without anything having
    happened but that it was done; `every_s`: so often at most, because of that.
    """

    members: tuple[str, ...]
    trouble: ApplianceError | None = None
    under_way: bool = False
    due: ReactSoon | None = None
    repeats: int = 0
    every_s: float = 0.0


class Machine(Protocol):
    """The machine as kinds may look at it: nothing in here changes anything."""

    def facts(self) -> Facts:
        """Look at the network."""
        ...

    def sysctl(self, name: str) -> str | None:
        """A kernel setting's value; None if the kernel has no such setting."""
        ...

    def read(self, path: Path) -> FileState | None:
        """A file; None if it is not there."""
        ...

    def glob(self, pattern: Path) -> Sequence[Path]:
        """The files that there are of a name in which * and ? match as in a shell."""
        ...

    def hostname(self) -> str:
        """The name that the kernel has."""
        ...

    def rules(self, family: int) -> Ruleset:
        """The firewall's rules (family 4 or 6)."""
        ...

    def gadget(self, paths: Collection[str]) -> Gadget | None:
        """The USB gadget, and those of its files; None if there is none."""
        ...

    def controllers(self) -> Sequence[str]:
        """The USB device controllers that the kernel has."""
        ...

    def unit_is_active(self, name: str) -> bool:
        """Whether a systemd unit runs."""
        ...

    def networkmanager_manages(self, interface: str) -> bool:
        """Whether NetworkManager looks after an interface."""
        ...

    def active_profile(self, interface: str) -> str:
        """The name of the NetworkManager profile that an interface is connected by; "" for none."""
        ...

    def radio(self, interface: str) -> Radio:
        """The switches of a wireless interface, and the country that its channels follow."""
        ...

    def joining(self, interface: str) -> Joining:
        """How NetworkManager gets on with joining a wireless network."""
        ...

    def reactions(self) -> Mapping[str, Reaction]:
        """By policy, in words, what was done about its interfaces and what is to be done."""
        ...

    def broker(self, rank: int) -> KnownRecord:
        """What is known of the broker's record of the tunnel of that rank."""
        ...

    def description(self, rank: int) -> KnownDescription:
        """What is known of what the tunnel of that rank is."""
        ...

    def in_range(self, interface: str) -> Sequence[Heard]:
        """The wireless networks that announce themselves, the strongest first."""
        ...


class Kind(ABC, Generic[S]):
    """One sort of thing that the daemon keeps right."""

    name: ClassVar[str]

    title: ClassVar[str]
    """The same in a few plain words, for whoever reads the status."""

    needs: ClassVar[tuple[str, ...]] = ()
    """The kinds that must be right before this one is touched."""

    setting: ClassVar[str]
    """The path in appliance.yaml that wants it, for whoever looks for the line."""

    urgent: ClassVar[bool] = False
    """It does not wait for the end of a pass when there is news: it is put right again between two other kinds."""

    gives_way: ClassVar[bool] = True
    """To something that keeps changing it back, for a while (see `contests`). What keeps the machine shut does not."""

    interrupts: ClassVar[bool] = False
    """Somebody, each time that it is put right: it gives way much sooner to what keeps changing it back."""

    table: ClassVar[Source] = NOTHING
    """That of the kernel which its specs are in, ADDRESSES or ROUTES: who takes one out can be told (`removals`)."""

    settles: ClassVar[bool] = False
    """What is left when there is nothing more to do becomes right by itself: it was no failure."""

    writes_first: ClassVar[bool] = False
    """All its files are written before anything else is done: one program reads them all at once."""

    wakes_when_right: ClassVar[bool] = False
    """Whatever puts it right wakes the daemon, so that to try again before that is of no use."""

    profiles: ClassVar[Collection[Profile]] = frozenset(Profile) - {Profile.CUSTOM}
    """Those in which it has a say: on a machine that is not ours as a whole, only what is asked for is done."""

    takes_leave: ClassVar[bool] = False
    """It also has a say while a machine that is its owner's is given back: what is not wanted any more goes."""

    def has_say(self, appliance: Appliance, facts: Facts) -> bool:
        """Whether it is asked for this configuration at all."""
        is_given_back = appliance.profile is Profile.CUSTOM and bool(facts.former_files)
        return appliance.profile in self.profiles or (self.takes_leave and is_given_back)

    @abstractmethod
    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[S]:
        """What shall be there. Pure. Raises an error while something is missing that the daemon cannot make."""

    @abstractmethod
    def observe(self, machine: Machine, wanted: Sequence[S]) -> Sequence[S]:
        """What is there, of what is wanted and of what the daemon made before. Reads only."""

    @abstractmethod
    def actions(self, change: Change[S]) -> Sequence[Action]:
        """What to do about one difference; nothing, where only waiting helps. Pure."""

    def footing(self, spec: S, facts: Facts) -> object:
        """What a thing cannot be right without, beside what is wanted of it: an interface that it is on, say. Pure.

        Where that is another than when it was last put right, nobody has fought over the thing.
        """
        return None

    def explain(self, change: Change[S]) -> ApplianceError | None:
        """Why a difference stays, in a person's words; None where the difference speaks for itself. Pure."""
        return None


class Remark(Kind[Spec]):
    """Nothing is there and nothing is done: `desired` raises what is to be said, or gives nothing.

    What it says is taken back by other facts, and those wake the daemon.
    """

    wakes_when_right = True

    def observe(self, machine: Machine, wanted: Sequence[Spec]) -> Sequence[Spec]:
        """Nothing."""
        return ()

    def actions(self, change: Change[Spec]) -> Sequence[Action]:
        """Nothing."""
        return ()
