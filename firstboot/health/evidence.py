"""What was seen of the tunnel and of the way to its other end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

SHARED = IPv4Network("100.64.0.0/10")
"""The addresses between a provider's carrier-grade NAT and its customers (RFC 6598)."""

PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
"""The addresses of networks behind a router with NAT (RFC 1918)."""


@dataclass(frozen=True)
class Objection:
    """An ICMP message that a packet of protocol 41 was not delivered: who sent it, and its code (RFC 792, type 3)."""

    sender: IPv4Address
    code: int


@dataclass(frozen=True)
class Trace:
    """Who says that packets with so little time to live ended there (RFC 792, type 11), by that number of hops.

    `echo`: the packets were echo requests to the server; `protocol41`: they were the tunnel's own.
    """

    echo: Mapping[int, IPv4Address] = field(default_factory=dict)
    protocol41: Mapping[int, IPv4Address] = field(default_factory=dict)

    def joined(self, other: Trace) -> Trace:
        """Both together: of many such messages some are lost, as routers send only so many."""
        return Trace({**self.echo, **other.echo}, {**self.protocol41, **other.protocol41})


@dataclass(frozen=True)
class Evidence:
    """What was seen. None: it was not asked, or is not known yet.

    `address`: the tunnel's own end, in IPv4; `has_tunnel`: there is an interface for it; `next_hop`: the uplink's
    router answers; `server`: it answers echoes over IPv4; `far_end`: the broker's end answers through the tunnel;
    `beyond`: a host on the Internet does; `full`: so many bytes a packet in the tunnel shall have, `largest`: so many
    it may have, where that is fewer; `lost`: the share of late rounds in which an answer stayed away although the
    server answered over IPv4; `carried_from`: the tunnel's own end when it carried last; `recovering`: it answers
    again, but not for long enough; `is_providers`: the server is the provider's own relay (6rd), and not a broker's;
    `section`: what the file calls the tunnel.
    """

    address: IPv4Address | None = None
    has_route: bool = False
    has_tunnel: bool = True
    server_address: IPv4Address | None = None
    next_hop: bool | None = None
    server: bool | None = None
    far_end: bool | None = None
    beyond: bool | None = None
    full: int = 0
    largest: int | None = None
    lost: float = 0.0
    objections: frozenset[Objection] = frozenset()
    trace: Trace = field(default_factory=Trace)
    carried_from: IPv4Address | None = None
    recovering: bool = False
    is_providers: bool = False
    section: str = "tunnel"

    @property
    def is_behind_nat(self) -> bool:
        """Whether somebody else's address is the public one."""
        return self.address is not None and any(self.address in network for network in (*PRIVATE, SHARED))

    @property
    def is_behind_shared_nat(self) -> bool:
        """Whether it seems that the provider gives out no public addresses."""
        return self.has_shared_address or (self.is_behind_nat and self.shared_hop is not None)

    @property
    def has_shared_address(self) -> bool:
        """Whether our own address is a shared one."""
        return self.address is not None and self.address in SHARED

    @property
    def shared_hop(self) -> IPv4Address | None:
        """A router on the way with such an address. A provider's own may have one where its customers have none."""
        hops = sorted({*self.trace.echo.values(), *self.trace.protocol41.values()})
        return next((hop for hop in hops if hop in SHARED), None)
