"""How uplink, LAN and tunnel lie to each other: what follows from the configuration and the facts. Pure."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, IPv6Network

from appliance.errors import TemporaryError
from appliance.model import Appliance, Uplink
from firstboot.facts import Facts

SIT_OVERHEAD_BYTES = 20
"""6in4 puts an IPv4 header without options in front of each packet (RFC 4213, 3.2)."""


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


def tunnel_mtu(appliance: Appliance) -> int:
    """The largest IPv6 packet, in bytes, that fits through the tunnel in one IPv4 packet."""
    if appliance.tunnel is not None and appliance.tunnel.mtu is not None:
        return appliance.tunnel.mtu
    return uplink_of(appliance).mtu - SIT_OVERHEAD_BYTES


def forwards_ipv4(appliance: Appliance) -> bool:
    """Only with two arms do the LAN's IPv4 packets pass through the Pi."""
    return appliance.lan is not None and not is_one_armed(appliance)


def own_address_in(prefix: IPv6Network) -> IPv6Interface:
    """The Pi's own address in a prefix that it serves: the first one, as routers have by custom."""
    return IPv6Interface((prefix[1], prefix.prefixlen))


def own_ipv4(appliance: Appliance, facts: Facts) -> IPv4Interface | None:
    """The Pi's own IPv4 address on the LAN; None while DHCP has given none."""
    lan, uplink = appliance.lan, appliance.uplink
    if lan is None:
        return None
    if lan.address is not None:
        return lan.address
    if uplink is not None and uplink.address is not None:
        return uplink.address
    return facts.ipv4_on(lan.interface)


def awaits_lease(appliance: Appliance, facts: Facts) -> bool:
    """The LAN's IPv4 network is not known yet: it is the one of which DHCP gives the uplink an address."""
    return is_one_armed(appliance) and own_ipv4(appliance, facts) is None
