"""The IPv6 addresses that the machines inside were seen with.

The kernel's table of neighbours alone would not do: an address goes from there when the machine is asked while it is
off, or nobody has spoken with it for a while. It would be asked anew for whoever calls from outside, if the firewall
let that in; and a rule that denies a machine something would be without effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address

MOST = 16
"""Of one machine, beyond those that the kernel knows now: temporary addresses are others every day (RFC 8981)."""


class KnownAddresses:
    """By hardware address. One stays while its machine has a lease, and no other is seen with it."""

    def __init__(self) -> None:
        self._known: Mapping[str, tuple[IPv6Address, ...]] = {}

    def updated(
        self, leased: Iterable[str], now: Mapping[str, tuple[IPv6Address, ...]]
    ) -> Mapping[str, tuple[IPv6Address, ...]]:
        """Those of all that have a lease; `now`: what the kernel knows. Those seen last come first."""
        taken = {address for addresses in now.values() for address in addresses}
        known = {}
        for mac in leased:
            before = [address for address in self._known.get(mac, ()) if address not in taken]
            known[mac] = (*now.get(mac, ()), *before[:MOST])
        self._known = known
        return known
