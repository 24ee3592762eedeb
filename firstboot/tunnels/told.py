"""What the provider tells of its 6rd domain, by DHCP."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from firstboot.tunnels.domain import Domain


@dataclass(frozen=True)
class Line:
    """Where it is to be asked, and the address that we have there."""

    interface: str
    address: IPv4Address


@dataclass(frozen=True)
class Told:
    """What was told on an interface to an IPv4 address of ours. `trouble`: why there is no domain, in words."""

    interface: str
    address: IPv4Address
    domain: Domain | None = None
    trouble: str = ""
