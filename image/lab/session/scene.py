"""What a session has around the Pi: hosts to look from, cables to pull, faults, and how it all looks from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from image.lab.computer import Computer
from image.lab.guest import Guest
from image.lab.qemu import Lab


@dataclass(frozen=True)
class Seen:
    """What somebody around the Pi sees: of what, whether that is as it should be, and what it is."""

    what: str
    is_right: bool
    said: str


@dataclass(frozen=True)
class Host:
    """A host in a network namespace of the lab's world: what it is, and whom it asks for names."""

    about: str
    resolver: str


@dataclass(frozen=True)
class Inside:
    """A computer that is played inside the guest: what it is, how it is had, and whom it asks for names.

    Where nobody is named, its router, as it was told to.
    """

    about: str
    computer: Callable[[Guest], Computer]
    resolver: str = ""


@dataclass(frozen=True)
class Breakage:
    """Something to break: what it is, and what has it broken while a block runs."""

    about: str
    broken: Callable[[], AbstractContextManager[None]]


Pull = Callable[[Guest], AbstractContextManager[None]]
"""What has a cable of a machine pulled while a block runs."""


@dataclass(frozen=True)
class Scene:
    """All of it. `hosts` and `computers` are by their names."""

    lab: Lab
    hosts: Mapping[str, Host]
    faults: Mapping[str, Breakage]
    cables: Mapping[str, Pull]
    look: Callable[[Guest], Sequence[Seen]]
    computers: Mapping[str, Inside] = field(default_factory=dict)
    prepare: Callable[[Guest], None] = lambda _: None
    """What has to be done in the guest once it can be spoken to."""
    parameters: Sequence[str] = ()
    """For the kernel."""
    second_drive: Path | None = None
    lacks: str = ""
    """What of it cannot be played, which is told at once."""

    @property
    def nearest(self) -> str:
        """The place that the Pi serves, if it serves one: a laptop's, or the first host's."""
        return next(iter([*self.computers, *self.hosts]))
