"""Who looks after the uplink's interface: NetworkManager by our profile, or we."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import TemporaryError
from appliance.model import Appliance, Uplink
from firstboot.actions import Action, ActivateProfile, ReloadNetworkManager
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.managers.ifupdown import stanzas
from firstboot.plan import Change
from firstboot.rendered.networkmanager import PROFILE_UUID, ours, profile_name
from firstboot.topology import is_static


@dataclass(frozen=True)
class Managed:
    """An interface, whether NetworkManager looks after it, and by which profile."""

    interface: str
    managed: bool
    profile: str | None = None

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class ManagedInterfaces(Kind[Managed]):
    """The interfaces that NetworkManager shall and shall not look after.

    It leaves alone what ifupdown has a stanza about, whose DHCP client does as well.
    """

    name = "networkmanager"
    title = "what is left to NetworkManager"
    needs = ("files",)
    setting = "uplink"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Managed]:
        """Ours are left alone; a DHCP uplink is connected by our profile, a wireless one as the kind `wifi` wants."""
        uplink = appliance.uplink
        has_lease = uplink is not None and not is_static(uplink)
        if not facts.networkmanager:
            if has_lease:
                raise TemporaryError("NetworkManager does not run", hint="systemctl status NetworkManager says why")
            return ()
        wanted = [Managed(name, managed=False) for name in ours(appliance) if name in facts.links]
        if uplink is not None and has_lease and uplink.interface in facts.links and not _is_ifupdowns(uplink, facts):
            known = uplink.wifi is None and facts.links[uplink.interface].carrier
            wanted.append(Managed(uplink.interface, True, profile_name(appliance) if known else None))
        return tuple(wanted)

    def observe(self, machine: Machine, wanted: Sequence[Managed]) -> Sequence[Managed]:
        """Those of the wanted interfaces that exist."""
        links = machine.facts().links
        return [
            Managed(name, machine.networkmanager_manages(name), machine.active_profile(name))
            for name in (want.interface for want in wanted)
            if name in links
        ]

    def actions(self, change: Change[Managed]) -> Sequence[Action]:
        """Make it read what the daemon wrote; then connect."""
        want = change.want
        if want is None or change.have is None:
            return []
        if not want.managed or want.profile is None:
            return [ReloadNetworkManager()]
        return [ReloadNetworkManager(), ActivateProfile(PROFILE_UUID, want.interface)]


def _is_ifupdowns(uplink: Uplink, facts: Facts) -> bool:
    """A wire that somebody's stanza is about; of a radio it is said that it is in the way (`other-managers`)."""
    return uplink.wifi is None and any(interface == uplink.interface for _, interface, _ in stanzas(facts))
