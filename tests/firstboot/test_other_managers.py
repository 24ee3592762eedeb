"""An interface of ours is set up by nobody else, or it is said because of which file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.model import Appliance, Wifi
from appliance.parse import load
from firstboot.kind import FileState
from firstboot.managers import ifupdown
from firstboot.reconcile import Reconciler, State
from firstboot.resources.managed import ManagedInterfaces
from firstboot.resources.other_managers import NETWORKD, OtherManagers
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine

FIXED = load(EXAMPLES / "gateway.yaml").appliance
NETWORK = Path("/etc/systemd/network/wired.network")


def by_dhcp() -> Appliance:
    assert FIXED.uplink is not None and FIXED.lan is not None
    uplink = replace(FIXED.uplink, address=None, gateway=None)
    return replace(FIXED, uplink=uplink, lan=replace(FIXED.lan, interface="eth1"))


def by_radio() -> Appliance:
    made = load(EXAMPLES / "gadget.yaml").appliance
    assert made.uplink is not None and isinstance(made.uplink.wifi, Wifi)
    return replace(made, uplink=replace(made.uplink, interface="eth0"))


def told(appliance: Appliance, files: dict[Path, str]) -> str:
    machine = MemoryMachine("eth0", "eth1")
    machine.files |= {path: FileState(text.encode(), 0o644) for path, text in files.items()}
    [outcome] = Reconciler([OtherManagers()], sleep=lambda _: None).reconcile(appliance, machine)
    assert (outcome.state is State.OK) == (not outcome.error)
    assert outcome.state in (State.OK, State.WAITING) and not outcome.in_vain
    return outcome.error


@pytest.mark.parametrize(
    ("appliance", "method", "is_in_the_way"),
    [
        (FIXED, "static", True),
        (FIXED, "dhcp", True),
        (FIXED, "manual", False),
        (by_dhcp(), "dhcp", False),
        (by_dhcp(), "manual", True),
        (by_dhcp(), "static", True),
        (by_radio(), "dhcp", True),
        (by_radio(), "manual", True),
    ],
)
def test_ifupdown(appliance: Appliance, method: str, is_in_the_way: bool) -> None:
    said = told(appliance, {ifupdown.MAIN: f"auto eth0\niface eth0 inet {method}\n"})
    assert said == (f"eth0 is set up because of {ifupdown.MAIN} as well" if is_in_the_way else "")


def test_the_lans_interface_counts_as_well() -> None:
    assert "eth1 is set up" in told(by_dhcp(), {ifupdown.FOLDER / "lan": "iface eth1 inet dhcp\n"})


@pytest.mark.parametrize("appliance", [FIXED, by_dhcp()])
def test_networkd(appliance: Appliance) -> None:
    index = MemoryMachine("eth0", "eth1").links["eth0"].index
    state = NETWORKD / str(index)
    assert told(appliance, {state: f"ADMIN_STATE=configured\nNETWORK_FILE={NETWORK}\n"}).endswith(f"{NETWORK} as well")
    assert told(appliance, {state: "ADMIN_STATE=unmanaged\n"}) == ""


def test_networkmanager_is_not_asked_for_what_ifupdown_has() -> None:
    """It would leave the interface alone, and the configuration would be taken back because of that."""
    machine = MemoryMachine("eth0", "eth1")
    wanted = ManagedInterfaces().desired(by_dhcp(), machine.facts())
    assert [want.interface for want in wanted if want.managed] == ["eth0"]
    machine.files[ifupdown.MAIN] = FileState(b"iface eth0 inet dhcp\n", 0o644)
    assert not [want for want in ManagedInterfaces().desired(by_dhcp(), machine.facts()) if want.managed]
