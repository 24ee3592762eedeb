"""The networks that the Pi serves, the LAN and those on the cable alike, and what it offers on each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from appliance.model import Appliance
from appliance.ranges import AddressRange
from firstboot.cable import Segment, segments
from firstboot.facts import Facts
from firstboot.sharing import SERVING, Mode, mode_on, segments_in, uplink_works
from firstboot.topology import deprecated, lan_mtu, serving, subnets

CABLE_DOMAIN = "usb.home.arpa"
"""The domain of the names on the cable, below the one for homes (RFC 8375)."""

CABLE_LEASE_S = 120
"""dnsmasq's minimum: a laptop that does not notice that the offer changed asks again after half of it."""

ROUTER_LIFETIME_S = 1800
CABLE_ROUTER_LIFETIME_S = 180
"""Three advertisements may be missed: of a Pi that hangs, nobody takes back what it offered."""
ETHERNET_MTU = 1500


@dataclass(frozen=True)
class Served:
    """A network that is served.

    `ipv4`, `ipv6`: the Pi's own addresses there, and so the networks; `deprecated`: those of the latter whose networks
    are to be used by nobody who can choose (RFC 4862, 5.5.4); `ranges`: what DHCPv4 gives out; `router`:
    the default route for IPv4 that it offers; `router_lifetime_s`: the one for IPv6 (0: it offers none); `dns`:
    whether it offers itself as DNS server, `dns6`: in IPv6.
    """

    interface: str
    domain: str
    ipv4: IPv4Interface | None
    ipv6: tuple[IPv6Interface, ...]
    deprecated: tuple[IPv6Interface, ...]
    ranges: tuple[AddressRange, ...]
    lease_s: int
    router: IPv4Address | None
    router_lifetime_s: int
    dns: bool
    dns6: bool
    mtu: int


def served(appliance: Appliance, facts: Facts) -> Sequence[Served] | None:
    """What is served now; None while it is not known whether the uplink works."""
    networks = list(_lan(appliance, facts))
    for segment in segments(appliance, facts):
        mode = mode_on(segment, appliance, facts)
        works4, works6 = (mode is Mode.ROUTE and uplink_works(appliance, facts, family) for family in (4, 6))
        if works4 is None or works6 is None:
            return None
        if mode is not Mode.HOST:
            networks.append(_on_cable(segment, appliance, facts, works4=works4, works6=works6))
    return tuple(networks)


def served_at_boot(appliance: Appliance, facts: Facts) -> Sequence[Served]:
    """What may be served before anything is known: a dead Pi must not take the laptop's own Internet away.

    Nor shall a LAN hang for IPv6 that is not there: nothing leads into the tunnel before the daemon has made it.
    """
    cautious = replace(facts, neighbours={}, healths=())
    cable = [
        _on_cable(replace(segment, delegated=None), appliance, cautious, works4=False, works6=False)
        for segment in segments_in(appliance, cautious, *SERVING)
    ]
    return (*_lan(appliance, cautious), *cable)


def _lan(appliance: Appliance, facts: Facts) -> Iterator[Served]:
    """IPv4 is offered whether or not a tunnel carries."""
    uplink = appliance.uplink
    if uplink is None or appliance.lan is None or appliance.tunnel is None:
        return
    is_offered = serving(appliance, facts) is not None
    for network in subnets(appliance, facts):
        lan, own, is_uplinks = network.lan, network.ipv4, network.interface == uplink.interface
        yield Served(
            interface=network.interface,
            domain=lan.domain,
            ipv4=own,
            ipv6=network.ipv6,
            deprecated=deprecated(network.ipv6, appliance, facts),
            ranges=(lan.dhcp4.range,) if lan.dhcp4 and own else (),
            lease_s=lan.dhcp4.lease if lan.dhcp4 else 0,
            router=uplink.gateway if is_uplinks else own.ip if own else None,
            router_lifetime_s=ROUTER_LIFETIME_S if is_offered else 0,
            dns=True,
            dns6=is_offered,
            mtu=lan_mtu(appliance, facts),
        )


def _on_cable(segment: Segment, appliance: Appliance, facts: Facts, *, works4: bool, works6: bool) -> Served:
    ipv6 = tuple(address for address in segment.all_addresses if isinstance(address, IPv6Interface))
    uplink_mtu = appliance.uplink.mtu if appliance.uplink is not None else ETHERNET_MTU
    return Served(
        interface=segment.interface,
        domain=CABLE_DOMAIN,
        ipv4=segment.ipv4,
        ipv6=ipv6,
        deprecated=deprecated(ipv6, appliance, facts),
        ranges=tuple(ranges_around(segment.ipv4)),
        lease_s=CABLE_LEASE_S,
        router=segment.ipv4.ip if works4 else None,
        router_lifetime_s=CABLE_ROUTER_LIFETIME_S if works6 else 0,
        dns=works4 or works6,
        dns6=works4 or works6,
        mtu=lan_mtu(appliance, facts) if appliance.tunnel else min(uplink_mtu, ETHERNET_MTU),
    )


def ranges_around(own: IPv4Interface) -> Iterator[AddressRange]:
    """All addresses that a host may have in the network, but our own."""
    first, last = own.network[1], own.network[-2]
    if first < own.ip:
        yield AddressRange(first, own.ip - 1)
    if own.ip < last:
        yield AddressRange(own.ip + 1, last)
