"""The uplink, the tunnel and each network inside: what each is, in a few lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firstboot.cable import segments
from firstboot.facts import Facts
from firstboot.health.diagnosis import Health
from firstboot.picture import ROUTER, TUNNELS, Hop, Station
from firstboot.reconcile import State
from firstboot.resources.units import DNSMASQ, Units
from firstboot.sharing import Mode, Offered
from firstboot.status import Status
from firstboot.topology import serving, subnets


@dataclass(frozen=True)
class Card:
    """One part of the way. `hop`: how it is, as the picture has it; None where nobody can tell.

    `partly`: it is there, and does not all that it is for.
    """

    title: str
    hop: Hop | None
    rows: tuple[tuple[str, str], ...]
    partly: bool = False


def cards(status: Status) -> Iterator[Card]:
    """From the Internet to the inside."""
    if status.facts.links:
        yield from _uplink(status)
        yield from (_tunnel(rank, status) for rank in range(len(status.appliance.tunnels)))
        yield from _lan(status)
        yield from (_cable(offered, status) for offered in status.cable)


def _uplink(status: Status) -> Iterator[Card]:
    uplink, router = status.appliance.uplink, _station(status.way, ROUTER)
    if uplink is None:
        return
    rows = (
        ("Interface", uplink.interface),
        ("Wi-Fi", status.wifi),
        ("Address", _addresses(uplink.interface, status.facts)),
        ("Router", router.detail if router else ""),
    )
    yield Card("Uplink", router.hop if router else None, _given(rows))


def _tunnel(rank: int, status: Status) -> Card:
    tunnel, health = status.appliance.tunnels[rank], status.facts.health_of(rank)
    station = _station(status.way, TUNNELS[rank])
    hop = station.hop if station else _carries(health)  # the picture has the one that serves alone
    rows = (
        ("State", health.diagnosis.sentence if health.diagnosis.works or station is None else ""),
        ("Kind", tunnel.kind),
        ("Server", str(tunnel.server or "")),
        ("Address", _addresses(tunnel.interface, status.facts)),
        ("Prefix", str(tunnel.routed or "")),
    )
    return Card(TUNNELS[rank].capitalize(), hop, _given(rows))


def _carries(health: Health) -> Hop:
    if health.carries:
        return Hop.GOOD
    return Hop.BROKEN if health.is_known else Hop.UNKNOWN


def _lan(status: Status) -> Iterator[Card]:
    for subnet in subnets(status.appliance, status.facts):
        lan = subnet.lan
        rows = (
            ("Interface", lan.interface),
            ("Domain", lan.domain),
            ("Address", ", ".join(str(own) for own in (subnet.ipv4, *subnet.ipv6) if own is not None)),
            ("Offered", ", ".join(_offered(status, dhcp=lan.dhcp4 is not None))),
        )
        hop = _carrier(lan.interface, status.facts)
        lacks_ipv6 = bool(status.appliance.tunnels) and serving(status.appliance, status.facts) is None
        partly = hop is Hop.GOOD and (lacks_ipv6 or not _has_dnsmasq(status))
        yield Card("LAN", hop, _given(rows), partly)


def _offered(status: Status, *, dhcp: bool) -> Iterator[str]:
    if not _has_dnsmasq(status):
        yield "nothing, as dnsmasq is not up"
        return
    yield "DNS"
    if dhcp:
        yield "IPv4 addresses by DHCP"
    if status.offered6:
        yield status.offered6


def _has_dnsmasq(status: Status) -> bool:
    """Whether the service is as it shall be, by which all of the LAN is served."""
    units = next((outcome for outcome in status.outcomes if outcome.kind == Units.name), None)
    if units is None:
        return True
    return units.state is not State.BLOCKED and not any(DNSMASQ in what for what in units.differs)


def _cable(offered: Offered, status: Status) -> Card:
    own = [
        str(address)
        for segment in segments(status.appliance, status.facts)
        for address in segment.all_addresses
        if segment.interface == offered.interface
    ]
    families = " and ".join(f"IPv{family}" for family in offered.families) or "no way out"
    meaning = {Mode.ROUTE: families, Mode.LOCAL: "the Pi alone", Mode.HOST: "nothing: the laptop is the Pi's way out"}
    rows = (("Interface", offered.interface), ("Address", ", ".join(own)), ("Offered", meaning[offered.mode]))
    return Card("USB cable", _carrier(offered.interface, status.facts), _given(rows))


def _carrier(interface: str, facts: Facts) -> Hop:
    return Hop.GOOD if facts.has_carrier(interface) else Hop.BROKEN


def _addresses(interface: str, facts: Facts) -> str:
    return ", ".join(str(found.address) for found in facts.addresses if found.interface == interface)


def _station(way: Sequence[Station], name: str) -> Station | None:
    return next((station for station in way if station.name == name), None)


def _given(rows: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in rows if value)
