"""What a form of tunnel has to say of itself: all else is the same for each, and does not ask which one it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from appliance.model import KnownTunnel
from firstboot.facts import OURS, Facts

TTL = 255
"""Otherwise the inner hop limit is copied, and a traceroute through the tunnel ends in it."""


@dataclass(frozen=True)
class Sit:
    """A tunnel's interface: IPv6 in IPv4 protocol 41 from `local` (RFC 4213). `mtu` in bytes.

    To `remote`; or, of 6rd, to whom an address of `prefix` belongs, one of `customers`, and else to whom a route says
    (RFC 5969). None: whatever is there.
    """

    interface: str
    local: IPv4Address | None
    remote: IPv4Address | None
    mtu: int
    ttl: int = TTL
    up: bool = True
    group: int = OURS
    prefix: IPv6Network | None = None
    customers: IPv4Network | None = None

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


@dataclass(frozen=True)
class Senders:
    """From whom the tunnel's packets come, in IPv4. `inner`: theirs in IPv6; None: anybody's."""

    network: IPv4Network
    inner: IPv6Network | None = None


class Form(ABC):
    """A form of tunnel. Pure. `local`: our own IPv4 address; None while there is none."""

    @abstractmethod
    def link(self, tunnel: KnownTunnel, local: IPv4Address, mtu: int, facts: Facts) -> Sit:
        """Its interface."""

    @abstractmethod
    def gateway(self, tunnel: KnownTunnel) -> IPv6Address | None:
        """Who leads to the IPv6 Internet, on the interface; None: whoever is at its other end."""

    @abstractmethod
    def far_end(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> IPv6Address | None:
        """The server's own address, for whoever asks through the tunnel; None: it is not known to have one."""

    @abstractmethod
    def senders(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> Sequence[Senders]:
        """Whose packets are let in."""
