"""What the laptop has been told: another offer reaches a DHCP client only when it asks again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path

from appliance.model import Appliance
from firstboot.actions import Action, BounceLinks, WithdrawRouter, WriteFile
from firstboot.cable import segments
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.paths import RUN
from firstboot.plan import Change
from firstboot.rendered import dnsmasq
from firstboot.rendered.dnsmasq import Heard


@dataclass(frozen=True)
class Told:
    """Whether the laptop on an interface has heard what is offered there now.

    `before`: what it heard last; `now`, `offer`: what it would hear now, and the configuration that says so.
    """

    interface: str
    informed: bool
    ports: tuple[str, ...] = field(default=(), compare=False)
    dns_server: IPv6Address | None = field(default=None, compare=False)
    before: Heard = field(default=Heard(), compare=False)
    now: Heard = field(default=Heard(), compare=False)
    offer: bytes = field(default=b"", compare=False, repr=False)

    @property
    def key(self) -> str:
        """The interface's name."""
        return f"laptop on {self.interface}"


class Cable(Kind[Told]):
    """What has been offered on the cable: the configuration that was told last, in a file that goes with the power.

    Compared is what dnsmasq has loaded, not what it shall be by now: nobody is told of what cannot be had yet.
    """

    name = "cable"
    needs = ("units",)
    setting = "gadget"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Told]:
        """Whoever is there knows what is offered."""
        return [
            Told(segment.interface, True, segment.ports, segment.ipv6.ip)
            for segment in segments(appliance, facts)
            if segment.interface in facts.links
        ]

    def observe(self, machine: Machine, wanted: Sequence[Told]) -> Sequence[Told]:
        """What was told last; before that, what dnsmasq offers from power-on."""
        offer = _content(machine, dnsmasq.LOADED) if machine.read(dnsmasq.IN_FORCE) is not None else b""
        found = []
        for name in (want.interface for want in wanted):
            told = machine.read(_path(name))
            last = told.content if told is not None else _content(machine, dnsmasq.CONFIG)
            before, now = (dnsmasq.heard(config.decode(), name) for config in (last, offer))
            found.append(Told(name, before == now, before=before, now=now, offer=offer))
        return found

    def actions(self, change: Change[Told]) -> Sequence[Action]:
        """Have IPv6 clients forget us at once, have DHCP clients ask again, and note that they did."""
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        found: list[Action] = []
        if have.before.router6 and not have.now.router6 and want.dns_server is not None:
            found.append(WithdrawRouter(want.interface, want.dns_server))
        if have.now.dhcp and have.now.dhcp != have.before.dhcp:  # of a server that is gone, nothing can be asked
            found.append(BounceLinks(want.ports))
        return [*found, WriteFile(_path(want.interface), have.offer, 0o644)]


def _path(interface: str) -> Path:
    return RUN / f"told-{interface}.conf"


def _content(machine: Machine, path: Path) -> bytes:
    file = machine.read(path)
    return file.content if file is not None else b""
