"""Services that run, each with the configuration that was written for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.model import Appliance
from firstboot.actions import Action, RestartUnit, StopUnit
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered import dnsmasq, ipv4_only

DNSMASQ = "appliance-dnsmasq.service"
IPV4_ONLY = "appliance-dnsmasq-ipv4-only.service"
SSH = "ssh.service"

READ_BY = {
    DNSMASQ: (dnsmasq.IN_FORCE, dnsmasq.LOADED),
    IPV4_ONLY: (ipv4_only.CONFIG, ipv4_only.LOADED),
}
"""By unit: the file that was written for it, and the copy that its process read."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit. `current`: whether the running process has read its configuration as it is now; `reads`: what
    that shall be.
    """

    name: str
    active: bool
    current: bool | None = None
    reads: tuple[bytes | None, ...] = field(default=(), compare=False, repr=False)

    @property
    def key(self) -> str:
        """The unit's name."""
        return self.name


class Units(Kind[Unit]):
    """The services that the appliance is made of."""

    name = "units"
    title = "services"
    needs = ("files",)
    setting = "lan"
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Unit]:
        """dnsmasq where there is a network to serve, as it is served now; the one for domains that shall have no IPv6
        addresses; sshd where somebody may log in.
        """
        wanted = [_ipv4_only(appliance), *_dnsmasq(appliance, facts)]
        if appliance.ssh.authorized_keys:
            wanted.append(Unit(SSH, active=True))
        return tuple(wanted)

    def observe(self, machine: Machine, wanted: Sequence[Unit]) -> Sequence[Unit]:
        """The wanted units as they are."""
        found = []
        for name in (want.name for want in wanted):
            current = is_current(machine, *READ_BY[name]) if name in READ_BY else None
            found.append(Unit(name, machine.unit_is_active(name), current))
        return found

    def actions(self, change: Change[Unit]) -> Sequence[Action]:
        """Start, restart, or stop."""
        if change.want is None:
            return []
        return [RestartUnit(change.key) if change.want.active else StopUnit(change.key)]

    def footing(self, spec: Unit, facts: Facts) -> object:
        """What it reads: whoever writes that anew, as we do, has it restarted."""
        return spec.reads


def _ipv4_only(appliance: Appliance) -> Unit:
    """First, as the other asks it."""
    return Unit(IPV4_ONLY, active=True, current=True) if ipv4_only.domains(appliance) else Unit(IPV4_ONLY, active=False)


def _dnsmasq(appliance: Appliance, facts: Facts) -> Iterator[Unit]:
    """Nothing, where no file says yet what to serve: it may run from last time's, or not."""
    contents = {file.path: file.content for file in dnsmasq.files(appliance, facts)}
    if dnsmasq.IN_FORCE not in contents:
        yield Unit(DNSMASQ, active=False)
    elif any(content is not None for content in contents.values()):
        yield Unit(DNSMASQ, active=True, current=True, reads=tuple(contents.values()))


def is_current(machine: Machine, path: Path, loaded: Path) -> bool:
    """Whether a process has read a file as it is: `loaded` is the copy that it read.

    Not as the file shall be by now: that is the kind `files`' to say, in the next pass.
    """
    file, copy = machine.read(path), machine.read(loaded)
    return copy is not None and (file is None or file.content == copy.content)
