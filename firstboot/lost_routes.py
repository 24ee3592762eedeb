"""Default routes that were there and that somebody has taken away, which their managers do not notice."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface

from firstboot.facts import MAIN_TABLE, OURS, Facts

PATIENCE_S = 5.0
"""A manager that sets an interface up anew takes less from one route to the next."""

_Place = tuple[str, IPv4Interface]


class LostRoutes:
    """By interface and address, what had a way out by a router. Who takes the address away, too, knows why."""

    def __init__(self) -> None:
        self._routed: set[_Place] = set()
        self._missing: dict[_Place, float] = {}
        """Since when."""
        self._seen: tuple[object, ...] = ()
        """What that follows from, as it was last."""

    def update(self, facts: Facts, now_s: float) -> Mapping[str, bool]:
        """The interfaces whose route is missing, and whether it has been for a while."""
        seen = (facts.routes, facts.addresses, facts.links)
        if not self._missing and seen == self._seen:
            return {}  # asked many times a pass, and they are the same objects
        self._seen = seen
        routed = {
            route.interface
            for route in facts.routes
            if route.table == MAIN_TABLE
            and route.gateway is not None
            and route.destination.version == 4
            and route.is_default
        }
        places = {
            (address.interface, address.address)
            for address in facts.addresses
            if isinstance(address.address, IPv4Interface)
            and address.protocol != OURS
            and facts.has_carrier(address.interface)
        }
        self._routed = {place for place in places if place[0] in routed or place in self._routed}
        missing = {place for place in self._routed if place[0] not in routed}
        self._missing = {place: self._missing.get(place, now_s) for place in missing}
        return {place[0]: now_s - since >= PATIENCE_S for place, since in self._missing.items()}
