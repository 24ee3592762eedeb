"""How uplink, LAN and tunnel lie to each other: what follows from the configuration and the facts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network
from typing import TypeVar

from appliance.addresses import is_within, own_address_in, subnet
from appliance.errors import TemporaryError
from appliance.model import Appliance, KnownTunnel, LanNetwork, Uplink
from firstboot.facts import Facts, Interface
from firstboot.health.diagnosis import IPV6_MIN_MTU

Own = TypeVar("Own", bound=Interface)

SIT_OVERHEAD_BYTES = 20
"""6in4 puts an IPv4 header without options in front of each packet (RFC 4213, 3.2)."""


@dataclass(frozen=True)
class Subnet:
    """A network of the LAN's, and the Pi's own addresses there; None or () where there is none, or not yet.

    `ipv6`: one of each tunnel's, in their order.
    """

    lan: LanNetwork
    ipv4: IPv4Interface | None
    ipv6: tuple[IPv6Interface, ...]

    @property
    def interface(self) -> str:
        """That it is on."""
        return self.lan.interface


def uplink_of(appliance: Appliance) -> Uplink:
    """The uplink; a profile that needs one has one, the parser has seen to it."""
    if appliance.uplink is None:
        raise TemporaryError("there is no uplink in appliance.yaml")
    return appliance.uplink


def is_static(uplink: Uplink | None) -> bool:
    """Whether the interface is ours: a wired one with a fixed address."""
    return uplink is not None and uplink.address is not None and uplink.wifi is None


def known_address(uplink: Uplink, facts: Facts) -> IPv4Interface | None:
    """The uplink's IPv4 address; None while DHCP has given none."""
    return uplink.address or facts.ipv4_on(uplink.interface)


def address_on_the_line(uplink: Uplink, facts: Facts) -> IPv4Address | None:
    """The same without its network, while somebody is at the other end of the wire."""
    known = known_address(uplink, facts)
    return known.ip if known is not None and facts.has_carrier(uplink.interface) else None


def address_of(uplink: Uplink, facts: Facts) -> IPv4Interface:
    """The uplink's IPv4 address; `TemporaryError` while DHCP has given none."""
    address = known_address(uplink, facts)
    if address is None:
        raise TemporaryError(
            f"{uplink.interface} has no IPv4 address yet",
            hint="is the cable in, and does the router give out addresses (DHCP)?"
            if uplink.wifi is None
            else "the part wifi says how far it is",
        )
    return address


def is_one_armed(appliance: Appliance) -> bool:
    """The LAN is on the uplink's own interface."""
    return (
        appliance.lan is not None
        and appliance.uplink is not None
        and appliance.lan.interface == appliance.uplink.interface
    )


def full_mtu(appliance: Appliance, rank: int) -> int:
    """The largest IPv6 packet, in bytes, that should fit through the tunnel of that rank in one IPv4 packet."""
    given = appliance.tunnels[rank].mtu
    return given if given is not None else uplink_of(appliance).mtu - SIT_OVERHEAD_BYTES


def tunnel_mtu(appliance: Appliance, facts: Facts, rank: int) -> int:
    """The largest that does: less, where larger ones were found to vanish. IPv6 needs a certain size in any case."""
    full, largest = full_mtu(appliance, rank), facts.health_of(rank).largest
    return min(full, largest) if largest is not None and largest >= IPV6_MIN_MTU else full


def lan_mtu(appliance: Appliance, facts: Facts) -> int:
    """The largest that fits through each tunnel: which one it will be, a host's connection does not know."""
    return min(tunnel_mtu(appliance, facts, rank) for rank in range(len(appliance.tunnels)))


def serving(appliance: Appliance, facts: Facts) -> KnownTunnel | None:
    """The tunnel by which networks have IPv6: the first that carries; None: they have none.

    Nor is a fallback one before it is known that the preferred does not carry: at a start it may just be the first to
    answer.
    """
    for tunnel in appliance.known_tunnels:
        health = facts.health_of(tunnel.rank)
        if health.carries:
            return tunnel
        if not health.is_known:
            return None
    return None


def leading(appliance: Appliance, facts: Facts) -> KnownTunnel | None:
    """The tunnel whose addresses are to be preferred: while none carries, those that will be again."""
    return serving(appliance, facts) or next(iter(appliance.known_tunnels), None)


def passed_over(appliance: Appliance, facts: Facts) -> Sequence[IPv6Network]:
    """The prefixes of the other tunnels: whoever has connections with such an address keeps it, and begins none."""
    leader = leading(appliance, facts)
    return tuple(tunnel.routed for tunnel in appliance.known_tunnels if tunnel != leader)


def deprecated(addresses: Iterable[Own], appliance: Appliance, facts: Facts) -> tuple[Own, ...]:
    """Those of our own that are passed over."""
    others = passed_over(appliance, facts)
    return tuple(address for address in addresses if any(address.ip in other for other in others))


def subnets(appliance: Appliance, facts: Facts) -> Sequence[Subnet]:
    """The networks of the LAN, each with a /64 of what is routed here through each tunnel, in their order."""
    if appliance.lan is None:
        return ()
    return tuple(
        Subnet(lan, _own_ipv4(lan, appliance.uplink, facts), own_ipv6(appliance, number))
        for number, lan in enumerate(appliance.lan.networks)
    )


def own_ipv6(appliance: Appliance, number: int) -> tuple[IPv6Interface, ...]:
    """The Pi's own addresses in the network of that number: one of each tunnel's prefix, as far as there is a /64."""
    prefixes = ((subnet(tunnel.routed, number), tunnel.routed) for tunnel in appliance.known_tunnels)
    return tuple(own_address_in(prefix) for prefix, routed in prefixes if is_within(prefix, routed))


def _own_ipv4(lan: LanNetwork, uplink: Uplink | None, facts: Facts) -> IPv4Interface | None:
    """The Pi's own IPv4 address there; None while DHCP has given none."""
    if lan.address is not None:
        return lan.address
    return known_address(uplink, facts) if uplink is not None and lan.interface == uplink.interface else None


def awaits_lease(appliance: Appliance, facts: Facts) -> bool:
    """The LAN's IPv4 network is not known yet: it is the one of which DHCP gives the uplink an address."""
    return is_one_armed(appliance) and known_address(uplink_of(appliance), facts) is None
