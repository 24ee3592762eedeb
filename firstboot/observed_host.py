"""The machine that the daemon runs on, looked at in many ways. `host.Host` changes it as well."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self
from zlib import crc32

from appliance.errors import TemporaryError
from appliance.model import Broker
from firstboot import actions, files, regulatory, rfkill
from firstboot.broker.answers import Answer
from firstboot.broker.description import KnownDescription
from firstboot.broker.inquiry import Inquiry
from firstboot.broker.memory import KnownRecord
from firstboot.broker.record import Record
from firstboot.bus import Bus
from firstboot.changed_settings import ChangedSettings
from firstboot.command import Ended, begin
from firstboot.connections import ssh_connections
from firstboot.facts import Carrier, Facts, Gateway
from firstboot.former_files import FormerFiles
from firstboot.gadget import configfs, identity
from firstboot.health.diagnosis import Health
from firstboot.hosts import by_hardware, cards, hosts
from firstboot.iptables import Iptables, legacy_tables
from firstboot.kind import FileState, Gadget, Reaction
from firstboot.known_addresses import KnownAddresses
from firstboot.management import Visits
from firstboot.managers import ifupdown
from firstboot.managers.detection import present
from firstboot.neighbours import Answers
from firstboot.netlink import Netlink
from firstboot.next_hops import next_hop
from firstboot.paths import CARRYING, CHANGED_SETTINGS, DESCRIPTIONS, REACTIONS, RECORDS
from firstboot.policy.decision import SSH_PORT
from firstboot.policy.rules import FAMILIES
from firstboot.reactions import Reactions
from firstboot.readings import Readings
from firstboot.rendered import dnsmasq
from firstboot.rendered.ufw import other_paths, path_of
from firstboot.rulesets import Ruleset
from firstboot.sources import EVERYTHING, FIREWALL, Source
from firstboot.tunnels.told import Told
from firstboot.view import Surroundings, View
from firstboot.wireless import Heard, Joining, Radio
from firstboot.wlan import Wlan

SYSCTL = Path("/proc/sys")
LEASES = (Path(dnsmasq.CABLE_LEASES), Path(dnsmasq.LAN_LEASES))
"""dnsmasq keeps them open, and writes them anew from the beginning."""
RUN_LIMIT_S = 600
"""A policy's command that takes longer is ended: none that hangs keeps it from being run again for good."""


class ObservedHost:
    """This machine. Without a bus (in a bare network namespace) there are no units and no NetworkManager."""

    def __init__(
        self,
        netlink: Netlink,
        bus: Bus | None,
        wlan: Wlan | None = None,
        neighbours: Callable[[], Answers] = dict,
        on_reaction: Callable[[], object] = lambda: None,
        *,
        on_broker: Callable[[], object] = lambda: None,
        healths: Callable[[], tuple[Health, ...]] = tuple,
        six_rd: Callable[[], Told | None] = lambda: None,
        former_files: Path | None = None,
    ) -> None:
        """Called from any thread: `on_reaction` when a reaction has ended, `on_broker` when the broker has answered.

        `former_files`: where is remembered what others' files were, on a machine that is its owner's.
        """
        self._netlink, self._bus, self._wlan, self._neighbours = netlink, bus, wlan, neighbours
        self._changed_settings, self._former_files = ChangedSettings(CHANGED_SETTINGS), FormerFiles(former_files)
        self.inquiries = tuple(Inquiry(*files, _ask_the_broker, on_broker) for files in DESCRIPTIONS)
        self._view = View(
            netlink.tables,
            self._surroundings,
            neighbours,
            self._changed_settings.all,
            healths=healths,
            broker_tunnels=lambda: tuple(inquiry.said() for inquiry in self.inquiries),
            six_rd=six_rd,
            former_files=self._former_files.all,
        )
        self._known_addresses = KnownAddresses()
        self._readings = Readings()
        self._iptables = Iptables()
        self._rules: dict[int, Ruleset] = {}
        """By family: the firewall's rules, for as long as nobody changes them."""
        self._loaded: dict[int, Ruleset] = {}
        """The same, read by the action under way when it had changed them."""
        self.due_reactions = Reactions(REACTIONS, self._react, on_reaction)
        self.records = tuple(Record(*files, _tell_the_broker, on_broker) for files in RECORDS)
        for each in self.correspondences:
            each.others = [other for other in self.correspondences if other is not each]

    def facts(self) -> Facts:
        """The network as it was at the last `look` or change."""
        return self._view.facts()

    def _surroundings(self) -> Surroundings:
        networkmanager = self._bus is not None and self._bus.networkmanager_runs()
        return Surroundings(
            serial=identity.serial(),
            gadget_ports=configfs.interfaces(),
            networkmanager=networkmanager,
            other_rules={family: _text(map(self.read, other_paths(family))) for family in FAMILIES},
            managers=present(self, networkmanager_runs=networkmanager) if self._bus is not None else (),
            interfaces_files=ifupdown.of_others(self),
            carrying=self._carrying(),
            hosts=self._hosts(),
        )

    def _hosts(self) -> Mapping[str, tuple[Gateway, ...]]:
        leases = [found for path in LEASES if (found := self.read(path)) is not None]
        if not leases:
            return {}
        lines = [line for found in leases for line in _text([found]).splitlines()]
        seen = self._known_addresses.updated(cards(lines), by_hardware(self._netlink.tables.neighbours()))
        return hosts(lines, seen)

    def _carrying(self) -> dict[str, Carrier]:
        found = self.read(CARRYING)
        try:
            known = json.loads(found.content) if found is not None else {}
            return {network: Carrier(**carrier) for network, carrier in known.items()}
        except (ValueError, TypeError, AttributeError):  # it was not written by this version
            return {}

    @property
    def correspondences(self) -> tuple[Record | Inquiry, ...]:
        """All that is talked of with a broker."""
        return (*self.records, *self.inquiries)

    def look(self, changed: Source = EVERYTHING) -> None:
        """Forget what was seen of these: whoever asks next, sees the machine as it is then."""
        self._view.forget(changed)
        self._rules = {family: rules for family, rules in self._rules.items() if not FIREWALL[family] & changed}

    def begin(self) -> None:
        """Forget all that was read: a pass begins."""
        self._readings.forget()

    def aside(self) -> Self:
        """The same machine, for whoever looks at it beside the passes: what is read by that one is not remembered.

        Else what a pass has not seen would be taken for what it left. Nothing is written.
        """
        beside = copy(self)
        beside._readings = Readings()
        return beside

    def paths_read(self) -> set[Path]:
        """The files that were read, and the folders that were searched."""
        return self._readings.paths()

    def is_as_read(self) -> bool:
        """Whether files, kernel settings and the name are as they were last found."""
        return self._readings.hold()

    def sysctl(self, name: str) -> str | None:
        """A kernel setting's value; None if the kernel has no such setting."""
        return self._readings.take(name, partial(files.setting, f"{SYSCTL}/{name}"))

    def read(self, path: Path) -> FileState | None:
        """A file; None if it is not there."""
        return self._readings.take(path, partial(files.read, path), path)

    def glob(self, pattern: Path) -> Sequence[Path]:
        """The files that there are of a name in which * and ? match as in a shell."""
        return self._readings.take(pattern, lambda: sorted(pattern.parent.glob(pattern.name)), pattern.parent)

    def hostname(self) -> str:
        """The name that the kernel has."""
        return self._readings.take("hostname", socket.gethostname)

    def rules(self, family: int) -> Ruleset:
        """The firewall's rules, since anybody changed them."""
        if family not in self._rules:
            self._rules[family] = self._iptables.rules(family)
        return self._rules[family]

    def counts(self, family: int) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        """What each rule of the firewall has counted, by (table, chain) in order: packets and bytes."""
        return self._iptables.counts(family)

    def legacy_tables(self, family: int) -> Sequence[str]:
        """The tables of the legacy iptables, where the machine's iptables is the other one."""
        return legacy_tables(family)

    def gadget(self, paths: Collection[str]) -> Gadget | None:
        """The USB gadget, and those of its files; None if there is none."""
        if not configfs.exists():
            return None
        return Gadget(configfs.content(list(paths)), configfs.links(), configfs.bound_to())

    def controllers(self) -> Sequence[str]:
        """The USB device controllers that the kernel has."""
        return configfs.controllers()

    def unit_is_active(self, name: str) -> bool:
        """Whether a systemd unit runs."""
        return self._system.unit_is_active(name)

    def networkmanager_manages(self, interface: str) -> bool:
        """Whether NetworkManager looks after an interface."""
        return self._system.networkmanager_manages(interface)

    def active_profile(self, interface: str) -> str:
        """The name of the NetworkManager profile that an interface is connected by."""
        return self._system.active_profile(interface)

    def radio(self, interface: str) -> Radio:
        """The switches of a wireless interface, and the country that its channels follow."""
        return Radio(
            blocked=rfkill.blocked(interface),
            switched_off=rfkill.switched_off(interface),
            enabled=self._wireless.enabled(),
            country=regulatory.country(),
        )

    def joining(self, interface: str) -> Joining:
        """How NetworkManager gets on with joining a wireless network."""
        return self._wireless.joining(interface)

    def reactions(self) -> Mapping[str, Reaction]:
        """By policy, in words, what was done about its interfaces and what is to be done."""
        return self.due_reactions.known()

    def broker(self, rank: int) -> KnownRecord:
        """What is known of the broker's record of the tunnel of that rank."""
        return self.records[rank].known()

    def description(self, rank: int) -> KnownDescription:
        """What is known of what the tunnel of that rank is."""
        return self.inquiries[rank].known()

    def lease_lines(self) -> tuple[str, ...]:
        """dnsmasq's leases, as they are in its files."""
        return tuple(_text(map(files.read, LEASES)).splitlines())

    def visits(self) -> Visits:
        """Who is connected to this machine, by ssh or over DHCP, and what they depend on."""
        offer = files.read(dnsmasq.LOADED)
        rules = (_text([files.read(path_of(family))]) for family in FAMILIES)
        return Visits(
            facts=self.facts(),
            connections=ssh_connections(),
            leases=self.lease_lines(),
            offer=_text([offer]),
            input_rules=tuple(line for text in rules for line in text.splitlines() if "-input " in line),
            next_hop=lambda own, peer, index: next_hop(own, peer, SSH_PORT, index),
        )

    def _react(self, reaction: actions.ReactSoon, ended: Ended) -> None:
        if reaction.restart is not None:
            self._system.begin_restart(reaction.restart, ended)
        elif self._bus is not None:
            unit = f"appliance-run-{crc32(reaction.policy.encode()):08x}.service"
            self._bus.begin_program(unit, reaction.run, RUN_LIMIT_S, ended)
        else:
            begin(reaction.run, ended)

    def in_range(self, interface: str) -> Sequence[Heard]:
        """The wireless networks that announce themselves, the strongest first."""
        return self._wireless.in_range(interface)

    @property
    def _system(self) -> Bus:
        if self._bus is None:
            raise TemporaryError("there is no system bus")
        return self._bus

    @property
    def _wireless(self) -> Wlan:
        if self._wlan is None:
            raise TemporaryError("there is no system bus")
        return self._wlan


def _tell_the_broker(account: Broker, local: IPv4Address) -> Answer:
    from firstboot.broker import client  # noqa: PLC0415 (http.client takes long to load, and few have an account)

    return client.ask(account, local)


def _ask_the_broker(account: Broker, local: IPv4Address) -> Answer:
    from firstboot.broker import client  # noqa: PLC0415 (as above)

    return client.ask_what_it_is(account, local)


def _text(states: Iterable[FileState | None]) -> str:
    return "".join(state.content.decode(errors="replace") for state in states if state is not None)
