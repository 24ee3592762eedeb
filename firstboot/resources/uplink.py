"""Whether there is a way to the Internet at all: what only a person can put right, said first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Machine
from firstboot.plan import Change
from firstboot.resources.links import LinkUp


class Uplink:
    """The uplink's interface and its cable. There is nothing that the daemon could do about them."""

    name = "uplink"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[LinkUp]:
        """Nothing; `TemporaryError` while the interface or its signal is missing."""
        if appliance.uplink is None:
            return ()
        interface = appliance.uplink.interface
        link = facts.links.get(interface)
        if link is None:
            _missing(interface, facts)
        if link.up and not link.carrier:
            raise TemporaryError(f"no signal on {interface}", hint="is the cable in, and the router on?")
        return ()

    def observe(self, machine: Machine, wanted: Sequence[LinkUp]) -> Sequence[LinkUp]:
        """Nothing."""
        return ()

    def actions(self, change: Change[LinkUp]) -> Sequence[Action]:
        """Nothing."""
        return ()


def _missing(interface: str, facts: Facts) -> NoReturn:
    others = ", ".join(sorted(name for name, link in facts.links.items() if not link.kind and name != "lo"))
    raise TemporaryError(
        f"there is no interface {interface}", hint=f"there are: {others or 'none'}; is the adapter plugged in?"
    )
