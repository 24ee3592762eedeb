"""What a kind of resource is: what it wants, how it looks, and what it does about a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.plan import Change, Spec

S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class FileState:
    """A file as it is. `mode` holds the permission bits."""

    content: bytes
    mode: int


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

    def hostname(self) -> str:
        """The name that the kernel has."""
        ...

    def rules(self, family: int) -> str:
        """The firewall's rules (family 4 or 6) as iptables-save prints them."""
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


class Kind(Protocol[S]):
    """One sort of thing that the daemon keeps right."""

    name: str

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[S]:
        """What shall be there. Pure. Raises `TemporaryError` while something that it needs is missing."""
        ...

    def observe(self, machine: Machine, wanted: Sequence[S]) -> Sequence[S]:
        """What is there, of what is wanted and of what the daemon made before. Reads only."""
        ...

    def actions(self, change: Change[S]) -> Sequence[Action]:
        """What to do about one difference. Pure."""
        ...
