"""What can be done to the machine, as data. Only `host.Host.execute` carries an action out.

An action says in `str()` what it does, for `plan`, the journal and the status; secrets stay out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import ClassVar

from appliance.he import BrokerTunnel
from appliance.model import Broker
from firstboot.facts import MAIN_TABLE, Address, Carrier, FormerFile, Route
from firstboot.gadget.layout import Layout
from firstboot.sources import EVERYTHING, FIREWALL, NETWORK, Source

REPAIRED = ", repaired: "
"""Between what was done and what somebody else had changed."""


class Action:
    """Something that can be done, by what it is done to: its fields."""

    affects: ClassVar[Source] = EVERYTHING
    """What may be another when one of this sort has been done."""

    @property
    def changes(self) -> Source:
        """What must be looked at again when this one has been done."""
        return self.affects


@dataclass(frozen=True)
class AddTunnel(Action):
    """Make a tunnel's interface (`sit`), up, and marked as ours.

    To `remote`, or (6rd) to those of `customers` that an address of `prefix` belongs to.
    """

    name: str
    local: IPv4Address
    remote: IPv4Address | None
    ttl: int
    mtu: int
    prefix: IPv6Network | None = None
    customers: IPv4Network | None = None

    def __str__(self) -> str:
        return f"make tunnel {self.name} from {self.local} to {self.remote or self.customers}"


@dataclass(frozen=True)
class AddBridge(Action):
    """Make a bridge, marked as ours; it is not up yet."""

    name: str
    mac: str

    def __str__(self) -> str:
        return f"make bridge {self.name}"


@dataclass(frozen=True)
class SetMaster(Action):
    """Make an interface a port of a bridge ("": of none)."""

    name: str
    master: str

    def __str__(self) -> str:
        return f"make {self.name} a port of {self.master or 'no bridge'}"


@dataclass(frozen=True)
class SetMac(Action):
    """Give an interface another MAC address."""

    name: str
    mac: str

    def __str__(self) -> str:
        return f"give {self.name} the address {self.mac}"


@dataclass(frozen=True)
class ShowGadget(Action):
    """Make the USB gadget, anew if it is another one, and show it to the host if it is not shown."""

    layout: Layout = field(hash=False, repr=False)

    def __str__(self) -> str:
        return "show the USB gadget to the host"


@dataclass(frozen=True)
class RemoveGadget(Action):
    """Take the USB gadget away and apart."""

    def __str__(self) -> str:
        return "take the USB gadget away"


@dataclass(frozen=True)
class RemoveLink(Action):
    """Remove an interface that the daemon made."""

    name: str

    def __str__(self) -> str:
        return f"remove interface {self.name}"


@dataclass(frozen=True)
class SetLink(Action):
    """Set an interface up and its MTU (None: leave it)."""

    affects: ClassVar[Source] = NETWORK | Source.SETTINGS

    name: str
    mtu: int | None = None

    def __str__(self) -> str:
        return f"set interface {self.name} up" + (f" with MTU {self.mtu}" if self.mtu else "")


@dataclass(frozen=True)
class BounceLinks(Action):
    """Take interfaces down and up again: hosts at their other ends notice, and ask DHCP anew.

    `addresses` are those that the interfaces lose by that. They have them back when they come up, so that what is asked
    over IPv6 at once finds us, and nobody who misses a link-local address there (dhcpcd) makes one up.
    """

    names: tuple[str, ...]
    addresses: tuple[Address, ...] = ()

    def __str__(self) -> str:
        return f"have the hosts on {', '.join(self.names)} ask for their addresses again"


@dataclass(frozen=True)
class ReplugGadget(Action):
    """Do something while the USB gadget is not shown to the host: it forgets at once whatever it was told."""

    meanwhile: tuple[Action, ...]

    def __str__(self) -> str:
        return "; ".join(["take the USB gadget from the host", *map(str, self.meanwhile), "show it again"])


@dataclass(frozen=True)
class RetractIPv6(Action):
    """Tell the hosts on an interface for how long we are their IPv6 router (0: not any more), and what is gone.

    `dns_server`: no DNS server any more; `prefixes`: no addresses of those any more, but of those of `preferred`.
    """

    interface: str
    router_lifetime_s: int = 0
    dns_server: IPv6Address | None = None
    prefixes: tuple[IPv6Network, ...] = ()
    preferred: tuple[IPv6Network, ...] = ()

    def __str__(self) -> str:
        gone = [] if self.router_lifetime_s else ["the IPv6 default route"]
        given = f", and prefer {', '.join(map(str, self.preferred))}" if self.preferred else ""
        return f"withdraw {', '.join([*gone, *map(str, self.prefixes)])}{given} on {self.interface}"


@dataclass(frozen=True)
class AddAddress(Action):
    """Put an address on an interface, marked as ours; `replaces`: where it is already, it becomes as is wanted."""

    affects: ClassVar[Source] = Source.ADDRESSES | Source.ROUTES

    address: Address
    replaces: bool = False

    def __str__(self) -> str:
        if self.replaces:
            how = "deprecated" if self.address.deprecated else "preferred"
            return f"have address {self.address.address} on {self.address.interface} {how}"
        return f"add address {self.address.address} to {self.address.interface}"


@dataclass(frozen=True)
class RemoveAddress(Action):
    """Take an address off an interface."""

    affects: ClassVar[Source] = Source.ADDRESSES | Source.ROUTES

    address: Address

    def __str__(self) -> str:
        return f"remove address {self.address.address} from {self.address.interface}"


@dataclass(frozen=True)
class SetRoute(Action):
    """Add a route, marked as ours; `replaces`: in place of the one of that destination and metric, which is ours."""

    affects: ClassVar[Source] = Source.ROUTES

    route: Route
    replaces: bool = False

    def __str__(self) -> str:
        via = f" via {self.route.gateway}" if self.route.gateway else ""
        return f"set route {_whither(self.route)}{via}{_where(self.route)}"


@dataclass(frozen=True)
class RemoveRoute(Action):
    """Remove a route that is ours."""

    affects: ClassVar[Source] = Source.ROUTES

    route: Route

    def __str__(self) -> str:
        return f"remove route {_whither(self.route)}{_where(self.route)}"


@dataclass(frozen=True)
class SetSysctl(Action):
    """Write one kernel setting, named with slashes (`net/ipv6/conf/all/forwarding`).

    `before`: what it is to be again once nobody wants this value any more; it is remembered first (None: it is not).
    `index`: that of the interface which it is about.
    """

    affects: ClassVar[Source] = Source.SETTINGS  # of addresses that come and go with it, the kernel tells

    name: str
    value: str
    before: str | None = field(default=None, repr=False)
    index: int = field(default=0, repr=False)

    def __str__(self) -> str:
        return f"set {self.name} to {self.value}"


@dataclass(frozen=True)
class PutBackSysctl(Action):
    """Make a kernel setting what it was before it was changed (None: leave it as it is), and forget what it was."""

    affects: ClassVar[Source] = Source.SETTINGS

    name: str
    value: str | None

    def __str__(self) -> str:
        if self.value is None:
            return f"leave {self.name} as it is"
        return f"put {self.name} back to {self.value}"


@dataclass(frozen=True)
class WriteFile(Action):
    """Replace a file as a whole: it has either the old content or the new, also after a power cut.

    `mode` None: it is somebody else's. Mode and owner stay, and what it is a link to is replaced. `drift`: what was
    wrong in it, where that may be told. `purpose`: what is done by that, where the path does not say it.
    """

    path: Path
    content: bytes = field(repr=False)
    mode: int | None
    drift: str = ""
    purpose: str = ""

    def __str__(self) -> str:
        return _because(self.purpose or f"write {self.path}", self.drift)


@dataclass(frozen=True)
class RemoveFile(Action):
    """Remove a file that the daemon wrote."""

    path: Path

    def __str__(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True)
class PutBackFile(Action):
    """Make a file of somebody else's what it was before the daemon wrote it for the first time."""

    former: FormerFile = field(repr=False)

    def __str__(self) -> str:
        return f"put {self.former.path} back as it was"


@dataclass(frozen=True)
class ForgetFormerFiles(Action):
    """Nothing is to be put back any more."""

    affects: ClassVar[Source] = Source.SURROUNDINGS

    def __str__(self) -> str:
        return "forget what the machine's files were"


@dataclass(frozen=True)
class SetHostname(Action):
    """Give the machine its name: in the kernel, in /etc/hostname and in /etc/hosts."""

    name: str

    def __str__(self) -> str:
        return f"set the host name to {self.name}"


@dataclass(frozen=True)
class ShutFirewall(Action):
    """Have dropped what no rule of a family (4 or 6) decides; the rules stay as they are. `drift`: what was wrong."""

    family: int
    drift: str = ""

    @property
    def changes(self) -> Source:
        """The other family's rules stay as they are."""
        return FIREWALL[self.family]

    def __str__(self) -> str:
        return _because(f"shut the firewall for IPv{self.family}", self.drift)


@dataclass(frozen=True)
class LoadRules(Action):
    """Load one family's rules (4 or 6) into the kernel, without a moment in which the machine is open.

    `drift`: what somebody else had changed; "": nothing that is known.
    """

    family: int
    text: str = field(repr=False)
    drift: str = ""

    @property
    def changes(self) -> Source:
        """The other family's rules stay as they are."""
        return FIREWALL[self.family]

    def __str__(self) -> str:
        return _because(f"load the firewall's IPv{self.family} rules", self.drift)


@dataclass(frozen=True)
class OpenFirewall(Action):
    """Remove ufw's rules and ours of one family (4 or 6); what no rule decides is accepted, as if there was no ufw."""

    family: int

    @property
    def changes(self) -> Source:
        """The other family's rules stay as they are."""
        return FIREWALL[self.family]

    def __str__(self) -> str:
        return f"remove the firewall's IPv{self.family} rules"


@dataclass(frozen=True)
class RestartUnit(Action):
    """Start a systemd unit, or restart it if it runs, and wait for the outcome."""

    name: str

    def __str__(self) -> str:
        return f"(re)start {self.name}"


@dataclass(frozen=True)
class StopUnit(Action):
    """Stop a systemd unit and wait for the outcome."""

    name: str

    def __str__(self) -> str:
        return f"stop {self.name}"


@dataclass(frozen=True)
class ReloadNetworkManager(Action):
    """Make NetworkManager read its configuration and its profiles again."""

    def __str__(self) -> str:
        return "make NetworkManager read its configuration again"


@dataclass(frozen=True)
class ActivateProfile(Action):
    """Make NetworkManager connect an interface by the profile that the daemon wrote."""

    uuid: str
    interface: str

    def __str__(self) -> str:
        return f"connect {self.interface} by the appliance's profile"


@dataclass(frozen=True)
class SeekNetworks(Action):
    """Make NetworkManager look for wireless networks now, and try again those that it had given up."""

    interface: str

    def __str__(self) -> str:
        return f"look for wireless networks with {self.interface}"


@dataclass(frozen=True)
class UnblockRadio(Action):
    """Undo that software has switched a wireless interface's radio off (rfkill)."""

    interface: str

    def __str__(self) -> str:
        return f"unblock the radio of {self.interface}"


@dataclass(frozen=True)
class EnableWireless(Action):
    """Turn NetworkManager's Wi-Fi switch on, now and for the next boots."""

    def __str__(self) -> str:
        return "turn Wi-Fi on in NetworkManager"


@dataclass(frozen=True)
class SetCountry(Action):
    """Tell the kernel in which country its radios are (ISO 3166, two letters)."""

    country: str

    def __str__(self) -> str:
        return f"tell the kernel that its radios are in {self.country}"


@dataclass(frozen=True)
class ReactSoon(Action):
    """Restart a unit, or run a command, once the interfaces that a policy means have settled.

    `members`: those that there are now. Times are in seconds.
    """

    affects: ClassVar[Source] = Source.REACTIONS

    policy: str
    members: tuple[str, ...]
    settle_s: int
    at_most_every_s: int
    restart: str | None
    run: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.policy}: soon, for {', '.join(self.members) or 'none'}"


@dataclass(frozen=True)
class NoteMembers(Action):
    """Take note of the interfaces that a policy means: nothing is to be done for these."""

    affects: ClassVar[Source] = Source.REACTIONS

    policy: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.policy}: not for {', '.join(self.members) or 'none'}, but for other ones"


@dataclass(frozen=True)
class ForgetReaction(Action):
    """Do nothing any more when the interfaces that a policy means are others."""

    affects: ClassVar[Source] = Source.REACTIONS

    policy: str

    def __str__(self) -> str:
        return f"{self.policy}: not any more"


@dataclass(frozen=True)
class TellBroker(Action):
    """Begin to tell the tunnel broker of our address: by `local`, our own one. The answer comes later.

    `rank`: the tunnel's, the preferred one's being 0.
    """

    affects: ClassVar[Source] = Source.BROKER

    broker: Broker = field(repr=False)
    local: IPv4Address
    rank: int = 0

    def __str__(self) -> str:
        return f"tell the broker of tunnel {self.broker.tunnel}, from {self.local}"


@dataclass(frozen=True)
class AskBroker(Action):
    """Begin to ask the tunnel broker what the tunnel is, from `local`, our own address. The answer comes later.

    `rank`: the tunnel's, as above.
    """

    affects: ClassVar[Source] = Source.BROKER

    broker: Broker = field(repr=False)
    local: IPv4Address
    rank: int = 0

    def __str__(self) -> str:
        return f"ask the broker what tunnel {self.broker.tunnel} is, from {self.local}"


@dataclass(frozen=True)
class TakeOver(Action):
    """Use the tunnel of that rank as the broker has it, in place of `before`."""

    affects: ClassVar[Source] = Source.BROKER

    tunnel: BrokerTunnel
    before: BrokerTunnel | None
    rank: int = 0

    def __str__(self) -> str:
        values = {field.name: getattr(self.tunnel, field.name) for field in fields(self.tunnel)}
        new = {name: value for name, value in values.items() if value != getattr(self.before, name, None)}
        told = ", ".join(f"{name} {value if value is not None else 'none'}" for name, value in new.items())
        return f"take over what the broker {'now ' if self.before is not None else ''}gives: {told}"


@dataclass(frozen=True)
class NoteInterruption(Action):
    """Remember that the uplink was away: behind NAT, the public address may be another one when it is back."""

    affects: ClassVar[Source] = Source.BROKER

    rank: int = 0

    def __str__(self) -> str:
        return "remember that the broker may have an address that is not ours any more"


def _whither(route: Route) -> str:
    return f"{route.destination}" if route.source is None else f"{route.destination} from {route.source}"


def _where(route: Route) -> str:
    table = "" if route.table == MAIN_TABLE else f" in table {route.table}"
    return (f" on {route.interface}" if route.interface else " to nowhere") + table


@dataclass(frozen=True)
class ReloadNetworkd(Action):
    """Have systemd-networkd read its files again."""

    def __str__(self) -> str:
        return "have systemd-networkd read its files again"


@dataclass(frozen=True)
class ReconfigureLink(Action):
    """Have systemd-networkd set a link up by its files."""

    name: str

    def __str__(self) -> str:
        return f"have systemd-networkd set up {self.name} anew"


@dataclass(frozen=True)
class GenerateNetplan(Action):
    """Have netplan write, from its files, those that systemd-networkd reads."""

    def __str__(self) -> str:
        return "have netplan write what its files say for systemd-networkd"


@dataclass(frozen=True)
class RememberCarrying(Action):
    """Remember which interface carries a network: it may lose it."""

    affects: ClassVar[Source] = Source.SURROUNDINGS

    network: str
    carrier: Carrier

    def __str__(self) -> str:
        return f"remember that {self.carrier.interface} carries {self.network}"


def _because(deed: str, drift: str) -> str:
    return f"{deed}{REPAIRED}{drift}" if drift else deed
