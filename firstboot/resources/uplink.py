"""The way to the Internet, as far as only a person can put it right: the interface, and its cable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change


@dataclass(frozen=True)
class Wire:
    """An interface, whether it is there, and whether it has a signal (None: not set up yet)."""

    interface: str
    present: bool = True
    signal: bool | None = True
    others: str | None = None
    """The interfaces that there are, for the hint."""

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class Uplink(Kind[Wire]):
    """The uplink's interface and its cable."""

    name = "uplink"
    title = "the interface to the router"
    setting = "uplink.interface"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Wire]:
        """It is there, and has a signal; a wireless one's is the kind `wifi`'s to explain."""
        uplink = appliance.uplink
        return (Wire(uplink.interface, signal=True if uplink.wifi is None else None),) if uplink is not None else ()

    def observe(self, machine: Machine, wanted: Sequence[Wire]) -> Sequence[Wire]:
        """The interface as it is."""
        links = machine.facts().links
        others = ", ".join(sorted(name for name, link in links.items() if not link.kind and name != "lo"))
        found = []
        for name in (want.interface for want in wanted):
            link = links.get(name)
            found.append(Wire(name, link is not None, link.carrier if link and link.up else link is not None, others))
        return found

    def actions(self, change: Change[Wire]) -> Sequence[Action]:
        """Nothing that the daemon could do."""
        return []

    def explain(self, change: Change[Wire]) -> ApplianceError | None:
        """What the person could do."""
        have = change.have
        if have is None:
            return None
        if not have.present:
            hint = f"there are: {have.others or 'none'}; is the adapter plugged in?{_about_radios(have.interface)}"
            return TemporaryError(f"there is no interface {have.interface}", hint=hint)
        return TemporaryError(f"no signal on {have.interface}", hint="is the cable in, and the router on?")


def _about_radios(interface: str) -> str:
    """Debian has no firmware for some (a Zero 2 W's BCM43436), and their interface never comes."""
    built_in = " A Pi's own radio may need Raspberry Pi OS as the image's base (`--base`)"
    return built_in if interface.startswith("wl") else ""
