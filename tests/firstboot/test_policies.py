"""Routing policies: what they want, on a machine in memory."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest

from appliance.addresses import Network
from appliance.checks import TAKES
from appliance.model import Appliance, ChangePolicy, InterfaceSelection, Profile, Routing, SysctlPolicy, TablePolicy
from appliance.parse import load
from appliance.ranges import TableRange
from firstboot import actions
from firstboot.facts import MAIN_TABLE, OURS, Address, Facts, Link, Route, Rule
from firstboot.kind import Kind
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.route_tables import RouteTables
from firstboot.selection import selected
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine, count

ANY4, ANY6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")
ROUTER = IPv4Address("10.0.0.1")
TABLES = Routing(tables=(TablePolicy(lookup=TableRange(2, 252), ensure="default-route"),))


def settle(routing: Routing, machine: MemoryMachine) -> dict[str, Outcome]:
    appliance = Appliance(profile=Profile.CUSTOM, routing=routing)
    outcomes = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
    return {outcome.kind: outcome for outcome in outcomes}


def cloud(*rules: Rule, tables: tuple[Route, ...] = ()) -> MemoryMachine:
    """A machine whose second interface has a link route in a table of its own, as cloud agents leave it."""
    machine = MemoryMachine("eth0", "eth1")
    machine.links = {name: replace(link, up=True) for name, link in machine.links.items()}
    machine.addresses = [Address("eth1", IPv4Interface("10.0.0.9/24"))]
    machine.routes = [Route(ANY4, "eth1", ROUTER, 512, protocol=4), *tables]
    machine.rules_of_tables = list(rules)
    return machine


LINK_ROUTE = Route(IPv4Network("10.0.0.0/24"), "eth1", table=7)
FOREIGN = Route(ANY4, "eth1", IPv4Address("10.0.0.2"), 0, 7, protocol=3)
NOWHERE = Route(ANY4, "", None, 4000, 7, protocol=3)


@pytest.mark.parametrize(
    ("rule", "tables"),
    [
        (Rule(4, 7), (LINK_ROUTE,)),
        (Rule(4, 7, interface="eth1"), ()),
        (Rule(4, 7, source=IPv4Network("10.0.0.9/32")), ()),
    ],
    ids=["by its routes", "by the rule's interface", "by the rule's source"],
)
def test_a_table_gets_the_default_route_of_its_interface(rule: Rule, tables: tuple[Route, ...]) -> None:
    machine = cloud(rule, tables=tables)
    assert settle(TABLES, machine)["route-tables"].state is State.OK
    added = [route for route in machine.routes if route.protocol == OURS]
    assert added == [Route(ANY4, "eth1", ROUTER, 97, 7, OURS)]

    machine.rules_of_tables = []
    settle(TABLES, machine)
    assert [route for route in machine.routes if route.protocol == OURS] == []


@pytest.mark.parametrize(
    ("rules", "tables"),
    [
        ((), (LINK_ROUTE,)),  # nobody looks it up
        ((Rule(4, 300),), (replace(LINK_ROUTE, table=300),)),  # not meant
        ((Rule(4, 7),), ()),  # nobody knows its interface
        ((Rule(4, 7),), (replace(LINK_ROUTE, interface="eth0"),)),  # main has no router there
        ((Rule(6, 7),), (LINK_ROUTE,)),  # the other family
        ((Rule(4, 7),), (LINK_ROUTE, FOREIGN)),  # somebody else's is there
        ((Rule(4, 7),), (LINK_ROUTE, NOWHERE)),  # so is this one
        ((Rule(4, 7),), (LINK_ROUTE, replace(NOWHERE, protocol=OURS))),  # we make no such route
        ((Rule(4, 7),), (replace(NOWHERE, table=MAIN_TABLE),)),  # it leads through no interface, and nor does the table
    ],
)
def test_and_only_then(rules: tuple[Rule, ...], tables: tuple[Route, ...]) -> None:
    machine = cloud(*rules, tables=tables)
    before = list(machine.routes)
    assert settle(TABLES, machine)["route-tables"].state is State.OK
    assert machine.routes == before


def test_ours_makes_room_for_another_programs() -> None:
    machine = cloud(Rule(4, 7), tables=(LINK_ROUTE,))
    settle(TABLES, machine)
    machine.routes.append(FOREIGN)
    settle(TABLES, machine)
    assert [route for route in machine.routes if route.table == 7] == [LINK_ROUTE, FOREIGN]


def test_ipv6_has_its_own_router() -> None:
    router = IPv6Address("fe80::1")
    facts = Facts(
        routes=(Route(ANY6, "eth1", router, 1024), Route(IPv6Network("2001:db8::/64"), "eth1", table=7)),
        rules=(Rule(6, 7),),
    )
    (want,) = RouteTables().desired(Appliance(profile=Profile.CUSTOM, routing=TABLES), facts)
    assert (want.destination, want.gateway, want.table) == (ANY6, router, 7)


def test_the_best_of_several_routers_counts() -> None:
    routes = (Route(ANY4, "eth1", IPv4Address("10.0.0.3"), 900), Route(ANY4, "eth1", ROUTER, 100), LINK_ROUTE)
    facts = Facts(routes=routes, rules=(Rule(4, 7),))
    (want,) = RouteTables().desired(Appliance(profile=Profile.CUSTOM, routing=TABLES), facts)
    assert want.gateway == ROUTER


LINKS = {
    link.name: link
    for link in (
        Link("eth0", mac="02:00:00:00:00:01", driver="virtio_net"),
        Link("eth1", mac="02:00:00:00:00:02", driver="e1000"),
        Link("eth0.5", "vlan", mac="02:00:00:00:00:01", driver="802.1Q VLAN Support"),
    )
}


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (InterfaceSelection(interface="eth?"), ["eth0", "eth1"]),
        (InterfaceSelection(driver="virtio_*"), ["eth0"]),
        (InterfaceSelection(mac="02:00:00:00:00:01"), ["eth0", "eth0.5"]),
        (InterfaceSelection(mac="02:00:00:00:00:01", kind="hardware"), ["eth0"]),
        (InterfaceSelection(kind="vlan"), ["eth0.5"]),
        (InterfaceSelection(interface="Eth0"), []),
    ],
)
def test_interfaces_are_selected(selection: InterfaceSelection, names: list[str]) -> None:
    assert [link.name for link in selected(selection, Facts(links=LINKS))] == names


RP_FILTER = "net.ipv4.conf.{interface}.rp_filter"


def test_an_interface_has_its_settings_whenever_it_appears() -> None:
    routing = Routing(sysctl=(SysctlPolicy(interface="eni*", set={RP_FILTER: "2"}),))
    machine = MemoryMachine("eth0", "eni1")
    machine.sysctls |= {f"net/ipv4/conf/{name}/rp_filter": "0" for name in ("eth0", "eni1", "eni.2")}
    settle(routing, machine)
    machine.links["eni.2"] = Link("eni.2")
    settle(routing, machine)
    assert {name: machine.sysctls[f"net/ipv4/conf/{name}/rp_filter"] for name in ("eth0", "eni1", "eni.2")} == {
        "eth0": "0",
        "eni1": "2",
        "eni.2": "2",
    }


def test_of_two_policies_the_later_one_counts() -> None:
    routing = Routing(
        sysctl=(
            SysctlPolicy(interface="eth*", set={RP_FILTER: "1"}),
            SysctlPolicy(interface="eth0", set={RP_FILTER: "2"}),
        )
    )
    machine = MemoryMachine("eth0")
    machine.sysctls["net/ipv4/conf/eth0/rp_filter"] = "0"
    settle(routing, machine)
    assert count(machine)[actions.SetSysctl] == 1
    assert machine.sysctls["net/ipv4/conf/eth0/rp_filter"] == "2"


def test_a_setting_that_the_kernel_has_not_is_said() -> None:
    routing = Routing(sysctl=(SysctlPolicy(interface="eth0", set={"net.ipv4.conf.{interface}.rp_filtre": "2"}),))
    outcome = settle(routing, MemoryMachine("eth0"))["policy-sysctls"]
    assert outcome.state is State.FAILED
    assert outcome.error == "the kernel has no setting net/ipv4/conf/eth0/rp_filtre"


def test_a_change_of_the_set_is_reacted_to_and_the_first_one_is_none() -> None:
    routing = Routing(on_interface_change=(ChangePolicy(interface="eth*", restart="kube-proxy.service"),))
    machine = MemoryMachine("eth0")
    assert settle(routing, machine)["reactions"].state is State.OK
    machine.links["wlan0"] = Link("wlan0")
    assert settle(routing, machine)["reactions"].state is State.OK

    machine.links["eth1"] = Link("eth1", index=4)
    outcome = settle(routing, machine)["reactions"]
    assert outcome.state is State.WAITING
    assert outcome.error == "restart kube-proxy.service for interface eth*: once they have settled"
    (soon,) = (action for action in machine.log if isinstance(action, actions.ReactSoon))
    assert soon.members == ("eth0 (0)", "eth1 (4)")


def test_on_a_machine_that_is_not_ours_nothing_else_is_touched() -> None:
    machine = MemoryMachine("eth0")
    appliance = load(EXAMPLES / "policies.yaml").appliance
    outcomes = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
    assert [type(action) for action in machine.log] == [actions.NoteMembers], "which is for ourselves"
    kinds = {"route-tables", "policy-sysctls", "uplinks", "uplink-sysctls", "former-settings", "reactions"}
    assert {outcome.kind for outcome in outcomes} == kinds


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_has_a_say_where_its_section_may_be(kind: Kind[Any]) -> None:
    section = kind.setting.partition(".")[0]
    takers = {profile for profile in Profile if section in TAKES[profile]}
    of_custom_alone = takers == {Profile.CUSTOM}
    if kind.name in ("former-settings", "reactions"):
        assert set(kind.profiles) == set(Profile), "what was begun in one profile is ended in another"
        return
    assert of_custom_alone == (Profile.CUSTOM in kind.profiles)
    assert of_custom_alone == (set(kind.profiles) == {Profile.CUSTOM})


def test_main_is_another_kinds() -> None:
    ours: Network = IPv4Network("192.0.2.0/24")
    machine = cloud()
    machine.routes.append(Route(ours, "eth1", metric=97, table=MAIN_TABLE, protocol=OURS))
    settle(TABLES, machine)
    assert [route.destination for route in machine.routes] == [ANY4, ours]
