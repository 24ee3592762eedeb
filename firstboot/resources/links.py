"""Network interfaces that are ours are up and have the right MTU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.model import Appliance
from firstboot.actions import Action, SetLink
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import is_static


@dataclass(frozen=True)
class LinkUp:
    """An interface that is up. `mtu` in bytes."""

    interface: str
    mtu: int | None
    up: bool = True

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class Links(Kind[LinkUp]):
    """Interfaces that are up."""

    name = "links"
    title = "network interfaces"
    setting = "uplink"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[LinkUp]:
        """A static uplink and the LAN's interface; with DHCP or Wi-Fi, the uplink is NetworkManager's."""
        wanted: dict[str, LinkUp] = {}
        if appliance.lan is not None:
            wanted = {lan.interface: LinkUp(lan.interface, mtu=None) for lan in appliance.lan.networks}
        if appliance.uplink is not None:
            wanted.pop(appliance.uplink.interface, None)
            if is_static(appliance.uplink):
                wanted[appliance.uplink.interface] = LinkUp(appliance.uplink.interface, appliance.uplink.mtu)
        return tuple(wanted.values())

    def observe(self, machine: Machine, wanted: Sequence[LinkUp]) -> Sequence[LinkUp]:
        """Those of the wanted interfaces that exist."""
        links = machine.facts().links
        return [
            LinkUp(name, links[name].mtu, links[name].up) for name in (w.interface for w in wanted) if name in links
        ]

    def actions(self, change: Change[LinkUp]) -> Sequence[Action]:
        """Set it up; of one that is missing, the attempt says so."""
        return [SetLink(change.want.interface, change.want.mtu)] if change.want else []
