"""What the hosts on a network that is served have been told: the laptop on the cable, and those on the LAN.

Another offer reaches a DHCP client only when it asks again. On the LAN it may take its time, as what DHCP says there
does not depend on what works; but what routers advertise does.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from firstboot.topology import own_ipv6

TOLD = RUN / "told.conf"
"""The configuration of dnsmasq's that the laptop has heard last; it goes with the power."""


@dataclass(frozen=True)
class Told:
    """Whether the hosts on an interface have heard what they must hear.

    `before`: what they heard last. `offer`: the configuration of dnsmasq's that they shall hear now.
    """

    interface: str
    informed: bool
    ports: tuple[str, ...] = field(default=(), compare=False)
    flushed: tuple[Address, ...] = field(default=(), compare=False)
    """The Pi's own that go when the ports are taken down."""
    dns_server: IPv6Address | None = field(default=None, compare=False)
    by_dhcp: bool = field(default=True, compare=False)
    """Whether what DHCP says must reach them at once, too."""
    before: Heard = field(default=Heard(), compare=False)
    offer: str = field(default="", compare=False, repr=False)

    @property
    def key(self) -> str:
        """The interface's name."""
        return f"hosts on {self.interface}"

    def hears(self, config: str) -> Heard:
        """What a configuration of dnsmasq's tells them that must reach them at once."""
        heard = dnsmasq.heard(config, self.interface)
        return heard if self.by_dhcp else replace(heard, dhcp=())


class _Telling(Kind[Told]):
    """What was told last is a copy of the configuration that said so."""

    setting = "gadget"
    gives_way = False

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Told]:
        """Whoever is there knows what is offered, as far as that is known."""
        offer = dnsmasq.offer(appliance, facts)
        if offer is None:
            return []
        told = (*_on_lan(appliance), *_on_cable(segments(appliance, facts)))
        return [replace(each, offer=offer) for each in told if each.interface in facts.links]

    def observe(self, machine: Machine, wanted: Sequence[Told]) -> Sequence[Told]:
        """What was told last; before that, what dnsmasq offers from power-on."""
        if not wanted:
            return []
        told = machine.read(TOLD) or machine.read(dnsmasq.CONFIG)
        config, found = told.content.decode() if told is not None else "", []
        for want in wanted:
            before = want.hears(config)
            offer = self._to_be_heard(machine, want)
            informed = self._suffices(before, want.hears(offer))
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

    Whoever is on the LAN shall not wait for IPv6 that is gone, and the laptop shall have its own Internet back at once.
    For that, a carrier that goes is not enough: NetworkManager waits four seconds, and Linux's RNDIS driver takes no
    notice. So the adapter goes, until dnsmasq has the new answer.
    """

    name = "withdrawal"
    title = "a way out that is gone is taken back"
    urgent = True

    def actions(self, change: Change[Told]) -> Sequence[Action]:
        """Have IPv6 clients forget us, and DHCP clients begin anew once dnsmasq has another answer.

        Only a replug that did not fail is one that the laptop has heard.
        """
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        now = want.hears(want.offer)
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
    title = "what hosts inside were told"
    needs = ("units",)

    def actions(self, change: Change[Told]) -> Sequence[Action]:
        """Have DHCP clients ask again, and note that they did."""
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        now = want.hears(have.offer)
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


def _on_lan(appliance: Appliance) -> Iterator[Told]:
    for number, network in enumerate(appliance.lan.networks if appliance.lan is not None else ()):
        own = own_ipv6(appliance, number)
        yield Told(network.interface, True, dns_server=own[0].ip if own else None, by_dhcp=False)


def _on_cable(found: Sequence[Segment]) -> Iterator[Told]:
    ports = tuple(port for segment in found for port in segment.ports)
    flushed = tuple(address for segment in found for address in _flushed(segment))
    for segment in found:
        yield Told(segment.interface, True, ports, flushed, segment.ipv6.ip)


def _flushed(segment: Segment) -> Sequence[Address]:
    """A port that is taken down loses its IPv6 addresses; a bridge whose ports are keeps them."""
    if segment.ports != (segment.interface,):
        return ()
    found = (LINK_LOCAL, *segment.addresses)
    return [Address(segment.interface, address, OURS) for address in found if isinstance(address, IPv6Interface)]


def _retracted6(want: Told, have: Told, now: Heard) -> Sequence[Action]:
    """What our own router advertisement says that dnsmasq's do not, or not at once."""
    gone = tuple(sorted(have.before.prefixes - now.prefixes))
    preferred = tuple(sorted(now.prefixes - have.before.prefixes)) if now.router6_s else ()
    no_router = bool(have.before.router6_s and not now.router6_s)
    if not gone and not no_router:
        return []
    return [RetractIPv6(want.interface, now.router6_s, want.dns_server if no_router else None, gone, preferred)]


def _noted(offer: str) -> Action:
    return WriteFile(TOLD, offer.encode(), 0o644, purpose="remember what the hosts were told")
