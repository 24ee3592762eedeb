"""Who looks after the cable: we, or where the laptop shares its Internet, NetworkManager by a profile of ours."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance
from firstboot.actions import Action, ActivateProfile, ReloadNetworkManager
from firstboot.cable import segments
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered.cable import client_interfaces, profile_name, profile_uuid
from firstboot.resources.managed import Managed


class CableClient(Kind[Managed]):
    """Whether NetworkManager looks after the cable."""

    name = "cable-client"
    needs = ("files", "firewall")
    setting = "gadget.share"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Managed]:
        """It leaves the cable's interfaces alone, but those on which the laptop is the server."""
        if not facts.networkmanager:
            return ()
        clients = client_interfaces(appliance, facts)
        return [
            Managed(name, name in clients, _profile(name, facts) if name in clients else None)
            for name in (segment.interface for segment in segments(appliance, facts))
            if name in facts.links
        ]

    def observe(self, machine: Machine, wanted: Sequence[Managed]) -> Sequence[Managed]:
        """The wanted interfaces as they are."""
        names = [want.interface for want in wanted]
        return [Managed(name, machine.networkmanager_manages(name), machine.active_profile(name)) for name in names]

    def actions(self, change: Change[Managed]) -> Sequence[Action]:
        """Make it read what the daemon wrote; then connect."""
        want = change.want
        if want is None:
            return []
        connect = [ActivateProfile(profile_uuid(want.interface), want.interface)] if want.managed else []
        return [ReloadNetworkManager(), *connect]


def _profile(interface: str, facts: Facts) -> str | None:
    """Nothing can be connected while nobody is at the other end."""
    return profile_name(interface) if facts.has_carrier(interface) else None
