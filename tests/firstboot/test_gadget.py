"""The gadget and its interfaces on a machine in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from appliance.model import Appliance, Function, Gadget, Interfaces, Profile, Share
from appliance.parse import load
from firstboot.actions import (
    AddBridge,
    RemoveGadget,
    RemoveLink,
    RestartUnit,
    SetMaster,
    SetSysctl,
    ShowGadget,
    WriteFile,
)
from firstboot.facts import OURS, Link
from firstboot.gadget import compiled
from firstboot.gadget.configfs import normal
from firstboot.kind import Kind
from firstboot.kinds import KINDS as ALL_KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.rendered.gadget import COMPILED
from firstboot.resources import bridge, files, gadget
from tests.firstboot.memory import MemoryMachine, count

EXAMPLE = Path(__file__).parent.parent / "appliance" / "examples" / "gadget.yaml"
KINDS: tuple[Kind[Any], ...] = (files.Files(), gadget.Gadget(), bridge.Bridge())
OWN = IPv6Address("fe80::1")


@pytest.fixture
def wanted() -> Appliance:
    return load(EXAMPLE).appliance


@pytest.fixture
def machine() -> Iterator[MemoryMachine]:
    made = MemoryMachine("wlan0")
    made.device_controllers = ["20980000.usb"]
    yield made


def settle(appliance: Appliance, machine: MemoryMachine) -> dict[str, Outcome]:
    reconciler = Reconciler(KINDS, sleep=lambda _: None)
    return {outcome.kind: outcome for outcome in reconciler.reconcile(appliance, machine)}


def with_gadget(appliance: Appliance, **settings: object) -> Appliance:
    return replace(appliance, gadget=replace(appliance.gadget or Gadget(), **settings))  # type: ignore[arg-type]


def test_the_laptop_sees_the_gadget_and_the_pi_is_on_the_bridge(wanted: Appliance, machine: MemoryMachine) -> None:
    outcomes = settle(wanted, machine)
    assert {outcome.state for outcome in outcomes.values()} == {State.OK}, outcomes
    assert machine.bound_to == "20980000.usb"
    link = machine.links["br-usb"]
    assert (link.kind, link.group, link.up) == ("bridge", OURS, True)
    assert machine.link_local["br-usb"] == (OWN,)
    assert link.mac == "02:00:b1:b2:c3:d4"  # the serial number's halves, one over the other
    assert {name: machine.links[name].master for name in ("usb0", "usb1")} == {"usb0": "br-usb", "usb1": "br-usb"}
    assert machine.sysctls["net/ipv6/conf/usb0/addr_gen_mode"] == "1", "no link-local address of the kernel's making"


def test_no_router_is_heard_on_the_cable_before_there_may_be_one(machine: MemoryMachine) -> None:
    """dnsmasq announces a prefix there, and Linux would take an address out of it for the Pi itself."""
    offline = load(EXAMPLE.with_name("gadget-offline.yaml")).appliance
    Reconciler(ALL_KINDS, sleep=lambda _: None).reconcile(offline, machine)
    deaf = SetSysctl("net/ipv6/conf/br-usb/accept_ra", "0")
    names = [(type(action), getattr(action, "name", "")) for action in machine.log]
    assert names.index((SetSysctl, deaf.name)) < names.index((RestartUnit, "appliance-dnsmasq.service"))
    assert machine.sysctls[deaf.name] == deaf.value


def test_it_is_never_shown_again_without_need(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    machine.log.clear()
    settle(wanted, machine)
    assert machine.log == []


def test_other_functions_are_shown_once(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    machine.log.clear()
    settle(with_gadget(wanted, functions=(Function.ECM, Function.RNDIS, Function.ACM)), machine)
    assert count(machine)[ShowGadget] == 1
    assert machine.tree is not None and "functions/acm.usb0" in machine.tree.folders


def test_what_somebody_changed_is_put_back(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    assert machine.tree is not None
    machine.tree = replace(machine.tree, files={**machine.tree.files, "idProduct": "0x0001"})
    settle(wanted, machine)
    assert machine.tree.files["idProduct"] == "0x0104"


def test_a_gadget_that_is_bound_to_nothing_is_shown(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    machine.log.clear()
    machine.bound_to = ""
    settle(wanted, machine)
    assert count(machine)[ShowGadget] == 1 and machine.bound_to


def test_numbers_that_the_kernel_writes_otherwise_are_the_same() -> None:
    assert normal("0x0200") == normal("512") and normal("0x3") == normal("3")
    assert normal("02:00:00:00:00:01") == "02:00:00:00:00:01" and normal("ef") == "ef" and normal("04") == "04"


def test_without_a_device_controller_the_overlay_is_named(wanted: Appliance, machine: MemoryMachine) -> None:
    machine.device_controllers = []
    outcome = settle(wanted, machine)["gadget"]
    assert outcome.state is State.WAITING
    assert "no USB device controller" in outcome.error and "dtoverlay=dwc2,dr_mode=peripheral" in outcome.hint


def test_one_that_appears_late_is_used(wanted: Appliance, machine: MemoryMachine) -> None:
    machine.device_controllers = []
    settle(wanted, machine)
    machine.device_controllers = ["fe980000.usb"]
    assert settle(wanted, machine)["gadget"].state is State.OK
    assert machine.bound_to == "fe980000.usb" and machine.links["usb0"].master == "br-usb"


def test_separate_interfaces_are_no_ports_and_are_the_pi_each(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    settle(with_gadget(wanted, interfaces=Interfaces.SEPARATE), machine)
    assert "br-usb" not in machine.links
    for name in ("usb0", "usb1"):
        link = machine.links[name]
        assert (link.master, link.up, machine.link_local[name]) == ("", True, (OWN,))


def test_another_profile_takes_gadget_and_bridge_away(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    machine.links["br0"] = Link("br0", "bridge", up=True)
    settle(replace(wanted, profile=Profile.GATEWAY, gadget=None), machine)
    assert (machine.tree, count(machine)[RemoveGadget]) == (None, 1)
    assert set(machine.links) == {"wlan0", "br0"}, "somebody else's bridge is left alone"
    assert COMPILED not in machine.files


def test_somebody_elses_interface_of_that_name_gives_way(wanted: Appliance, machine: MemoryMachine) -> None:
    machine.links["br-usb"] = Link("br-usb", "bridge", group=0)
    settle(wanted, machine)
    assert [type(action) for action in machine.log if isinstance(action, RemoveLink | AddBridge)] == [
        RemoveLink,
        AddBridge,
    ]
    assert machine.links["br-usb"].group == OURS


def test_a_port_that_was_taken_out_is_put_back(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    machine.links["usb1"] = replace(machine.links["usb1"], master="")
    machine.log.clear()
    settle(wanted, machine)
    assert machine.log == [SetMaster("usb1", "br-usb")]


def test_the_pis_address_on_the_link_is_put_back(wanted: Appliance, machine: MemoryMachine) -> None:
    """Beside others: as a client, NetworkManager has one of its own."""
    settle(wanted, machine)
    other = IPv6Address("fe80::ff:fe00:1")
    machine.link_local["br-usb"] = (other,)
    settle(wanted, machine)
    assert machine.link_local["br-usb"] == (other, OWN)


@pytest.mark.parametrize("interfaces", list(Interfaces))
def test_the_compiled_gadget_does_not_depend_on_what_is_there(
    wanted: Appliance, machine: MemoryMachine, interfaces: Interfaces
) -> None:
    """Or a card would be written to again at every boot."""
    asked = with_gadget(wanted, interfaces=interfaces)
    settle(asked, machine)
    first = machine.files[COMPILED].content
    settle(asked, machine)
    assert machine.files[COMPILED].content == first
    assert count(machine)[WriteFile] == len({action.path for action in machine.log if isinstance(action, WriteFile)})


def test_the_compiled_gadget_is_all_of_it(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(wanted, machine)
    made = compiled.parse(machine.files[COMPILED].content.decode())
    assert machine.tree is not None
    assert (made.folders, made.files, made.links) == (machine.tree.folders, machine.tree.files, machine.tree.links)
    batch = made.batch({"ecm": "usb0", "rndis": "usb1"})
    assert "link add br-usb address 02:00:b1:b2:c3:d4 group 97 type bridge mcast_snooping 0" in batch
    assert {"link set usb0 master br-usb up", "link set usb1 master br-usb up"} <= set(batch)
    assert f"address replace {IPv4Interface('10.55.0.1/28')} dev br-usb proto 97" in batch
    assert "address replace fe80::1/64 dev br-usb proto 97 nodad" in batch


def test_the_compiled_separate_interfaces_go_by_their_functions(wanted: Appliance, machine: MemoryMachine) -> None:
    settle(with_gadget(wanted, interfaces=Interfaces.SEPARATE, functions=(Function.NCM, Function.RNDIS)), machine)
    made = compiled.parse(machine.files[COMPILED].content.decode())
    batch = made.batch({"rndis": "usb1", "ncm": "usb0"})
    assert not any("bridge" in line for line in batch)
    assert {
        f"address replace 10.55.0.{host}/29 dev {port} proto 97" for host, port in ((1, "usb0"), (9, "usb1"))
    } <= set(batch)


def test_where_the_laptop_gives_the_addresses_the_early_unit_puts_none(
    wanted: Appliance, machine: MemoryMachine
) -> None:
    settle(with_gadget(wanted, share=Share.HOST), machine)
    made = compiled.parse(machine.files[COMPILED].content.decode())
    assert [line.split()[2] for line in made.network if line.startswith("address")] == ["fe80::1/64"]
