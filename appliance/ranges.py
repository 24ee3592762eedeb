"""From one value to another, both included. `str()` gives the notation of `appliance.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address


@dataclass(frozen=True, order=True)
class AddressRange:
    """IPv4 addresses from the first to the last, both included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, order=True)
class PortRange:
    """TCP or UDP port numbers from the first to the last, both included."""

    first: int
    last: int

    def covers(self, other: PortRange) -> bool:
        """Whether all of the other's are among these."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: PortRange) -> bool:
        """Whether any is in both."""
        return self.first <= other.last and other.first <= self.last

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return _numbers(self.first, self.last)


@dataclass(frozen=True, order=True)
class Rate:
    """How often at most: so many times in each unit (`s`, `min`, `h`)."""

    count: int
    unit: str

    def __str__(self) -> str:
        return f"{self.count}/{self.unit}"


@dataclass(frozen=True, order=True)
class TableRange:
    """Numbers of route tables from the first to the last, both included."""

    first: int
    last: int

    def __contains__(self, table: int) -> bool:
        return self.first <= table <= self.last

    def __str__(self) -> str:
        return _numbers(self.first, self.last)


def _numbers(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"
