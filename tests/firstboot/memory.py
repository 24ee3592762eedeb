"""A machine in memory that refuses what Linux, systemd and NetworkManager would refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import singledispatchmethod
from ipaddress import IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from appliance.errors import TemporaryError
from appliance.he import BrokerTunnel
from firstboot import actions
from firstboot.broker.answers import Answer, Word
from firstboot.broker.description import Description, KnownDescription
from firstboot.broker.memory import KnownRecord, Memory, digest
from firstboot.facts import (
    OURS,
    Address,
    Carrier,
    ChangedSetting,
    Facts,
    FormerFile,
    Gateway,
    Link,
    Route,
    Rule,
    route_key,
)
from firstboot.former_files import HOSTNAME, HOSTS, TAKEN
from firstboot.gadget.configfs import NETWORK, normal
from firstboot.gadget.layout import Layout
from firstboot.health.diagnosis import HEALTHY, Health
from firstboot.kind import FileState, Gadget, Reaction
from firstboot.managers import ifupdown
from firstboot.paths import ETC
from firstboot.policy.rules import FAMILIES
from firstboot.rendered import dhcpcd, ipv4_only, lighttpd
from firstboot.rendered.dnsmasq import CONFIG, IN_FORCE, LOADED
from firstboot.rendered.networkmanager import CONFIG as NM_CONFIG
from firstboot.rendered.networkmanager import PROFILES
from firstboot.rendered.ufw import other_paths
from firstboot.resources.dhcpcd import DHCPCD
from firstboot.resources.hostname import hosts_with
from firstboot.resources.status_page import LIGHTTPD
from firstboot.resources.units import DNSMASQ, IPV4_ONLY
from firstboot.rulesets import CLOSING, Known, Ruleset, compared, known, parse, restoring
from firstboot.sources import EVERYTHING, Source
from firstboot.tunnels.told import Told
from firstboot.wireless import Heard, Joining, Radio
from tests.firstboot.air import Air


class MemoryMachine:
    """Starts as a freshly booted Pi: one wire, NetworkManager in charge, the firewall not loaded."""

    def __init__(self, *interfaces: str, networkmanager: bool = True) -> None:
        self.links = {name: Link(name, carrier=True) for name in interfaces or ("eth0",)}
        self.addresses: list[Address] = []
        self.link_local: dict[str, tuple[IPv6Address, ...]] = {}
        self.routes: list[Route] = []
        self.files: dict[Path, FileState] = {}
        self.sysctls = {"net/ipv4/ip_forward": "0", "net/ipv6/conf/all/forwarding": "0"}
        self.changed_settings: dict[str, ChangedSetting] = {}
        self.is_its_owners = False
        self.former_files: dict[Path, FormerFile] = {}
        self.kernel_name = "raspberrypi"
        self.kernel_rules: dict[int, str] = {}
        self.legacy: dict[int, tuple[str, ...]] = {}
        self.known_rules: dict[int, Known] = {}
        self.active_units: set[str] = set()
        self.networkmanager = networkmanager
        self.nm_config = ""
        self.profiles: dict[str, str] = {}
        self.air = Air()
        self.six_rd: Told | None = None
        self.health = Health(carries=True, diagnosis=HEALTHY)
        self.fallback_health = self.health
        self.neighbours: dict[tuple[str, Gateway], bool] = {}
        self.serial = "10000000a1b2c3d4"
        self.device_controllers: list[str] = []
        self.tree: Layout | None = None
        self.bound_to = ""
        self.rules_of_tables: list[Rule] = []
        self.reacted: dict[str, Reaction] = {}
        self.managers: tuple[str, ...] = ()
        self.carrying: dict[str, Carrier] = {}
        self.lost_routes: dict[str, bool] = {}
        self.hosts: dict[str, tuple[Gateway, ...]] = {}
        self.broker_tunnel: BrokerTunnel | None = None
        self.described = KnownDescription(Description(), 0.0)
        self.describes: BrokerTunnel | None = None
        """What the broker says at once; None: it does not answer yet."""
        self.entry = KnownRecord(Memory(), 0.0)
        self.looks = 0
        self.log: list[actions.Action] = []

    def facts(self) -> Facts:
        return Facts(
            links=dict(self.links),
            addresses=tuple(self.addresses),
            link_local=dict(self.link_local),
            routes=tuple(self.routes),
            rules=tuple(self.rules_of_tables),
            healths=(self.health, self.fallback_health),
            broker_tunnels=(self.broker_tunnel,),
            six_rd=self.six_rd,
            networkmanager=self.networkmanager,
            serial=self.serial,
            gadget_ports=self.gadget_ports(),
            neighbours=dict(self.neighbours),
            managers=self.managers,
            interfaces_files=ifupdown.of_others(self),
            carrying=dict(self.carrying),
            changed_settings=tuple(self.changed_settings.values()),
            lost_routes=dict(self.lost_routes),
            former_files=tuple(self.former_files.values()),
            hosts=dict(self.hosts),
            other_rules={family: self._text(other_paths(family)) for family in FAMILIES},
        )

    def _text(self, paths: Iterable[Path]) -> str:
        return "".join(self.files[path].content.decode() for path in paths if path in self.files)

    def gadget_ports(self) -> dict[str, str]:
        """The kernel names them in the order of binding, configuration by configuration."""
        bound = [target for path, target in (self.tree.links if self.tree else ()) if path.startswith("configs/")]
        functions = [target.split("/")[1].split(".")[0] for target in bound]
        named = {name: f"usb{number}" for number, name in enumerate(f for f in functions if f in NETWORK)}
        return {name: named[name] for name in NETWORK if name in named}

    def counts(self, family: int) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """As if every rule had been asked about seven packets."""
        found = parse(self.kernel_rules.get(family, "")).counts
        return {place: number * [(7, 700)] for place, number in found.items()}

    def legacy_tables(self, family: int) -> tuple[str, ...]:
        return self.legacy.get(family, ())

    def gadget(self, paths: Collection[str]) -> Gadget | None:
        if self.tree is None:
            return None
        files = {path: normal(value) for path, value in self.tree.files.items() if path in paths}
        return Gadget(files, self.tree.links, self.bound_to)

    def controllers(self) -> Sequence[str]:
        return self.device_controllers

    def sysctl(self, name: str) -> str | None:
        if name in self.sysctls:
            return self.sysctls[name]
        parts = name.split("/")
        if parts[-1] == "addr_gen_mode" and parts[3] in self.links:
            return "0"
        return "1" if parts[:3] == ["net", "ipv6", "conf"] and parts[3] in self.links else None

    def read(self, path: Path) -> FileState | None:
        return self.files.get(path)

    def glob(self, pattern: Path) -> list[Path]:
        return sorted(path for path in self.files if path.match(str(pattern)))

    def hostname(self) -> str:
        return self.kernel_name

    def rules(self, family: int) -> Ruleset:
        return compared(parse(self.kernel_rules.get(family, "")), self.known_rules.get(family))

    def unit_is_active(self, name: str) -> bool:
        return name in self.active_units

    def networkmanager_manages(self, interface: str) -> bool:
        unmanaged = [line for line in self.nm_config.splitlines() if line.startswith("unmanaged-devices+=")]
        return not any(f"interface-name:{interface};" in line for line in unmanaged[-1:])  # of a key, the last counts

    def active_profile(self, interface: str) -> str:
        return self.profiles.get(interface, "")

    def radio(self, interface: str) -> Radio:
        self._link(interface)
        return self.air.radio

    def joining(self, interface: str) -> Joining:
        self._link(interface)
        return self.air.joining

    def in_range(self, interface: str) -> Sequence[Heard]:
        self._link(interface)
        return self.air.in_range()

    def reactions(self) -> dict[str, Reaction]:
        return dict(self.reacted)

    def broker(self, rank: int) -> KnownRecord:
        return self.entry

    def description(self, rank: int) -> KnownDescription:
        return replace(self.described, memory=replace(self.described.memory, said=self.broker_tunnel))

    def look(self, changed: Source = EVERYTHING) -> None:
        self.looks += 1

    def _link(self, name: str) -> Link:
        if name not in self.links:
            raise TemporaryError(f"there is no interface {name}")
        return self.links[name]

    @singledispatchmethod
    def execute(self, action: actions.Action) -> None:
        raise AssertionError(f"unknown action {action}")

    @execute.register
    def _(self, action: actions.AddTunnel) -> None:
        assert action.name not in self.links, "File exists"
        self.log.append(action)
        self.links[action.name] = Link(
            action.name, "sit", True, True, action.mtu, OURS, "", action.local, action.remote, action.ttl,
            action.prefix or IPv6Network("2002::/16"), action.customers or IPv4Network("0.0.0.0/0"),
        )  # fmt: skip
        if action.remote is None:  # net/ipv6/addrconf.c, sit_add_v4_addrs
            self.addresses.append(Address(action.name, IPv6Interface((int(action.local), 96))))

    @execute.register
    def _(self, action: actions.AddBridge) -> None:
        assert action.name not in self.links, "File exists"
        self.log.append(action)
        self.links[action.name] = Link(action.name, "bridge", group=OURS, mac=action.mac)

    @execute.register
    def _(self, action: actions.SetMaster) -> None:
        link = self._link(action.name)
        if action.master and self._link(action.master).kind != "bridge":
            raise TemporaryError("Operation not supported")
        self.log.append(action)
        self.links[action.name] = replace(link, master=action.master)

    @execute.register
    def _(self, action: actions.SetMac) -> None:
        link = self._link(action.name)
        self.log.append(action)
        self.links[action.name] = replace(link, mac=action.mac)

    @execute.register
    def _(self, action: actions.ShowGadget) -> None:
        if not self.device_controllers:
            raise TemporaryError("there is no USB device controller")
        self.log.append(action)
        if self.tree != action.layout:
            self._forget_gadget()
            self.tree = action.layout
            for function, name in self.gadget_ports().items():
                self.links[name] = Link(name, mac=action.layout.files[f"functions/{function}.usb0/dev_addr"])
        self.bound_to = self.device_controllers[0]

    @execute.register
    def _(self, action: actions.RemoveGadget) -> None:
        self.log.append(action)
        self._forget_gadget()

    def _forget_gadget(self) -> None:
        for name in self.gadget_ports().values():
            self.links.pop(name)
            self.addresses = [a for a in self.addresses if a.interface != name]
            self.link_local.pop(name, None)
        self.tree, self.bound_to = None, ""

    @execute.register
    def _(self, action: actions.RemoveLink) -> None:
        assert self._link(action.name).kind, "hardware cannot be removed"
        self.log.append(action)
        del self.links[action.name]
        self.links = {n: replace(k, master="") if k.master == action.name else k for n, k in self.links.items()}
        self.addresses = [a for a in self.addresses if a.interface != action.name]
        self.link_local.pop(action.name, None)
        self.routes = [r for r in self.routes if r.interface != action.name]
        self.sysctls = {name: value for name, value in self.sysctls.items() if action.name not in name.split("/")}

    @execute.register
    def _(self, action: actions.SetLink) -> None:
        link = self._link(action.name)
        self.log.append(action)
        self.links[action.name] = replace(link, up=True, mtu=action.mtu or link.mtu)

    @execute.register
    def _(self, action: actions.BounceLinks) -> None:
        for name in action.names:
            self.link_local.pop(name, None)
        self.log.append(action)
        gone = [a for a in self.addresses if a.interface in action.names and isinstance(a.address, IPv6Interface)]
        self.addresses = [address for address in self.addresses if address not in gone]
        for address in action.addresses:
            self.execute(actions.AddAddress(address))

    @execute.register
    def _(self, action: actions.ReplugGadget) -> None:
        self.log.append(action)
        for each in action.meanwhile:
            self.execute(each)
        if self.tree is not None:
            self.bound_to = self.device_controllers[0]

    @execute.register
    def _(self, action: actions.RetractIPv6) -> None:
        self._link(action.interface)
        self.log.append(action)

    @execute.register
    def _(self, action: actions.AddAddress) -> None:
        self._link(action.address.interface)
        self.log.append(action)
        if action.address.address.is_link_local and isinstance(action.address.address, IPv6Interface):
            name, own = action.address.interface, IPv6Address(int(action.address.address.ip))
            self.link_local[name] = (*self.link_local.get(name, ()), own)
            return
        same = (action.address.interface, action.address.address)
        others = [a for a in self.addresses if (a.interface, a.address) != same]
        if action.replaces or others == self.addresses:  # what is there already stays as it is
            self.addresses = [*others, replace(action.address, protocol=OURS)]

    @execute.register
    def _(self, action: actions.RemoveAddress) -> None:
        self._link(action.address.interface)
        self.log.append(action)
        same = (action.address.interface, action.address.address)
        self.addresses = [a for a in self.addresses if (a.interface, a.address) != same]

    @execute.register
    def _(self, action: actions.SetRoute) -> None:
        route = action.route
        if route.interface and not self._link(route.interface).up:
            raise TemporaryError("Network is down")
        if route.gateway is not None and not self._reaches(route):
            raise TemporaryError("Nexthop has invalid gateway")
        self.log.append(action)
        others = [other for other in self.routes if _key(other) != _key(route)]
        if not action.replaces and others != self.routes:
            raise TemporaryError("File exists")
        self.routes = [*others, replace(route, protocol=OURS)]

    def _reaches(self, route: Route) -> bool:
        return any(a.interface == route.interface and route.gateway in a.address.network for a in self.addresses)

    @execute.register
    def _(self, action: actions.RemoveRoute) -> None:
        self.log.append(action)
        self.routes.remove(action.route)

    @execute.register
    def _(self, action: actions.SetSysctl) -> None:
        if self.sysctl(action.name) is None:
            raise TemporaryError("No such file or directory")
        self.log.append(action)
        if action.before is not None:
            self._remember(action, action.before)
        self.sysctls[action.name] = action.value

    def _remember(self, action: actions.SetSysctl, before: str) -> None:
        assert before.split() == (self.sysctl(action.name) or "").split(), "it was something else"
        interfaces = [self.links[part].index for part in action.name.split("/") if part in self.links]
        assert interfaces in ([], [action.index]), "it is not about that interface"
        known = self.changed_settings.get(action.name)
        if known is not None and known.index == action.index:
            before = known.before
        self.changed_settings[action.name] = ChangedSetting(action.name, before, action.value, action.index)

    @execute.register
    def _(self, action: actions.PutBackSysctl) -> None:
        assert action.name in self.changed_settings, "nothing is known of it"
        if action.value is not None and self.sysctl(action.name) is None:
            raise TemporaryError("No such file or directory")
        self.log.append(action)
        del self.changed_settings[action.name]
        if action.value is not None:
            self.sysctls[action.name] = action.value

    @execute.register
    def _(self, action: actions.WriteFile) -> None:
        self.log.append(action)
        self._keep(action.path)
        mode = action.mode if action.mode is not None else self.files[action.path].mode
        self.files[action.path] = FileState(action.content, mode)

    def _keep(self, path: Path) -> None:
        if self.is_its_owners and path in TAKEN and path not in self.former_files:
            found = self.files.get(path)
            self.former_files[path] = FormerFile(path, *((found.content, found.mode) if found is not None else ()))

    @execute.register
    def _(self, action: actions.PutBackFile) -> None:
        self.log.append(action)
        former = self.former_files[action.former.path]
        if former.content is not None:
            self.files[former.path] = FileState(former.content, former.mode)
        else:
            del self.files[former.path]

    @execute.register
    def _(self, action: actions.ForgetFormerFiles) -> None:
        self.log.append(action)
        self.former_files.clear()

    @execute.register
    def _(self, action: actions.OpenFirewall) -> None:
        self.log.append(action)
        self.kernel_rules[action.family] = ""

    @execute.register
    def _(self, action: actions.RemoveFile) -> None:
        self.log.append(action)
        del self.files[action.path]

    @execute.register
    def _(self, action: actions.SetHostname) -> None:
        self.log.append(action)
        for path in (HOSTNAME, HOSTS):
            self._keep(path)
        self.kernel_name = action.name
        hosts = self.files.get(ETC / "hosts", FileState(b"127.0.0.1\tlocalhost\n", 0o644))
        text = hosts_with(hosts.content.decode(errors="surrogateescape"), action.name)
        self.files[ETC / "hosts"] = FileState(text.encode(errors="surrogateescape"), 0o644)
        self.files[ETC / "hostname"] = FileState(f"{action.name}\n".encode(), 0o644)

    @execute.register
    def _(self, action: actions.ShutFirewall) -> None:
        self.log.append(action)
        rules, shut = self.kernel_rules.get(action.family, ""), CLOSING.splitlines()[1:-1]
        kept = [line for line in rules.splitlines() if not line.startswith((":INPUT ", ":FORWARD ", ":OUTPUT "))]
        at = kept.index("*filter") + 1 if "*filter" in kept else 0
        self.kernel_rules[action.family] = "\n".join([*kept[:at], *shut, *kept[at:], ""])

    @execute.register
    def _(self, action: actions.LoadRules) -> None:
        self.log.append(action)
        self.kernel_rules[action.family] = restoring(CLOSING + action.text, Ruleset(), action.family)
        self.known_rules[action.family] = known(action.text, parse(self.kernel_rules[action.family]))

    @execute.register
    def _(self, action: actions.RestartUnit) -> None:
        self.log.append(action)
        if action.name == DNSMASQ:
            if IN_FORCE not in self.files:
                self.files[IN_FORCE] = self.files[CONFIG]
            self.files[LOADED] = self.files[IN_FORCE]
        if action.name == IPV4_ONLY:
            self.files[ipv4_only.LOADED] = self.files[ipv4_only.CONFIG]
        if action.name == LIGHTTPD:
            self.files[lighttpd.LOADED] = self.files[lighttpd.CONFIG]
        if action.name == DHCPCD:
            self.files[dhcpcd.LOADED] = self.files[dhcpcd.CONFIG]
        self.active_units.add(action.name)

    @execute.register
    def _(self, action: actions.StopUnit) -> None:
        self.log.append(action)
        self.active_units.discard(action.name)

    @execute.register
    def _(self, action: actions.ReloadNetworkManager) -> None:
        self.log.append(action)
        self.nm_config = self.files[NM_CONFIG].content.decode() if NM_CONFIG in self.files else ""
        self.air.read([self.files[path].content.decode() for path in self.glob(PROFILES / "*.nmconnection")])

    @execute.register
    def _(self, action: actions.ActivateProfile) -> None:
        profile = self.air.profile(action.uuid)
        self.log.append(action)
        if profile["connection"]["type"] == "wifi":
            self.air.activate(profile)
            return
        self.links[action.interface] = replace(self._link(action.interface), up=True)
        self.profiles[action.interface] = profile["connection"]["id"]

    @execute.register
    def _(self, action: actions.SeekNetworks) -> None:
        self._link(action.interface)
        self.log.append(action)
        self.air.seek()

    @execute.register
    def _(self, action: actions.ReactSoon) -> None:
        self.log.append(action)
        self.reacted[action.policy] = replace(self.reacted[action.policy], due=action)

    @execute.register
    def _(self, action: actions.NoteMembers) -> None:
        self.log.append(action)
        self.reacted[action.policy] = Reaction(action.members)

    @execute.register
    def _(self, action: actions.ForgetReaction) -> None:
        self.log.append(action)
        del self.reacted[action.policy]

    @execute.register
    def _(self, action: actions.TellBroker) -> None:
        assert self.entry.may_be_told(action.broker, action.local), "too often, or of no use"
        self.log.append(action)
        told = Memory(action.broker.tunnel, asked_by=action.local, asked_s=0.0, account=digest(action.broker))
        self.entry = KnownRecord(told.with_answer(Answer(Word.GOOD, action.local)), 0.0)

    @execute.register
    def _(self, action: actions.AskBroker) -> None:
        assert self.described.may_be_asked(action.broker, action.local), "too often, or of no use"
        self.log.append(action)
        memory = replace(self.described.memory, tunnel=action.broker.tunnel, asked_by=action.local, asked_s=0.0)
        if self.describes is not None:
            memory = memory.with_answer(Answer(Word.GOOD, tunnel=self.describes))
        self.described = KnownDescription(memory, 0.0, under_way=self.describes is None)

    @execute.register
    def _(self, action: actions.TakeOver) -> None:
        self.log.append(action)
        self.broker_tunnel = action.tunnel

    @execute.register
    def _(self, action: actions.NoteInterruption) -> None:
        self.log.append(action)
        self.entry = replace(self.entry, memory=replace(self.entry.memory, is_interrupted=True))

    @execute.register
    def _(self, action: actions.UnblockRadio) -> None:
        self._link(action.interface)
        self.log.append(action)
        self.air.unblock()

    @execute.register
    def _(self, action: actions.EnableWireless) -> None:
        self.log.append(action)
        self.air.enable()

    @execute.register
    def _(self, action: actions.SetCountry) -> None:
        self.log.append(action)
        self.air.tell(action.country)

    @execute.register
    def _(self, action: actions.RememberCarrying) -> None:
        self.log.append(action)
        self.carrying[action.network] = action.carrier


def _key(route: Route) -> str:
    return route_key(route.destination, route.metric, route.table, route.source)


def count(machine: MemoryMachine) -> Counter[type]:
    """How often each sort of action was carried out."""
    return Counter(type(action) for action in machine.log)
