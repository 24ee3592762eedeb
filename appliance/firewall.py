# ruff: noqa: RUF009 - setting() and its like are wrappers of dataclasses.field
"""The section `firewall`: what may pass from where to where. See `model`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from appliance import scalars as scalar
from appliance import traffic_scalars as traffic
from appliance.addresses import Network
from appliance.ranges import PortRange, Rate
from appliance.services import ANY, Service
from appliance.settings import section, sections, setting, values
from appliance.traffic_scalars import INSIDE


class Zone(StrEnum):
    """Where packets come from, and go to."""

    OUTSIDE = "outside"
    """Beyond the uplink and the tunnel."""
    INSIDE = "inside"
    """The networks that are served: the LAN, the cable."""
    BOX = "box"
    """The Pi itself."""
    ANY = "any"

    def covers(self, other: Zone) -> bool:
        """Whether it is that one, or one of several that include it."""
        return self in (Zone.ANY, other)


class Verdict(StrEnum):
    """What becomes of a packet. A denied one is dropped or rejected, as `deny` says."""

    ALLOW = "allow"
    DENY = "deny"


class Deny(StrEnum):
    """How packets are denied: silently, or with an answer that says so."""

    DROP = "drop"
    REJECT = "reject"


class Logged(StrEnum):
    """Which packets are logged, beside those of rules that say so."""

    ALL = "all"
    DROPS = "drops"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Management:
    """Who looks after the Pi."""

    ssh_from: tuple[Network | str, ...] = values(
        traffic.MANAGER, "hosts and networks that may use ssh", default=(INSIDE,), example=(INSIDE, "203.0.113.9")
    )
    syslog_to: IPv4Address | IPv6Address | None = setting(
        scalar.IP_ADDRESS, "the host that the Pi may send its log to", default=None, example="192.168.1.5"
    )


@dataclass(frozen=True, kw_only=True)
class AllowIn:
    """A service inside that the outside may reach: by IPv6 as it is, by IPv4 at the Pi's own address."""

    to: IPv4Address | IPv6Address | str = setting(traffic.HOST, "the machine inside: its address, or its name")
    tcp: tuple[PortRange, ...] = values(scalar.PORTS, "TCP ports or ranges of them", example=("443", "8000-8010"))
    udp: tuple[PortRange, ...] = values(scalar.PORTS, "UDP ports or ranges of them", example=("51820",))
    from_: tuple[Network, ...] = values(
        traffic.HOSTS, "only from these hosts and networks", example=("198.51.100.0/24",)
    )
    nat_port: int | None = setting(
        traffic.PORT, "the port at the machine, where it is another than at the Pi's address", default=None
    )


@dataclass(frozen=True, kw_only=True)
class PortForward:
    """A port of the Pi's own IPv4 address that leads to a machine inside."""

    port: Service = setting(traffic.TRANSPORT, "the port outside, with its protocol")
    to: IPv4Address | str = setting(traffic.HOST4, "the machine inside: its IPv4 address, or its name")
    to_port: int | None = setting(traffic.PORT, "the port there, where it is another", default=None)
    from_: tuple[Network, ...] = values(
        traffic.HOSTS, "only from these hosts and networks", example=("198.51.100.0/24",)
    )


@dataclass(frozen=True, kw_only=True)
class FilterRule:
    """One rule, as administrators write them; the first one that a packet fits decides."""

    from_: Zone = setting(scalar.choice(Zone), "where the packets come from", default=Zone.ANY)
    source: Network | str | None = setting(traffic.ENDPOINT, "from which host or network there, or any", default=None)
    to: Zone = setting(scalar.choice(Zone), "where they go", default=Zone.ANY)
    destination: Network | str | None = setting(
        traffic.ENDPOINT, "to which host or network there, or any", default=None
    )
    port: tuple[Service, ...] = values(
        traffic.SERVICE, "what they are for", default=(ANY,), example=("tcp/443", "udp/53")
    )
    nat: bool | None = setting(
        scalar.BOOLEAN, "IPv4 only: whether they leave with the Pi's address; left out: as usual", default=None
    )
    action: Verdict = setting(scalar.choice(Verdict), "what becomes of them")
    log: bool = setting(scalar.BOOLEAN, "write each to the log, within log_rate", default=False)
    note: str = setting(traffic.NOTE, "what the rule is for", default="")


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """What may pass from where to where. The inside may reach everything outside, if nothing else is said."""

    management: Management = section(Management, "who looks after the Pi", default=Management())
    allow_in: tuple[AllowIn, ...] = sections(AllowIn, "services inside that the outside may reach")
    port_forwards: tuple[PortForward, ...] = sections(PortForward, "ports of the Pi's IPv4 address that lead inside")
    outbound: tuple[Service, ...] = values(
        traffic.OUTBOUND,
        "what the inside may use outside: allow, or a list",
        default=(ANY,),
        example=("tcp/443", "udp/53"),
    )
    rules: tuple[FilterRule, ...] = sections(FilterRule, "rules of your own")
    deny: Deny = setting(scalar.choice(Deny), "what becomes of packets that are denied", default=Deny.DROP)
    log: Logged = setting(scalar.choice(Logged), "which packets are logged", default=Logged.DROPS)
    log_rate: Rate = setting(traffic.RATE, "how many at most", default=Rate(3, "min"))
