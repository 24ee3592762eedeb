"""Several uplinks: the manager's own files, what makes it read them, and the metrics that come of it."""

from __future__ import annotations

import re
from configparser import ConfigParser
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model import Appliance, NetworkConfigurator, RankedUplink
from appliance.parse import load
from firstboot import actions
from firstboot.facts import Address, Carrier, Facts, Link, Route
from firstboot.kind import FileState
from firstboot.kinds import KINDS
from firstboot.managers import ifupdown, netplan, networkd, networkmanager
from firstboot.managers.detection import MANAGERS
from firstboot.managers.ranked import interface_of
from firstboot.reconcile import Outcome, Reconciler, State
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine

THREE = load(EXAMPLES / "uplinks.yaml").appliance
WANTED = {"enp0s8": 10, "enp0s9": 11, "enp0s10": 12, "enp0s3": 1000}
MACS = {name: f"08:00:27:00:00:{number:02x}" for number, name in enumerate(WANTED)}
FOREIGN = 100
NOT_WITHOUT_CABLE = "net/ipv4/conf/{}/ignore_routes_with_linkdown"
NOT_WAITED_FOR = {
    "networkd": "RequiredForOnline=no",
    "netplan": "optional: true",
    "ifupdown": "allow-hotplug enp0s9",
    "networkmanager": "interface-name=enp0s9",  # it waits for none that is not there
}


class Managed(MemoryMachine):
    """A machine whose manager gives every uplink a lease, with a metric of its own before it is told of another."""

    def __init__(self, manager: str, *absent: str) -> None:
        super().__init__(networkmanager=manager == networkmanager.NAME)
        self.managers = (manager,)
        self.links = {name: Link(name, carrier=True, mac=mac) for name, mac in MACS.items() if name not in absent}
        self.addresses = [Address("enp0s3", IPv4Interface("10.0.2.15/24"))]
        self.sysctls |= dict.fromkeys(map(NOT_WITHOUT_CABLE.format, self.links), "0")
        self.deaf = False
        self.ours: set[str] = set()
        """Those that NetworkManager has connected by a profile of ours."""
        self.known: dict[str, int] = {}
        """By interface: the metric that networkd has read for it."""
        self.generated: dict[str, int] = {}
        """What netplan wrote for it."""
        for name in self.links:
            self._lease(name, FOREIGN)

    def execute(self, action: actions.Action) -> None:
        """Of what is about a manager: strictly what that one does."""
        if isinstance(action, actions.ReconfigureLink):
            assert self.managers in ((networkd.NAME,), (netplan.NAME,))
            assert self.log[-1:] != [actions.ReloadNetworkd()], "it is just being set up: networkd 252 loses the lease"
            self._applied(action, {action.name: self.known.get(action.name, FOREIGN)})
        elif isinstance(action, actions.ReloadNetworkd):
            assert self.managers in ((networkd.NAME,), (netplan.NAME,))
            before, self.known = self.known, self.generated or self._for_networkd()
            changed = {name for name in before.keys() | self.known if before.get(name) != self.known.get(name)}
            self._applied(action, {name: self.known.get(name, FOREIGN) for name in changed})
        elif isinstance(action, actions.GenerateNetplan):
            assert self.managers == (netplan.NAME,)
            content = self._file(netplan.FILE)
            found = yaml.safe_load(content)["network"]["ethernets"] if content else {}
            assert all(one["dhcp4-overrides"] == one["dhcp6-overrides"] for one in found.values())
            assert all(name < "all-en" for name in found), "networkd takes the first that matches"
            self.generated = {one["match"]["name"]: one["dhcp4-overrides"]["route-metric"] for one in found.values()}
            self.log.append(action)
        elif isinstance(action, actions.RestartUnit) and action.name.startswith("appliance-ifup@"):
            assert self.managers == (ifupdown.NAME,)
            read = "".join(state.content.decode() for path, state in self.files.items() if "network" in path.parts)
            found = dict(re.findall(r"iface (\S+) inet dhcp\n(?: *#.*\n)?    metric (\d+)", read))
            name = action.name.removeprefix("appliance-ifup@").removesuffix(".service")
            self._applied(action, {name: int(found.get(name, FOREIGN))})
        elif isinstance(action, actions.ActivateProfile | actions.ReloadNetworkManager):
            assert self.managers == (networkmanager.NAME,)
            profiles = [_keys(self.files[path].content.decode()) for path in self.glob(networkmanager.OWNED[0])]
            assert all(self.files[path].mode == 0o600 for path in self.glob(networkmanager.OWNED[0]))
            meant = {
                one["connection"]["interface-name"]: int(one["ipv4"]["route-metric"])
                for one in profiles
                if isinstance(action, actions.ActivateProfile) and one["connection"]["uuid"] == action.uuid
            }
            known = {one["connection"]["interface-name"] for one in profiles}
            meant |= dict.fromkeys(self.ours - known, FOREIGN)  # it connects by another profile
            self.ours = (self.ours & known) | meant.keys() & known
            self._applied(action, meant)
        else:
            super().execute(action)

    def metrics(self) -> dict[str, int]:
        return {route.interface: route.metric for route in self.routes}

    def _for_networkd(self) -> dict[str, int]:
        contents = {path: self.files[path].content.decode() for path in self.glob(networkd.OWNED[0])}
        return {
            path.stem.removeprefix(networkd.PREFIX): int(_keys(content)["DHCPv4"]["RouteMetric"])
            for path, content in contents.items()
        }

    def _file(self, path: object) -> str:
        return "".join(state.content.decode() for where, state in self.files.items() if where == path)

    def _applied(self, action: actions.Action, metrics: dict[str, int]) -> None:
        self.log.append(action)
        for name, metric in metrics.items() if not self.deaf else ():
            if name in self.links:
                self._lease(name, metric)

    def _lease(self, name: str, metric: int) -> None:
        self.routes = [route for route in self.routes if route.interface != name]
        self.routes.append(Route(IPv4Network("0.0.0.0/0"), name, IPv4Address("10.0.2.2"), metric))


def _keys(content: str) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(content)
    return parser


def settle(appliance: Appliance, machine: MemoryMachine) -> dict[str, Outcome]:
    reconciler = Reconciler(KINDS, sleep=lambda _: None, clock=lambda: 0.0)
    return {outcome.kind: outcome for outcome in reconciler.reconcile(appliance, machine)}


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_example_as_it_stands(manager: str) -> None:
    machine = Managed(manager)
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert machine.metrics() == WANTED
    before = len(machine.log)
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert len(machine.log) == before


@pytest.mark.parametrize("manager", MANAGERS)
def test_one_that_is_missing_is_written_down_and_waited_for_by_nobody(manager: str) -> None:
    machine = Managed(manager, "enp0s9")
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert any(b"enp0s9" in state.content for state in machine.files.values())
    text = "".join(state.content.decode() for state in machine.files.values() if b"enp0s9" in state.content)
    assert NOT_WAITED_FOR[manager] in text


def test_one_whose_cable_is_out_is_not_used() -> None:
    machine = Managed("networkd", "enp0s9")
    settle(THREE, machine)
    assert machine.sysctls[NOT_WITHOUT_CABLE.format("enp0s8")] == "1"
    assert NOT_WITHOUT_CABLE.format("enp0s9") not in machine.sysctls


def test_where_the_network_went_its_interface_is_remembered() -> None:
    machine = Managed("networkd")
    settle(THREE, machine)
    assert machine.carrying == {"10.0.2.0/24": Carrier("enp0s3", MACS["enp0s3"])}
    machine.addresses = []
    assert settle(THREE, machine)["uplinks"].state is State.OK
    machine.links["lan0"] = replace(machine.links.pop("enp0s3"), name="lan0")
    machine.routes = [route for route in machine.routes if route.interface != "enp0s3"]
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert machine.metrics()["lan0"] == 1000, "under its new name"


def test_a_route_that_must_be_there_and_is_not_is_waited_for() -> None:
    machine = Managed("networkd")
    machine.deaf = True
    machine.routes = []
    outcome = settle(THREE, machine)["uplinks"]
    assert (outcome.state, outcome.error) == (State.WAITING, "enp0s3 has no default route")


def test_another_metric_is_put_right() -> None:
    machine = Managed("networkd")
    settle(THREE, machine)
    machine._lease("enp0s8", 2000)
    assert settle(THREE, machine)["uplinks"].done[-1] == "have systemd-networkd set up enp0s8 anew"
    assert machine.metrics() == WANTED


def test_a_default_route_that_somebody_took_away_comes_back_when_it_stays_away() -> None:
    """Just after it went, its manager may be about to set the interface up anew."""
    machine = Managed("networkd")
    settle(THREE, machine)
    machine.routes = [route for route in machine.routes if route.interface != "enp0s8"]
    machine.lost_routes = {"enp0s8": False}
    outcome = settle(THREE, machine)["uplinks"]
    assert (outcome.state, outcome.done, outcome.error) == (State.WAITING, (), "enp0s8 has no default route")
    machine.lost_routes = {"enp0s8": True}
    assert settle(THREE, machine)["uplinks"].done == ("have systemd-networkd set up enp0s8 anew",)
    assert machine.metrics() == WANTED


@pytest.mark.parametrize("manager", [manager for manager in MANAGERS if manager != "ifupdown"])
def test_an_address_that_somebody_gave_by_hand_stays_and_its_metric_is_only_compared(manager: str) -> None:
    by_hand = replace(THREE, uplinks=(replace(THREE.uplinks[0], dhcp=False),))
    machine = Managed(manager)
    outcome = settle(by_hand, machine)["uplinks"]
    assert (outcome.state, outcome.hint) == (State.FAILED, "set it where its address is configured")
    assert "has the metric 100, not 10" in outcome.error
    assert not machine.files and machine.metrics()["enp0s8"] == FOREIGN


def test_two_that_mean_the_same_interface_are_said() -> None:
    machine = Managed("networkd")
    machine.addresses = [Address("enp0s8", IPv4Interface("10.0.2.15/24"))]
    outcome = settle(THREE, machine)["uplinks"]
    assert (outcome.state, outcome.error) == (State.FAILED, "uplinks[0] and uplinks[3] both mean enp0s8 now")


def test_an_address_of_hardware_is_that_of_its_bridge_and_of_its_vlans_too() -> None:
    mac, network = "52:54:00:00:00:01", IPv4Network("10.0.2.0/24")
    bridged = {
        "eth0": Link("eth0", mac=mac, master="br0"),
        "br0": Link("br0", "bridge", mac=mac),
        "br0.7": Link("br0.7", "vlan", mac=mac),
    }
    known = {str(network): Carrier("br0", mac)}
    by_network, by_mac = RankedUplink(carrying=network, metric=1), RankedUplink(mac=mac, metric=1)
    assert interface_of(by_network, Facts(links=bridged, carrying=known)) == "br0"
    alone = {"eth0.7": Link("eth0.7", "vlan", mac=mac), "eth0": Link("eth0", mac=mac)}
    assert interface_of(by_mac, Facts(links=alone)) == "eth0"
    assert interface_of(by_network, Facts(links=alone, carrying={str(network): Carrier("eth0.7", mac)})) == "eth0.7"


def test_a_manager_that_does_something_else_is_said() -> None:
    machine = Managed("networkd")
    machine.deaf = True
    outcome = settle(THREE, machine)["uplinks"]
    assert outcome.state is State.FAILED and "has the metric 100, not 10" in outcome.error


INSTALLERS = """\
# The primary network interface
allow-hotplug enp0s3
iface enp0s3 inet dhcp
# This is an autoconfigured IPv6 interface
iface enp0s3 inet6 auto
"""
"""As Debian's installer writes /etc/network/interfaces."""


MARKED = f"iface enp0s9 inet dhcp\n    {ifupdown.MARK}\n    metric 9\n"
OURS = sorted(Path(str(path).replace("*", "enp0s8")) for each in MANAGERS.values() for path in each.OWNED)


def interfaces(text: str) -> Managed:
    machine = Managed("ifupdown")
    machine.files[ifupdown.MAIN] = FileState(text.encode(), 0o644)
    return machine


def test_a_stanza_of_the_installers_gets_its_metric_and_no_second_one() -> None:
    machine = interfaces(INSTALLERS)
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert machine.metrics() == WANTED
    assert machine.files[ifupdown.MAIN] == FileState(
        INSTALLERS.replace("inet dhcp\n", f"inet dhcp\n    {ifupdown.MARK}\n    metric 1000\n").encode(), 0o644
    )
    assert b"enp0s3" not in machine.files[ifupdown.FILE].content
    before = len(machine.log)
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert len(machine.log) == before


def test_somebody_elses_file_is_amended_and_ours_made() -> None:
    machine = interfaces(INSTALLERS)
    settle(THREE, machine)
    settle(replace(THREE, uplinks=()), machine)
    written = {(action.path, action.mode) for action in machine.log if isinstance(action, actions.WriteFile)}
    assert written == {(ifupdown.MAIN, None), (ifupdown.FILE, 0o644)}


def test_a_stanza_is_as_it_was_when_the_uplink_goes() -> None:
    machine = interfaces(INSTALLERS)
    settle(THREE, machine)
    settle(replace(THREE, uplinks=()), machine)
    assert machine.files == {ifupdown.MAIN: FileState(INSTALLERS.encode(), 0o644)}
    assert machine.metrics()["enp0s3"] == FOREIGN


def test_a_line_that_somebody_took_out_or_changed_is_put_right() -> None:
    machine = interfaces(INSTALLERS)
    settle(THREE, machine)
    right = machine.files[ifupdown.MAIN]
    for wrong in (right.content.replace(b"metric 1000", b"metric 7"), INSTALLERS.encode()):
        machine.files[ifupdown.MAIN] = FileState(wrong, 0o644)
        assert settle(THREE, machine)["uplinks"].done == (f"write {ifupdown.MAIN}",)
        assert machine.files[ifupdown.MAIN] == right


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "iface enp0s3 inet static\n    address 10.0.2.15/24\n",
            "configures enp0s3 by the method static, and appliance.yaml by DHCP",
        ),
        ("iface enp0s3 inet dhcp\n    metric 5\n", "has the metric 5 for enp0s3, and appliance.yaml 1000"),
    ],
)
def test_a_stanza_that_says_something_else_is_left_alone_and_said(text: str, error: str) -> None:
    machine = interfaces(text)
    outcome = settle(THREE, machine)["uplinks"]
    assert (outcome.state, outcome.error) == (State.FAILED, f"{ifupdown.MAIN} {error}")
    assert not [action for action in machine.log if not isinstance(action, actions.SetSysctl)]


def test_a_stanza_that_has_the_metric_already_is_left_as_it_is() -> None:
    machine = interfaces("iface enp0s3 inet dhcp\n    metric 1000\n")
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert machine.files[ifupdown.MAIN].content == b"iface enp0s3 inet dhcp\n    metric 1000\n"


def test_no_manager_and_another_one_than_was_asked_for_are_said() -> None:
    machine = Managed("networkd")
    asked = replace(THREE, manager=NetworkConfigurator.NETPLAN)
    assert settle(asked, machine)["uplinks"].error == "netplan is not in use on this machine"
    machine.managers = ()
    assert settle(THREE, machine)["uplinks"].error == "no program was found that configures networks"


@st.composite
def managed(draw: st.DrawFn) -> Managed:
    """A machine of any manager's in any state."""
    absent = draw(st.sets(st.sampled_from(sorted(WANTED))))
    machine = Managed(draw(st.sampled_from(sorted(MANAGERS))), *absent)
    metrics = draw(st.dictionaries(st.sampled_from(sorted(WANTED)), st.sampled_from((0, 10, 100, 1000))))
    for name, metric in metrics.items():
        if name in machine.links:
            machine._lease(name, metric)
    contents = st.sampled_from((b"", b"junk\n", b"iface enp0s8 inet dhcp\n"))
    junk = draw(st.dictionaries(st.sampled_from(OURS), contents))
    machine.files |= {path: FileState(content, 0o644) for path, content in junk.items()}
    marked = INSTALLERS + f"    {ifupdown.MARK}\n"
    main = draw(st.sampled_from(("", INSTALLERS, marked, MARKED, MARKED.replace("9", "8"))))
    machine.files[ifupdown.MAIN] = FileState(main.encode(), 0o644)
    machine.addresses = [] if "enp0s3" in absent else machine.addresses
    return machine


@given(machine=managed())
@settings(deadline=None)
def test_from_any_state_to_the_right_one(machine: Managed) -> None:
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert machine.metrics() == {name: metric for name, metric in WANTED.items() if name in machine.links}
    before = len(machine.log)
    assert settle(THREE, machine)["uplinks"].state is State.OK
    assert len(machine.log) == before


@pytest.mark.parametrize("manager", MANAGERS)
def test_what_is_not_wanted_any_more_goes(manager: str) -> None:
    machine = Managed(manager)
    settle(THREE, machine)
    settle(replace(THREE, uplinks=()), machine)
    assert not [path for path in machine.files if "appliance" in path.name]
    told = {"networkd", "netplan"}  # NetworkManager chooses another profile itself; ifupdown cannot
    assert manager not in told or machine.metrics() == dict.fromkeys(WANTED, FOREIGN)
