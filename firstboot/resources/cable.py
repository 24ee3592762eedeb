"""What the laptop has been told: another offer reaches a DHCP client only when it asks again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Interface

from appliance.model import Appliance
from firstboot.actions import Action, BounceLinks, ReplugGadget, RestartUnit, RetractIPv6, WriteFile
from firstboot.cable import LINK_LOCAL, Segment, segments
from firstboot.facts import OURS, Address, Facts
from firstboot.kind import Kind, Machine
from firstboot.paths import RUN
from firstboot.plan import Change
from firstboot.rendered import dnsmasq
from firstboot.rendered.dnsmasq import Heard
from firstboot.resources.units import DNSMASQ
from firstboot.sharing import Mode, Offered, mode_on

TOLD = RUN / "told.conf"
"""The configuration of dnsmasq's that the laptop has heard last; it goes with the power."""


@dataclass(frozen=True)
class Told:
    """Whether the laptop on an interface has heard what it must hear.

    `before`: what it heard last. `offer`: the configuration of dnsmasq's that it shall hear now.
    """

    interface: str
    informed: bool
    ports: tuple[str, ...] = field(default=(), compare=False)
    flushed: tuple[Address, ...] = field(default=(), compare=False)
    """The Pi's own that go when the ports are taken down."""
    dns_server: IPv6Address | None = field(default=None, compare=False)
    before: Heard = field(default=Heard(), compare=False)
    offer: str = field(default="", compare=False, repr=False)

    @property
    def key(self) -> str:
        """The interface's name."""
        return f"laptop on {self.interface}"


class _Telling(Kind[Told]):
    """What was told last is a copy of the configuration that said so."""

    setting = "gadget"
    gives_way = False

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Told]:
        """Whoever is there knows what is offered, as far as that is known."""
        offer, found = dnsmasq.offer(appliance, facts), segments(appliance, facts)
        if offer is None:
            return []
        ports = tuple(port for segment in found for port in segment.ports)
        flushed = tuple(address for segment in found for address in _flushed(segment))
        return [
            Told(segment.interface, True, ports, flushed, segment.ipv6.ip, offer=offer)
            for segment in found
            if segment.interface in facts.links
        ]

    def observe(self, machine: Machine, wanted: Sequence[Told]) -> Sequence[Told]:
        """What was told last; before that, what dnsmasq offers from power-on."""
        if not wanted:
            return []
        told = machine.read(TOLD) or machine.read(dnsmasq.CONFIG)
        config, found = told.content.decode() if told is not None else "", []
        for want in wanted:
            before = dnsmasq.heard(config, want.interface)
            offer = self._to_be_heard(machine, want)
            informed = self._suffices(before, dnsmasq.heard(offer, want.interface))
            found.append(Told(want.interface, informed, before=before, offer=offer))
        return found

    @abstractmethod
    def _to_be_heard(self, machine: Machine, want: Told) -> str:
        """The configuration of dnsmasq's that counts."""

    @abstractmethod
    def _suffices(self, before: Heard, now: Heard) -> bool:
        """Whether who heard the one need not hear the other."""


class Withdrawal(_Telling):
    """A way out that is none any more is taken back, before anything else is done.

    The laptop shall have its own Internet back at once. A carrier that goes is not enough for that: NetworkManager
    waits four seconds, and Linux's RNDIS driver takes no notice. So the adapter goes, until dnsmasq has the new answer.
    """

    name = "withdrawal"
    urgent = True

    def actions(self, change: Change[Told]) -> Sequence[Action]:
        """Have IPv6 clients forget us, and DHCP clients begin anew once dnsmasq has another answer.

        Only a replug that did not fail is one that the laptop has heard.
        """
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        now = dnsmasq.heard(want.offer, want.interface)
        answer = (WriteFile(dnsmasq.IN_FORCE, want.offer.encode(), 0o644), RestartUnit(DNSMASQ)) if want.offer else ()
        replug = now.dhcp and now.dhcp != have.before.dhcp  # of a server that is gone, nothing can be asked
        told = (*answer, _noted(want.offer))
        return [*_retracted6(want, have, now), *([ReplugGadget(told)] if replug else told)]

    def _to_be_heard(self, machine: Machine, want: Told) -> str:
        return want.offer

    def _suffices(self, before: Heard, now: Heard) -> bool:
        return before.ways_out <= now.ways_out


class Cable(_Telling):
    """Whatever else dnsmasq says now.

    Compared is what it has loaded, not what it shall load: nobody is told of what cannot be had yet.
    """

    name = "cable"
    needs = ("units",)

    def actions(self, change: Change[Told]) -> Sequence[Action]:
        """Have DHCP clients ask again, and note that they did."""
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        now = dnsmasq.heard(have.offer, want.interface)
        again = [BounceLinks(want.ports, want.flushed)] if now.dhcp and now.dhcp != have.before.dhcp else []
        return [*_retracted6(want, have, now), *again, _noted(have.offer)]

    def _to_be_heard(self, machine: Machine, want: Told) -> str:
        loaded = machine.read(dnsmasq.LOADED) if machine.read(dnsmasq.IN_FORCE) is not None else None
        return loaded.content.decode() if loaded is not None else ""

    def _suffices(self, before: Heard, now: Heard) -> bool:
        return before == now


def offered(appliance: Appliance, machine: Machine) -> Sequence[Offered]:
    """What the networks on the cable are now for the laptop: what dnsmasq has loaded counts, not what it shall load."""
    facts, loaded = machine.facts(), machine.read(dnsmasq.LOADED)
    config = loaded.content.decode() if loaded is not None else ""
    modes = {found.interface: mode_on(found, appliance, facts) for found in segments(appliance, facts)}
    return [
        # dnsmasq leaves its copy behind when it is stopped because the laptop serves.
        Offered(interface, mode, dnsmasq.heard(config, interface).families if mode is Mode.ROUTE else ())
        for interface, mode in modes.items()
    ]


def _flushed(segment: Segment) -> Sequence[Address]:
    """A port that is taken down loses its IPv6 addresses; a bridge whose ports are keeps them."""
    if segment.ports != (segment.interface,):
        return ()
    found = (LINK_LOCAL, *segment.addresses)
    return [Address(segment.interface, address, OURS) for address in found if isinstance(address, IPv6Interface)]


def _retracted6(want: Told, have: Told, now: Heard) -> Sequence[Action]:
    """What our own router advertisement says that dnsmasq's do not, or not at once."""
    gone = tuple(sorted(have.before.prefixes - now.prefixes))
    no_router = bool(have.before.router6_s and not now.router6_s)
    if not gone and not no_router:
        return []
    return [RetractIPv6(want.interface, now.router6_s, want.dns_server if no_router else None, gone)]


def _noted(offer: str) -> Action:
    return WriteFile(TOLD, offer.encode(), 0o644)
