"""Who gives whom the Internet over the cable, now: from the configuration and the facts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Interface

from appliance.model import Appliance, Share
from firstboot.cable import UNIQUE_LOCAL, Segment, elsewhere, segments
from firstboot.facts import Facts, Gateway, Route
from firstboot.topology import known_address, serving

HOST_GATEWAYS = (IPv4Address("192.168.137.1"), IPv4Address("192.168.2.1"), IPv4Address("10.42.0.1"))
"""What a laptop that shares its Internet calls itself: Windows, macOS, NetworkManager."""

NOBODY = IPv4Address(0)
"""Asking as this one enters nobody's ARP table (RFC 5227, 2.1.1), and is answered whatever network the asked is on."""


class Mode(StrEnum):
    """What a network on the cable is for the laptop."""

    ROUTE = "route"
    """A way to the Internet."""
    LOCAL = "local"
    """A way to the Pi."""
    HOST = "host"
    """The Pi's way to the Internet."""


SERVING = (Mode.ROUTE, Mode.LOCAL)
"""In which the Pi serves the laptop; in the other the laptop serves the Pi."""


@dataclass(frozen=True)
class Offered:
    """What a network on the cable is now, and for which families (4, 6) the laptop is offered a way out there."""

    interface: str
    mode: Mode
    families: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """Whether hosts on an interface answer; those with an IPv4 address are asked in the name of `own`."""

    interface: str
    own: IPv4Address
    targets: tuple[Gateway, ...]
    serving: bool = False
    """Only those count that give out addresses there: Linux answers for its addresses on any of its networks."""


def mode_on(segment: Segment, appliance: Appliance, facts: Facts) -> Mode:
    """What a network on the cable is now. Without an uplink, `route` has nothing to give."""
    share = appliance.gadget.share if appliance.gadget is not None else Share.LOCAL
    if share is Share.HOST:
        return Mode.HOST
    if share is Share.AUTO and any(facts.neighbours.get((segment.interface, host)) for host in HOST_GATEWAYS):
        return Mode.HOST
    return Mode.LOCAL if share is Share.LOCAL or appliance.uplink is None else Mode.ROUTE


def segments_in(appliance: Appliance, facts: Facts, *modes: Mode) -> Sequence[Segment]:
    """The networks on the cable that are in one of these modes now."""
    return tuple(found for found in segments(appliance, facts) if mode_on(found, appliance, facts) in modes)


def uplink_works(appliance: Appliance, facts: Facts, family: int) -> bool | None:
    """Whether packets of a family (4 or 6) have a way out: an address, a default route, a router that answers.

    None while the router is not known to answer or not to: it is asked while somebody is on the cable.
    """
    if overlapping(appliance, facts) is not None:
        return False
    if family == 6 and appliance.tunnel is not None:
        way6 = serving(appliance, facts)
        is_way = way6 is not None and bool(facts.default_routes_on(way6.interface, 6))
        return is_way and uplink_works(appliance, facts, 4)
    way = way_out(appliance, facts, family)
    if way is None or way.gateway is None:
        return way is not None  # of a line without a router (PPP), nobody can be asked
    return facts.neighbours.get((way.interface, way.gateway))


def exits_of(appliance: Appliance, family: int) -> tuple[str, ...]:
    """The interfaces by which packets of a family (4 or 6) leave for the Internet, the preferred one first."""
    if family == 6 and appliance.tunnel is not None:
        return tuple(tunnel.interface for tunnel in appliance.tunnels)
    return (appliance.uplink.interface,) if appliance.uplink is not None else ()


def overlapping(appliance: Appliance, facts: Facts) -> IPv4Network | None:
    """Another network of the Pi's that one on the cable overlaps: then neither can be told from the other."""
    own = [segment.ipv4.network for segment in segments(appliance, facts)]
    others = (other for other in elsewhere(appliance, facts) if any(other.overlaps(network) for network in own))
    return next(others, None)


def questions(appliance: Appliance, facts: Facts) -> Sequence[Question]:
    """What must be asked all the time, while somebody is on the cable."""
    gadget = appliance.gadget
    if gadget is None or gadget.share not in (Share.ROUTE, Share.AUTO):
        return ()
    present = [segment for segment in segments(appliance, facts) if facts.has_carrier(segment.interface)]
    found = list(_routers(appliance, facts)) if present else []
    if gadget.share is Share.AUTO:
        found += [Question(segment.interface, NOBODY, HOST_GATEWAYS, serving=True) for segment in present]
    return found


def _routers(appliance: Appliance, facts: Facts) -> Iterator[Question]:
    """The question to the uplink's routers, of both families at once: often they are one machine."""
    ways = [way for family in (4, 6) if (way := way_out(appliance, facts, family)) is not None]
    targets = tuple(way.gateway for way in ways if way.gateway is not None)
    if targets and appliance.uplink is not None:
        own = known_address(appliance.uplink, facts)
        yield Question(ways[0].interface, own.ip if own is not None else NOBODY, targets)


def way_out(appliance: Appliance, facts: Facts, family: int) -> Route | None:
    """The uplink's best default route; None without an interface or an address to send from.

    A carrier that is away for a moment (Wi-Fi changes the access point) is none of our business: the router is asked.
    """
    uplink = appliance.uplink
    if uplink is None or uplink.interface not in facts.links:
        return None
    has_address = known_address(uplink, facts) is not None if family == 4 else _has_global_ipv6(appliance, facts)
    if not has_address:
        return None
    return next(iter(facts.default_routes_on(uplink.interface, family)), None)


def _has_global_ipv6(appliance: Appliance, facts: Facts) -> bool:
    """Whether the uplink has an address that the Internet answers to, or has lent some."""
    uplink = appliance.uplink.interface if appliance.uplink is not None else None
    own = [found.address for found in facts.addresses if found.interface == uplink]
    lent = [segment.delegated for segment in segments(appliance, facts)]
    found = [address.ip for address in (*own, *lent) if isinstance(address, IPv6Interface)]
    return any(not address.is_link_local and address not in UNIQUE_LOCAL for address in found)
