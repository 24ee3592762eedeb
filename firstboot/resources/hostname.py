"""The machine's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, SetHostname
from firstboot.facts import Facts
from firstboot.former_files import HOSTNAME, HOSTS
from firstboot.kind import FileState, Kind, Machine
from firstboot.plan import Change

HOSTS_ADDRESS = "127.0.1.1"
"""Debian's address for the machine's own name in /etc/hosts (Debian Reference, 5.1.1)."""


@dataclass(frozen=True)
class Name:
    """The name that the kernel has, that the next boot will give it, and that resolves to the machine itself."""

    kernel: str
    file: str
    hosts: str

    @property
    def key(self) -> str:
        """There is one."""
        return "host name"


class Hostname(Kind[Name]):
    """The machine's name in its three places."""

    name = "hostname"
    title = "the machine's name"
    setting = "hostname"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Name]:
        """The same name everywhere."""
        return (Name(appliance.hostname, appliance.hostname, appliance.hostname),)

    def observe(self, machine: Machine, wanted: Sequence[Name]) -> Sequence[Name]:
        """The three names as they are."""
        file, hosts = machine.read(HOSTNAME), machine.read(HOSTS)
        return (Name(machine.hostname(), _text(file).strip(), name_in_hosts(_text(hosts))),)

    def actions(self, change: Change[Name]) -> Sequence[Action]:
        """Set all three."""
        return [SetHostname(change.want.kernel)] if change.want else []


def name_in_hosts(text: str) -> str:
    """The first name that an /etc/hosts gives to the machine itself; "" for none."""
    for line in text.splitlines():
        address, *names = line.split("#")[0].split() or [""]
        if address == HOSTS_ADDRESS and names:
            return names[0]
    return ""


def hosts_with(text: str, name: str) -> str:
    """The same /etc/hosts, with `name` for the machine itself and every other line as it was."""
    kept = [line for line in text.splitlines() if line.split("#")[0].split()[:1] != [HOSTS_ADDRESS]]
    return "\n".join([*kept, f"{HOSTS_ADDRESS}\t{name}"]) + "\n"


def _text(file: FileState | None) -> str:
    return file.content.decode(errors="replace") if file is not None else ""
