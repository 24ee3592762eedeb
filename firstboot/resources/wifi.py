"""The wireless uplink: joined to one of the networks of appliance.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance, Wifi, WifiNetwork
from firstboot.actions import Action, ActivateProfile, ReloadNetworkManager, SeekNetworks
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered.networkmanager import profile_name, profile_uuid
from firstboot.wireless import Access, Device, Heard, Joining, Reason

NAMES_SHOWN = 8

_NO_ADDRESS = (Reason.IP_CONFIG_UNAVAILABLE, Reason.DHCP_START_FAILED, Reason.DHCP_ERROR, Reason.DHCP_FAILED)
_NOT_LET_IN = (Reason.SUPPLICANT_DISCONNECT, Reason.SUPPLICANT_FAILED, Reason.SUPPLICANT_TIMEOUT)


@dataclass(frozen=True)
class Network:
    """A wireless network of appliance.yaml as NetworkManager knows it: the name and the id of our profile."""

    ssid: str
    hidden: bool
    access: Access
    profile: str
    uuid: str


@dataclass(frozen=True)
class Membership:
    """Whether an interface is joined to one of our networks, and all that says why not."""

    interface: str
    joined: bool = True
    networks: tuple[Network, ...] = field(default=(), compare=False, repr=False)
    joining: Joining | None = field(default=None, compare=False, repr=False)
    in_range: tuple[Heard, ...] = field(default=(), compare=False, repr=False)
    """The networks that announce themselves; not looked for while one of ours is joined."""

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class WirelessUplink(Kind[Membership]):
    """Which network is joined, and when, is NetworkManager's to decide, by our priorities.

    It gives up where nobody is there to be asked for another passphrase, or when somebody disconnected it: then
    it is made to begin again.
    """

    name = "wifi"
    title = "the Wi-Fi network"
    needs = ("files",)
    setting = "uplink.wifi"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Membership]:
        """Joined; an interface that is not there is the uplink's to tell."""
        uplink = appliance.uplink
        if uplink is None or uplink.wifi is None or uplink.interface not in facts.links:
            return ()
        return (Membership(uplink.interface, networks=tuple(_networks(appliance, uplink.wifi))),)

    def observe(self, machine: Machine, wanted: Sequence[Membership]) -> Sequence[Membership]:
        """What NetworkManager says; connected by a profile that is not ours, or not any more, is not joined."""
        found = []
        for want in wanted:
            joining = machine.joining(want.interface)
            joined = joining.joined and _by_name(want, joining.profile) is not None
            in_range = () if joined else tuple(machine.in_range(want.interface))
            found.append(Membership(want.interface, joined, joining=joining, in_range=in_range))
        return found

    def actions(self, change: Change[Membership]) -> Sequence[Action]:
        """Wait for what is under way; else make it read our profiles, and try."""
        want, have = change.want, change.have
        if want is None or have is None or have.joining is None or have.joining.state <= Device.UNAVAILABLE:
            return []
        joining = have.joining
        if joining.seeking or (joining.trying and _by_name(want, joining.profile) is not None):
            return []
        reachable = _reachable(want, have)
        if (joining.joined or joining.trying or joining.reason == Reason.USER_REQUESTED) and reachable:
            return [ReloadNetworkManager(), ActivateProfile(reachable[0].uuid, want.interface)]
        return [ReloadNetworkManager(), SeekNetworks(want.interface)]

    def explain(self, change: Change[Membership]) -> ApplianceError | None:
        """What the person could do."""
        want, have = change.want, change.have
        if want is None or have is None or have.joining is None:
            return None
        joining = have.joining
        if joining.state <= Device.UNAVAILABLE:
            hint = "is its radio on? `nmcli device` says more"
            return TemporaryError(f"NetworkManager cannot use {want.interface} yet", hint=hint)
        tried = _by_name(want, joining.profile)
        if tried is not None and joining.trying and joining.reason == Reason.NONE:
            return TemporaryError(f"joining {tried.ssid}")
        if tried is not None and (joining.trying or tried.hidden or _heard(have, tried) is not None):
            return _failed(tried, joining.reason)
        return _not_tried(want, have)


def joined_network(appliance: Appliance, machine: Machine) -> str:
    """The name of the network of ours that is joined; "" for none."""
    with suppress(TemporaryError):
        for want in WirelessUplink().desired(appliance, machine.facts()):
            joining = machine.joining(want.interface)
            network = _by_name(want, joining.profile)
            return network.ssid if network is not None and joining.joined else ""
    return ""


def _networks(appliance: Appliance, wifi: Wifi) -> Sequence[Network]:
    return [_network(appliance, network) for network in wifi.networks]


def _network(appliance: Appliance, network: WifiNetwork) -> Network:
    access = Access.WPA2 if network.passphrase else Access.OPEN
    return Network(network.ssid, network.hidden, access, profile_name(appliance, network), profile_uuid(network))


def _by_name(want: Membership, profile: str) -> Network | None:
    return next((network for network in want.networks if network.profile == profile), None)


def _reachable(want: Membership, have: Membership) -> Sequence[Network]:
    """Those in range, in the order of appliance.yaml; a hidden one may always be."""
    return [
        network
        for network in want.networks
        if network.hidden or ((heard := _heard(have, network)) is not None and network.access in heard.access)
    ]


def _heard(have: Membership, network: Network) -> Heard | None:
    return next((one for one in have.in_range if one.ssid == network.ssid), None)


def _not_tried(want: Membership, have: Membership) -> ApplianceError:
    """Why NetworkManager tries none of our networks."""
    announced = [(network, heard) for network in want.networks if (heard := _heard(have, network)) is not None]
    if not announced:
        return _nothing_in_range(want, have)
    if not any(network.access in heard.access for network, heard in announced):
        return _other_access(*announced[0])
    return TemporaryError("joining a network")


def _nothing_in_range(want: Membership, have: Membership) -> ApplianceError:
    names = ", ".join(network.ssid for network in want.networks)
    # What strangers call their networks may hold anything.
    seen = ", ".join(_printable(one.ssid) for one in have.in_range[:NAMES_SHOWN]) or "none"
    hint = f"in range: {seen}; capital letters matter, and a Pi Zero's radio knows only 2.4 GHz"
    return TemporaryError(f"no network called {names} is in range", hint=hint)


def _other_access(network: Network, heard: Heard) -> ApplianceError:
    """NetworkManager does not try a network that wants something else than the profile has."""
    if network.access is Access.OPEN:
        hint = "give uplink.wifi.passphrase in place of open"
        return TemporaryError(f"{network.ssid} is not open: it wants {min(heard.access)}", hint=hint)
    if heard.access == {Access.OPEN}:
        hint = "is it the right one? `open: true` in place of the passphrase joins it all the same"
        return TemporaryError(f"{network.ssid} is open: it knows no passphrase", hint=hint)
    hint = "let its router do WPA2 as well (WPA2/WPA3)"
    return TemporaryError(f"{network.ssid} wants {min(heard.access)}, which is not in this version", hint=hint)


def _printable(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)


def _failed(network: Network, reason: int) -> ApplianceError:
    """Why the last attempt failed, as far as NetworkManager knows."""
    if reason == Reason.NO_SECRETS:
        return TemporaryError(f"{network.ssid} does not accept the passphrase", hint="capital letters matter")
    if reason in _NOT_LET_IN:
        hint = "is the passphrase right, and the router near enough?"
        return TemporaryError(f"{network.ssid} does not let the Pi in", hint=hint)
    if reason in _NO_ADDRESS:
        hint = "does its router give out addresses (DHCP)?"
        return TemporaryError(f"{network.ssid} is joined, but gives no address", hint=hint)
    if reason == Reason.SSID_NOT_FOUND:
        return TemporaryError(f"{network.ssid} does not answer", hint="is its name right, and the router near enough?")
    return TemporaryError(f"joining {network.ssid} failed", hint="journalctl --unit=NetworkManager says more")
