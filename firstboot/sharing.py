"""Who gives whom the Internet over the cable, now: from the configuration and the facts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from appliance.model import Appliance, Share
from firstboot.cable import Segment, elsewhere, segments
from firstboot.facts import Facts
from firstboot.topology import known_address

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
class Question:
    """Whether hosts on an interface answer ARP, asked in the name of `own`."""

    interface: str
    own: IPv4Address
    targets: tuple[IPv4Address, ...]


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


def uplink_works(appliance: Appliance, facts: Facts) -> bool | None:
    """Whether the uplink leads anywhere: signal, address, default route, and a router that answers.

    None while the router is not known to answer or not to: it is asked while somebody is on the cable.
    """
    question = _router(appliance, facts)
    if question is None or overlapping(appliance, facts) is not None:
        return False
    return facts.neighbours.get((question.interface, question.targets[0]))


def uplink_has_ipv6(appliance: Appliance, facts: Facts) -> bool:
    """Whether IPv6 packets have a way from here."""
    way_out = exit_of(appliance, 6)
    return way_out is not None and bool(facts.default_routes_on(way_out, 6))


def exit_of(appliance: Appliance, family: int) -> str | None:
    """The interface by which packets of a family (4 or 6) leave for the Internet."""
    if family == 6 and appliance.tunnel is not None:
        return appliance.tunnel.interface
    return appliance.uplink.interface if appliance.uplink is not None else None


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
    found = []
    if present and (router := _router(appliance, facts)) is not None:
        found.append(router)
    if gadget.share is Share.AUTO:
        found += [Question(segment.interface, NOBODY, HOST_GATEWAYS) for segment in present]
    return found


def _router(appliance: Appliance, facts: Facts) -> Question | None:
    """The question to the uplink's router; None while there is no signal, no address, or no default route."""
    uplink = appliance.uplink
    if uplink is None or not facts.has_carrier(uplink.interface):
        return None
    own, routes = known_address(uplink, facts), facts.default_routes_on(uplink.interface, 4)
    if own is None or not routes or not isinstance(routes[0].gateway, IPv4Address):
        return None
    return Question(uplink.interface, own.ip, (routes[0].gateway,))
