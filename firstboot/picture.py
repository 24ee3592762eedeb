"""The way from whom is served to the Internet, station by station, and where it is broken. Pure.

```
  LAN  --- ipv6gw ---     router    -X-     tunnel     -?- IPv6 Internet
  eth0                192.168.1.254     198.51.100.100
```
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.model import Appliance, Uplink
from firstboot.cable import segments
from firstboot.facts import Facts
from firstboot.health.diagnosis import Fault
from firstboot.sharing import Mode, segments_in, uplink_works, way_out
from firstboot.topology import serving


class Hop(StrEnum):
    """What is known of the way from one station to the next."""

    GOOD = "good"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    """What is before it must work first, or it is not known yet."""
    UNWATCHED = "unwatched"
    """Nobody looks."""


ROUTER = "router"
TUNNELS = ("tunnel", "fallback tunnel")
"""What these stations are called, the tunnels by their ranks."""

MARKS = {Hop.GOOD: "---", Hop.BROKEN: "-X-", Hop.UNKNOWN: "-?-", Hop.UNWATCHED: "..."}
"""In ASCII: on the card, any editor shows them."""

_LOST_BEFORE_THE_SERVER = frozenset(
    {Fault.SERVER_UNREACHABLE, Fault.SHARED_NAT, Fault.PROTOCOL_41, Fault.STALE_ENDPOINT}
)


@dataclass(frozen=True)
class Station:
    """Somebody on the way.

    `detail`: an address or interfaces, "" for none. `hop`: from the station before it; None for the first.
    """

    name: str
    detail: str = ""
    hop: Hop | None = None


def picture(appliance: Appliance, facts: Facts, hostname: str) -> Sequence[Station]:
    """All stations in their order; none where nobody has looked, or where nobody is served."""
    if not facts.links or (appliance.lan is None and appliance.gadget is None and appliance.uplink is None):
        return ()
    return (*_inside(appliance, facts, hostname), *beyond(appliance, facts))


def beyond(appliance: Appliance, facts: Facts) -> Sequence[Station]:
    """What is between the Pi and the Internet; nothing where nobody has looked."""
    if not facts.links:
        return ()
    if _is_cable(Mode.HOST, appliance, facts):
        served = [segment.interface for segment in segments(appliance, facts)]
        return (Station("laptop", served[0], _carrier(served, facts)), Station("Internet", hop=Hop.UNWATCHED))
    return tuple(_outside(appliance, facts))


def drawn(stations: Sequence[Station]) -> Sequence[str]:
    """The picture for people, two lines: the way, and below it what stands for each station."""
    if not stations:
        return []
    names, details = "", ""
    for station in stations:
        mark = f" {MARKS[station.hop]} " if station.hop is not None else ""
        width = max(len(station.name), len(station.detail))
        names += mark + station.name.center(width)
        details += " " * len(mark) + station.detail.center(width)
    return [line.rstrip() for line in (names, details) if line.strip()]


def _inside(appliance: Appliance, facts: Facts, hostname: str) -> Iterator[Station]:
    """Who is served, and the Pi."""
    lan = [network.interface for network in appliance.lan.networks] if appliance.lan is not None else []
    cable = [] if _is_cable(Mode.HOST, appliance, facts) else [each.interface for each in segments(appliance, facts)]
    hop = None
    if lan or cable:
        yield Station("LAN" if lan else "laptop", ", ".join(lan or cable))
        hop = _carrier(lan or cable, facts)
    yield Station(hostname, hop=hop)


def _carrier(interfaces: Sequence[str], facts: Facts) -> Hop:
    """Whether somebody is at the other end of each of these."""
    return Hop.GOOD if all(facts.has_carrier(interface) for interface in interfaces) else Hop.BROKEN


def _outside(appliance: Appliance, facts: Facts) -> Iterator[Station]:
    if appliance.uplink is None or _is_cable(Mode.LOCAL, appliance, facts):
        return
    router = _router(appliance.uplink, appliance, facts)
    yield router
    if appliance.tunnel is None:
        yield Station("Internet", hop=Hop.UNWATCHED)
        return
    rank = _rank(appliance, facts)
    found = facts.health_of(rank).diagnosis
    fault, works = found.fault, found.works
    if router.hop is Hop.BROKEN or fault in (Fault.NOT_KNOWN, Fault.NO_UPLINK):
        tunnel = beyond = Hop.UNKNOWN
    elif fault in _LOST_BEFORE_THE_SERVER or (fault is Fault.MTU and not works):
        tunnel, beyond = Hop.BROKEN, Hop.UNKNOWN
    else:
        tunnel, beyond = Hop.GOOD, Hop.BROKEN if fault is Fault.BEYOND else Hop.GOOD
    server = appliance.tunnels[rank].server
    yield Station(TUNNELS[rank], str(server) if server is not None else "", tunnel)
    yield Station("IPv6 Internet", hop=beyond)


def _rank(appliance: Appliance, facts: Facts) -> int:
    """That of the tunnel by which networks have IPv6, or should have."""
    way = serving(appliance, facts)
    return way.rank if way is not None else 0


def _is_cable(mode: Mode, appliance: Appliance, facts: Facts) -> bool:
    """Whether that is what all networks on the cable are for the laptop; False where there is none."""
    served = segments(appliance, facts)
    return bool(served) and len(segments_in(appliance, facts, mode)) == len(served)


def _router(uplink: Uplink, appliance: Appliance, facts: Facts) -> Station:
    """The uplink's router, as far as it is known, and whether it is there."""
    ways = [way for family in (4, 6) if (way := way_out(appliance, facts, family)) is not None]
    gateways = [str(way.gateway) for way in ways if way.gateway is not None]
    hop = Hop.BROKEN
    if facts.has_carrier(uplink.interface):
        hop = _uplink_hop(appliance, facts) if ways else _hop_without_a_way(appliance, facts)
    return Station(ROUTER, gateways[0] if gateways else "", hop)


def _hop_without_a_way(appliance: Appliance, facts: Facts) -> Hop:
    """Of a wire over which nobody has told of a router: perhaps not yet, while a tunnel is asked for the first time."""
    rank = _rank(appliance, facts)
    is_asked = bool(appliance.tunnels) and appliance.tunnels[rank].server is not None
    is_known = facts.health_of(rank).diagnosis.fault is not Fault.NOT_KNOWN
    return Hop.UNKNOWN if is_asked and not is_known else Hop.BROKEN


def _uplink_hop(appliance: Appliance, facts: Facts) -> Hop:
    """Of a wire that leads somewhere. A router that nobody asks anything is good if packets are sent to it."""
    fault = facts.health_of(_rank(appliance, facts)).diagnosis.fault
    if appliance.tunnel is not None and fault is Fault.NO_UPLINK:
        return Hop.BROKEN
    if appliance.gadget is None:
        return Hop.GOOD
    works = {uplink_works(appliance, facts, family) for family in (4, 6)}
    return Hop.GOOD if True in works else Hop.UNKNOWN if None in works else Hop.BROKEN
