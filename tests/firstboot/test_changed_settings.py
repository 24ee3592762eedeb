"""What kernel settings were before the daemon changed them: remembered, and put back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import ApplianceError
from appliance.model import Appliance, Profile, Routing, SysctlPolicy
from firstboot.actions import PutBackSysctl
from firstboot.changed_settings import ChangedSettings
from firstboot.facts import ChangedSetting
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler, State
from tests.firstboot.memory import MemoryMachine, count

FORWARDING = ChangedSetting("net/ipv4/ip_forward", "0", "1")
LOOSE = ChangedSetting("net/ipv4/conf/eth0/rp_filter", "0", "2", 2)
RP_FILTER = "net/ipv4/conf/eth0/rp_filter"
NOTHING = Appliance(profile=Profile.CUSTOM)


def policy(value: str) -> Appliance:
    wanted = SysctlPolicy(interface="eth0", set={"net.ipv4.conf.{interface}.rp_filter": value})
    return Appliance(profile=Profile.CUSTOM, routing=Routing(sysctl=(wanted,)))


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "run" / "changed-settings.json"


def test_what_was_before_the_first_change_is_remembered(memory: Path) -> None:
    settings = ChangedSettings(memory)
    for changed in (FORWARDING, LOOSE, replace(LOOSE, before="2", ours="1"), replace(FORWARDING, before="1")):
        settings.remember(changed)
    expected = (FORWARDING, replace(LOOSE, ours="1"))
    assert settings.all() == expected
    assert ChangedSettings(memory).all() == expected
    assert memory.stat().st_mode & 0o777 == 0o600


def test_an_interface_that_was_made_anew_is_another(memory: Path) -> None:
    settings = ChangedSettings(memory)
    settings.remember(LOOSE)
    settings.remember(FORWARDING)
    settings.remember(replace(LOOSE, before="1", index=3))
    assert settings.all() == ChangedSettings(memory).all() == (FORWARDING, replace(LOOSE, before="1", index=3))


def test_what_is_forgotten_is_gone(memory: Path) -> None:
    settings = ChangedSettings(memory)
    for changed in (FORWARDING, LOOSE):
        settings.remember(changed)
    settings.forget(FORWARDING.name)
    settings.forget("net/never/heard/of")
    assert settings.all() == ChangedSettings(memory).all() == (LOOSE,)


def test_the_memory_does_not_grow_without_end(memory: Path) -> None:
    settings = ChangedSettings(memory)
    for number in range(5000):
        settings.remember(replace(LOOSE, ours=str(number)))
    assert len(memory.read_bytes().splitlines()) < 1100
    assert ChangedSettings(memory).all() == (replace(LOOSE, ours="4999"),)


def test_a_change_that_cannot_be_remembered_is_not_taken_for_one_that_is(memory: Path) -> None:
    settings = ChangedSettings(memory)
    settings.remember(FORWARDING)
    memory.unlink()
    memory.mkdir()
    for _ in range(2):
        with pytest.raises(ApplianceError):
            settings.remember(LOOSE)
    assert settings.all() == (FORWARDING,)


@pytest.mark.parametrize("broken", ["", "{", "[]", "3", '{"name": 3}', '{"before": "1"}', '{"name": "a", "bef'])
def test_what_cannot_be_read_of_it_is_left_out(memory: Path, broken: str) -> None:
    memory.parent.mkdir()
    known = json.dumps({"name": LOOSE.name, "before": "0", "ours": "2", "index": 2})
    memory.write_text(f"{known}\n{broken}")
    assert ChangedSettings(memory).all() == (LOOSE,)


def settled(machine: MemoryMachine, *configurations: Appliance) -> None:
    reconciler = Reconciler(KINDS, sleep=lambda _: None)
    for configuration in configurations:
        outcomes = reconciler.reconcile(configuration, machine)
        assert [outcome for outcome in outcomes if outcome.state is not State.OK] == []


@pytest.fixture
def cloud() -> MemoryMachine:
    machine = MemoryMachine("eth0", "eth1")
    machine.links = {name: replace(link, index=at) for at, (name, link) in enumerate(machine.links.items(), 2)}
    machine.sysctls[RP_FILTER] = "0"
    return machine


def test_a_setting_is_what_it_was_when_nobody_wants_it_any_more(cloud: MemoryMachine) -> None:
    settled(cloud, policy("2"), policy("1"), NOTHING)
    assert cloud.sysctls[RP_FILTER] == "0"
    assert cloud.changed_settings == {}


def test_what_was_right_already_is_nobodys_to_put_back(cloud: MemoryMachine) -> None:
    cloud.sysctls[RP_FILTER] = "2"
    settled(cloud, policy("2"), NOTHING)
    assert cloud.log == []


def test_what_somebody_else_has_set_since_is_theirs(cloud: MemoryMachine) -> None:
    settled(cloud, policy("2"))
    cloud.sysctls[RP_FILTER] = "1"
    settled(cloud, NOTHING)
    assert cloud.sysctls[RP_FILTER] == "1"
    assert cloud.changed_settings == {}


def test_a_new_interface_of_that_name_keeps_its_own(cloud: MemoryMachine) -> None:
    settled(cloud, policy("2"))
    cloud.links["eth0"] = replace(cloud.links["eth0"], index=9)
    settled(cloud, NOTHING)
    assert cloud.sysctls[RP_FILTER] == "2"
    assert cloud.changed_settings == {}


def test_a_setting_that_went_with_its_interface_is_forgotten(cloud: MemoryMachine) -> None:
    settled(cloud, policy("2"))
    del cloud.links["eth0"], cloud.sysctls[RP_FILTER]
    settled(cloud, policy("2"))
    assert cloud.changed_settings == {}


def test_a_profile_that_has_no_say_any_more_leaves_nothing_behind(gateway: Appliance, machine: MemoryMachine) -> None:
    reconciler = Reconciler(KINDS, sleep=lambda _: None)
    before = dict(machine.sysctls)
    reconciler.reconcile(gateway, machine)
    assert machine.sysctls["net/ipv6/conf/all/forwarding"] == "1"
    reconciler.reconcile(gateway, machine)
    assert count(machine)[PutBackSysctl] == 0
    machine.log.clear()
    reconciler.reconcile(NOTHING, machine)
    assert {name: machine.sysctls[name] for name in before} == before
    put_back = [action.name for action in machine.log if isinstance(action, PutBackSysctl)]
    assert put_back[-1] == "net/ipv6/conf/all/forwarding", "it changes those of all interfaces"


def test_both_are_told(cloud: MemoryMachine) -> None:
    settled(cloud, policy("2"))
    assert [str(action) for action in cloud.log] == [f"set {RP_FILTER} to 2"]
    cloud.log.clear()
    settled(cloud, NOTHING)
    assert [str(action) for action in cloud.log] == [f"put {RP_FILTER} back to 0"]
