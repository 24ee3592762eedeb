"""A wireless uplink: the radio is on, one of our networks is joined, and what is in the way is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.model import Appliance, Profile, Uplink, Wifi, WifiNetwork
from firstboot import actions
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.rendered.networkmanager import profile_name, profile_path
from firstboot.wireless import Access, Device, Joining, Radio, Reason
from tests.firstboot.memory import MemoryMachine, count

HOME = "correct horse battery staple"
CABIN = WifiNetwork(ssid="Cabin", passphrase="log fire tonight")


def wireless(*others: WifiNetwork, ssid: str = "Home", passphrase: str | None = HOME) -> Appliance:
    wifi = Wifi(ssid=ssid, passphrase=passphrase, open=passphrase is None, country="NO", others=others)
    return Appliance(profile=Profile.GATEWAY, hostname="pi", uplink=Uplink(interface="wlan0", wifi=wifi))


@pytest.fixture
def machine() -> MemoryMachine:
    found = MemoryMachine("wlan0")
    found.air.points = {"Neighbour": "none of your business", "Home": HOME, "Cabin": "log fire tonight"}
    return found


def settle(appliance: Appliance, machine: MemoryMachine) -> dict[str, Outcome]:
    outcomes: Sequence[Outcome] = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
    return {outcome.kind: outcome for outcome in outcomes}


def joined(machine: MemoryMachine, appliance: Appliance, network: WifiNetwork) -> bool:
    return machine.air.joining == Joining(Device.ACTIVATED, profile=profile_name(appliance, network))


def first(appliance: Appliance) -> WifiNetwork:
    assert appliance.uplink is not None
    assert appliance.uplink.wifi is not None
    return appliance.uplink.wifi


def test_the_radio_is_switched_on_and_the_network_joined(machine: MemoryMachine) -> None:
    appliance = wireless()
    outcomes = settle(appliance, machine)
    assert machine.air.radio == Radio(blocked=False, switched_off=False, enabled=True, country="NO")
    assert joined(machine, appliance, first(appliance))
    assert {outcomes[kind].state for kind in ("radio", "wifi", "uplink", "networkmanager")} == {State.OK}


def test_what_is_right_is_left_alone(machine: MemoryMachine) -> None:
    settle(wireless(), machine)
    machine.log.clear()
    settle(wireless(), machine)
    assert machine.log == []


def test_a_radio_that_somebody_blocked_is_unblocked(machine: MemoryMachine) -> None:
    settle(wireless(), machine)
    machine.air.radio = replace(machine.air.radio, blocked=True, enabled=False)
    machine.air.connect()
    assert settle(wireless(), machine)["wifi"].state is State.OK
    assert count(machine)[actions.UnblockRadio] == 2


def test_a_switch_that_a_hand_moved_is_for_the_hand(machine: MemoryMachine) -> None:
    machine.air.radio = Radio(blocked=True, switched_off=True, enabled=False)
    outcomes = settle(wireless(), machine)
    assert (outcomes["radio"].state, outcomes["radio"].error) == (State.WAITING, "the radio of wlan0 is switched off")
    assert count(machine)[actions.UnblockRadio] == 0


def test_a_country_that_the_kernel_does_not_know_is_said_and_stops_nothing(machine: MemoryMachine) -> None:
    machine.air.regulations.clear()
    outcomes = settle(wireless(), machine)
    assert outcomes["radio"].error == "the kernel does not know the channels of NO"
    assert "wireless-regdb" in outcomes["radio"].hint
    assert outcomes["wifi"].state is State.OK


def test_a_country_more_restrictive_than_ours_is_left_alone(machine: MemoryMachine) -> None:
    machine.air.radio = Radio(country="")
    assert settle(wireless(), machine)["radio"].state is State.OK
    assert count(machine)[actions.SetCountry] == 0


def test_the_first_network_in_range_is_joined(machine: MemoryMachine) -> None:
    appliance = wireless(CABIN, ssid="Away")
    settle(appliance, machine)
    assert joined(machine, appliance, CABIN)
    appliance = wireless(CABIN)
    machine.air.joining = Joining(Device.DISCONNECTED)
    settle(appliance, machine)
    assert joined(machine, appliance, first(appliance))


def test_a_network_taken_out_of_the_file_is_forgotten(machine: MemoryMachine) -> None:
    settle(wireless(CABIN), machine)
    assert profile_path(CABIN) in machine.files
    settle(wireless(), machine)
    assert profile_path(CABIN) not in machine.files


def test_a_wrong_passphrase_is_said(machine: MemoryMachine) -> None:
    wifi = settle(wireless(passphrase="correct horse battery stable"), machine)["wifi"]
    assert (wifi.state, wifi.error) == (State.WAITING, "Home does not accept the passphrase")
    assert wifi.setting == "uplink.wifi"


def test_where_the_first_passphrase_is_wrong_the_second_network_serves(machine: MemoryMachine) -> None:
    appliance = wireless(CABIN, passphrase="correct horse battery stable")
    assert settle(appliance, machine)["wifi"].state is State.OK
    assert joined(machine, appliance, CABIN)


def test_a_passphrase_that_was_refused_once_is_tried_again(machine: MemoryMachine) -> None:
    """As after a handshake that was lost on the air: NetworkManager alone would never try it again."""
    machine.air.points["Home"] = "for this moment only"
    settle(wireless(), machine)
    machine.air.points["Home"] = HOME
    machine.air.joining = replace(machine.air.joining, seeking=False)
    machine.air.connect()
    assert not machine.air.joining.joined
    assert settle(wireless(), machine)["wifi"].state is State.OK


def test_a_corrected_passphrase_is_used_at_once(machine: MemoryMachine) -> None:
    settle(wireless(), machine)
    machine.air.points["Home"] = "since this morning"
    appliance = wireless(passphrase="since this morning")
    settle(appliance, machine)
    assert joined(machine, appliance, first(appliance))


def test_nothing_in_range_is_said_with_what_there_is(machine: MemoryMachine) -> None:
    machine.air.points["bad\nname\x1b[31m"] = None
    wifi = settle(wireless(ssid="home"), machine)["wifi"]
    assert (wifi.state, wifi.error) == (State.WAITING, "no network called home is in range")
    assert wifi.hint.startswith("in range: Neighbour, Home, Cabin, bad?name?[31m;")


def test_it_is_sought_once_and_then_waited_for(machine: MemoryMachine) -> None:
    machine.air.points.clear()
    settle(wireless(), machine)
    settle(wireless(), machine)
    assert count(machine)[actions.SeekNetworks] == 1
    machine.air.joining = replace(machine.air.joining, seeking=False)
    settle(wireless(), machine)
    assert count(machine)[actions.SeekNetworks] == 2


@pytest.mark.parametrize(
    ("access", "passphrase", "said"),
    [
        (Access.OPEN, HOME, "Home is open: it knows no passphrase"),
        (Access.WPA2, None, "Home is not open: it wants a passphrase"),
        (Access.WPA3, HOME, "Home wants a passphrase, by WPA3, which is not in this version"),
        (Access.OTHER, HOME, "Home wants a name and a password, or something else, which is not in this version"),
    ],
)
def test_a_network_that_wants_something_else_is_said(
    machine: MemoryMachine, access: Access, passphrase: str | None, said: str
) -> None:
    machine.air.access["Home"] = frozenset({access})
    wifi = settle(wireless(passphrase=passphrase), machine)["wifi"]
    assert (wifi.state, wifi.error) == (State.WAITING, said)


def test_a_network_of_both_sorts_is_joined(machine: MemoryMachine) -> None:
    machine.air.access["Home"] = frozenset({Access.WPA2, Access.WPA3})
    assert settle(wireless(), machine)["wifi"].state is State.OK


def test_a_refusal_is_forgotten_with_the_network(machine: MemoryMachine) -> None:
    settle(wireless(passphrase="correct horse battery stable"), machine)
    del machine.air.points["Home"]
    wifi = settle(wireless(passphrase="correct horse battery stable"), machine)["wifi"]
    assert wifi.error == "no network called Home is in range"


def test_a_hidden_network_is_joined_and_its_silence_is_said(machine: MemoryMachine) -> None:
    machine.air.points["Secret"] = "hidden behind the sofa"
    machine.air.silent.add("Secret")
    hidden = WifiNetwork(ssid="Secret", passphrase="hidden behind the sofa", hidden=True)
    appliance = wireless(hidden, ssid="Away")
    settle(appliance, machine)
    assert joined(machine, appliance, hidden)
    del machine.air.points["Secret"]
    machine.air.joining = Joining(Device.DISCONNECTED)
    assert settle(appliance, machine)["wifi"].error == "Secret does not answer"


def test_an_open_network_has_no_key(machine: MemoryMachine) -> None:
    machine.air.points["Cafe"] = None
    appliance = wireless(ssid="Cafe", passphrase=None)
    settle(appliance, machine)
    assert joined(machine, appliance, first(appliance))
    assert b"wifi-security" not in machine.files[profile_path(first(appliance))].content


def test_a_network_without_dhcp_is_said(machine: MemoryMachine) -> None:
    machine.air.dhcp = False
    assert settle(wireless(), machine)["wifi"].error == "Home is joined, but gives no address"


def test_a_foreign_profile_makes_room(machine: MemoryMachine) -> None:
    machine.air.radio = Radio(enabled=True, country="NO")
    machine.air.joining = Joining(Device.ACTIVATED, profile="preconfigured")
    appliance = wireless()
    settle(appliance, machine)
    assert joined(machine, appliance, first(appliance))


def test_disconnected_by_somebody_it_is_connected_again(machine: MemoryMachine) -> None:
    appliance = wireless(CABIN)
    settle(appliance, machine)
    machine.log.clear()
    machine.air.joining = Joining(Device.DISCONNECTED, Reason.USER_REQUESTED)
    settle(appliance, machine)
    assert joined(machine, appliance, first(appliance))
    assert count(machine)[actions.ActivateProfile] == 1


def disconnected_by_somebody(machine: MemoryMachine) -> None:
    machine.log.clear()
    machine.air.joining = Joining(Device.DISCONNECTED, Reason.USER_REQUESTED)


def test_disconnected_by_somebody_a_hidden_network_is_asked_for(machine: MemoryMachine) -> None:
    machine.air.silent.add("Cabin")
    appliance = wireless(replace(CABIN, hidden=True), ssid="Away")
    settle(appliance, machine)
    disconnected_by_somebody(machine)
    settle(appliance, machine)
    assert count(machine)[actions.ActivateProfile] == 1
    assert joined(machine, appliance, replace(CABIN, hidden=True))


def test_disconnected_by_somebody_a_network_that_wants_something_else_is_passed_over(machine: MemoryMachine) -> None:
    appliance = wireless(CABIN)
    settle(appliance, machine)
    disconnected_by_somebody(machine)
    machine.air.access["Home"] = frozenset({Access.WPA3})
    settle(appliance, machine)
    assert joined(machine, appliance, CABIN)


def test_without_a_network_the_interface_is_not_said_to_lack_a_cable(machine: MemoryMachine) -> None:
    machine.air.points.clear()
    machine.links["wlan0"] = replace(machine.links["wlan0"], up=True, carrier=False)
    assert settle(wireless(), machine)["uplink"].state is State.OK


def test_what_is_under_way_is_not_disturbed(machine: MemoryMachine) -> None:
    appliance = wireless()
    settle(appliance, machine)
    machine.log.clear()
    machine.air.joining = Joining(Device.IP_CONFIG, profile=profile_name(appliance, first(appliance)))
    wifi = settle(appliance, machine)["wifi"]
    assert (wifi.state, wifi.error, machine.log) == (State.WAITING, "joining Home", [])


def test_without_the_interface_only_that_is_said() -> None:
    outcomes = settle(wireless(), MemoryMachine("eth0"))
    assert outcomes["uplink"].error == "there is no interface wlan0"
    assert "may need Raspberry Pi OS" in outcomes["uplink"].hint and "--base" in outcomes["uplink"].hint
    assert (outcomes["radio"].state, outcomes["wifi"].state) == (State.OK, State.OK)


def test_without_networkmanager_that_is_said(machine: MemoryMachine) -> None:
    machine.networkmanager = False
    outcomes = settle(wireless(), machine)
    assert outcomes["radio"].error == "NetworkManager does not run"


def test_the_passphrase_is_told_to_nobody(machine: MemoryMachine, caplog: pytest.LogCaptureFixture) -> None:
    """Neither when all is well nor when it is refused."""
    said = []
    for passphrase in (HOME, "correct horse battery stable"):
        machine.log.clear()
        appliance = wireless(CABIN, passphrase=passphrase)
        outcomes = settle(appliance, machine)
        said += [repr(appliance), repr(outcomes), repr(machine.log), *map(str, machine.log), caplog.text]
    for secret in ("horse", "fire tonight"):
        assert not any(secret in text for text in said)
        escaped = secret.replace(" ", "\\s").encode()
        assert any(escaped in state.content for state in machine.files.values()), "it is nowhere at all"


def test_only_root_reads_a_profile(machine: MemoryMachine) -> None:
    settle(wireless(CABIN), machine)
    secret = {path: state.mode for path, state in machine.files.items() if b"psk=" in state.content}
    assert len(secret) == 2
    assert set(secret.values()) == {0o600}
    assert all(isinstance(path, Path) for path in secret)
