"""The daemon's own loop: what somebody takes away is back at once, and nobody has to ask."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from firstboot import trial
from firstboot.host import Host
from firstboot.intent import seen
from firstboot.kinds import KINDS
from firstboot.passes import Passed, Passes
from firstboot.reconcile import State
from firstboot.sources import Source
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace
from tests.netns.policies import FOREIGN, Site

pytestmark = pytest.mark.netns

IN_TABLE_7 = "rule add from 10.0.1.9 table 7\nroute add 10.0.1.0/24 dev eni1 table 7"


@pytest.fixture
def site(namespace: Namespace) -> Iterator[Site]:
    made = Site(namespace)
    yield made
    made.close()


@pytest.fixture
def living(site: Site, tmp_path: Path) -> Iterator[Living]:
    config = (EXAMPLES / "policies.yaml").read_text(encoding="utf-8")
    with Living(site.namespace, tmp_path, config) as made:
        made.rested()
        yield made


def says(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def has_default(site: Site, table: int) -> bool:
    return any("default" in line and "proto 97" in line for line in site.routes(table))


def test_a_rule_its_route_and_its_link_are_followed(living: Living, site: Site) -> None:
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    site.ip("route del default table 7")
    assert soon(lambda: has_default(site, 7))
    site.ip("link set eni1 down")
    assert soon(lambda: not has_default(site, 7))
    site.ip("link set eni1 up\nroute add default via 10.0.1.1 dev eni1\nroute add 10.0.1.0/24 dev eni1 table 7")
    assert soon(lambda: has_default(site, 7))
    site.ip("rule del from 10.0.1.9 table 7")
    assert soon(lambda: not has_default(site, 7))


def test_a_setting_is_put_back_and_a_new_interface_gets_it(living: Living, site: Site) -> None:
    def value(name: str) -> str:
        return site.namespace.program("sysctl", "-n", f"net/ipv4/conf/{name}/rp_filter").strip()

    site.namespace.program("sysctl", "-q", "net/ipv4/conf/eni1/rp_filter=0")
    assert soon(lambda: value("eni1") == "2")
    site.ip("link add eni3 type veth peer name far3")
    assert soon(lambda: value("eni3") == "2")


def test_another_appliance_yaml_is_read_when_it_has_been_saved(living: Living, site: Site) -> None:
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    with living.file.open("a", encoding="utf-8") as file:
        file.write("#")
    living.rested()
    config = living.file.read_text(encoding="utf-8").replace("lookup: 2-252", "lookup: 9-252")
    living.file.write_text(config, encoding="utf-8")
    assert soon(lambda: not has_default(site, 7))


def replaced(file: Path, content: str) -> None:
    """As many editors save it."""
    new = file.with_name("new")
    new.write_text(content, encoding="utf-8")
    new.rename(file)


def written(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("save", [written, replaced])
def test_what_is_saved_once_is_applied_once(living: Living, save: Callable[[Path, str], None]) -> None:
    applied, passes = len(living.daemon.applied), len(living.daemon.ended)
    save(living.file, living.file.read_text(encoding="utf-8").replace("lookup: 2-252", "lookup: 9-252"))
    living.rested()
    assert len(living.daemon.applied) == applied + 1
    assert len(living.daemon.ended) <= passes + 2, "and once more when it is kept"


def test_what_is_saved_during_the_first_pass_is_noticed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing else leads to another one, as all is right from the beginning."""
    with Living(site.namespace, tmp_path, (EXAMPLES / "policies.yaml").read_text(encoding="utf-8")) as before:
        before.rested()
    config, make = (EXAMPLES / "policies.yaml").read_text(encoding="utf-8"), Passes.make

    def made(passes: Passes, host: Host, changed: Source) -> Passed:
        passed = make(passes, host, changed)
        if passes.configurations.file.read_text(encoding="utf-8") == config:
            written(passes.configurations.file, config.replace("lookup: 2-252", "lookup: 9-252"))
        return passed

    monkeypatch.setattr(Passes, "make", made)
    with Living(site.namespace, tmp_path, config) as living:
        assert soon(lambda: len(living.daemon.applied) == 2)


MISTAKE = """\
        net.ipv4.conf.{interface}.log_martians: 1
        net.nonsense: 1
"""


def with_a_mistake(config: str) -> str:
    """One that does something, and cannot be made true."""
    setting = "        net.ipv4.conf.{interface}.rp_filter: 2\n"
    assert setting in config
    return config.replace(setting, setting.replace("2", "1") + MISTAKE)


def kernel(site: Site) -> list[str]:
    """All that the daemon has a hand in."""
    names = [f"net/ipv4/conf/eni1/{name}" for name in ("rp_filter", "log_martians")]
    ours = site.namespace.program("ip", "route", "show", "table", "all", "proto", "97").splitlines()
    return [*site.state(), *ours, site.namespace.program("sysctl", *names)]


def test_what_is_taken_back_is_gone_from_the_kernel(
    living: Living, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "CONFIRM_S", 0.5)
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    living.rested()
    before, config = kernel(site), living.file.read_text(encoding="utf-8")
    written(living.file, with_a_mistake(config).replace("lookup: 2-252", "lookup: 9-252"))
    assert soon(lambda: not has_default(site, 7) and "log_martians = 1" in kernel(site)[-1])
    assert soon(lambda: kernel(site) == before)
    living.rested()
    assert kernel(site) == before


def test_a_first_one_that_is_taken_back_leaves_nothing_in_the_kernel(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "RESUMED_S", 0.5)
    site.ip(IN_TABLE_7)
    before, config = kernel(site), (EXAMPLES / "policies.yaml").read_text(encoding="utf-8")
    with Living(site.namespace, tmp_path, with_a_mistake(config), custom=True) as living:
        assert has_default(site, 7) and "log_martians = 1" in kernel(site)[-1]
        assert soon(lambda: kernel(site) == before)
        living.rested()
        assert kernel(site) == before


def test_a_fight_is_noticed_and_ended(living: Living, site: Site) -> None:
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    guilty, innocent = (site.namespace.call(site.namespace.begin, "ip", "-force", "-batch", "-") for _ in range(2))
    fights = 0
    while has_default(site, 7):
        says(innocent, "route add 10.9.0.0/16 dev eni1 table 7 proto 97")
        says(guilty, "route del default table 7 proto 97")
        says(innocent, "route del 10.9.0.0/16 dev eni1 table 7")
        fights += 1
        assert fights < 20
        time.sleep(0.1)
        soon_again = time.monotonic() + 1
        while not has_default(site, 7) and time.monotonic() < soon_again:
            time.sleep(0.01)
    living.rested()
    held = living.daemon.outcomes["route-tables"]
    for process in (guilty, innocent):
        process.communicate()
    assert held.state is State.WAITING
    assert held.error.startswith(f"ip (process {guilty.pid}")
    assert "keeps changing 0.0.0.0/0 metric 97 in table 7; it is left alone for" in held.error


def test_a_storm_of_foreign_routes_makes_no_pass_and_hides_nothing(living: Living, site: Site) -> None:
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    living.rested()
    before = len(living.daemon.ended)
    for word in ("add", "del"):
        site.ip("\n".join(f"route {word} 10.{a}.{b}.0/24 dev eni2" for a in range(100, 200) for b in range(50)))
    living.rested()
    assert len(living.daemon.ended) == before
    site.ip("route del default table 7")
    assert soon(lambda: has_default(site, 7))


def test_foreign_things_are_left_alone_while_all_that_happens(living: Living, site: Site) -> None:
    site.ip(FOREIGN)
    living.rested()
    before = site.state()
    site.ip(IN_TABLE_7)
    assert soon(lambda: has_default(site, 7))
    site.ip("route del default table 7")
    assert soon(lambda: has_default(site, 7))
    site.ip("rule del from 10.0.1.9 table 7\nroute del 10.0.1.0/24 dev eni1 table 7")
    assert soon(lambda: not has_default(site, 7))
    living.rested()
    assert site.state() == before


def reacting(site: Site, folder: Path, *command: str) -> Living:
    policy = {"interface": "eni*", "settle": "0s", "at_most_every": "0s", "run": ["/bin/sh", "-c", "; ".join(command)]}
    config = {"profile": "custom", "routing": {"on_interface_change": [policy]}}
    return Living(site.namespace, folder, json.dumps(config))


def test_a_command_is_run_when_interfaces_come_and_nobody_waits_for_it(site: Site, tmp_path: Path) -> None:
    done = tmp_path / "done"
    with reacting(
        site, tmp_path, f"echo it is said; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; touch {done}"
    ) as living:
        living.rested()
        site.ip("link add eni7 type veth peer name far7")
        assert soon(lambda: "it is under way" in living.daemon.outcomes["reactions"].error)
        living.rested()
        assert not done.exists()
        (tmp_path / "go").touch()
        assert soon(lambda: done.exists() and living.daemon.outcomes["reactions"].state is State.OK)
        assert "it is said" not in repr(living.daemon.outcomes)


def test_a_command_that_changes_what_it_is_run_for_is_no_endless_loop(site: Site, tmp_path: Path) -> None:
    again = "ip link del eni7; ip link add eni7 type veth peer name far7"
    with reacting(site, tmp_path, f"echo >> {tmp_path}/times; {again}") as living:
        living.rested()
        site.ip("link add eni7 type veth peer name far7")
        time.sleep(6)
        assert 3 <= (tmp_path / "times").stat().st_size <= 4, "at 0, 1, 3, 7 s"
        error = living.daemon.outcomes["reactions"].error
        assert "each time that it is done these interfaces change, " in error


def test_to_look_on_is_to_change_nothing(site: Site, memory_of_its_own: Path) -> None:
    """What a policy means is remembered by a pass, and by nobody who asks what one would do."""
    kind = next(kind for kind in KINDS if kind.name == "reactions")
    (change,) = seen(site.appliance, kind, site.host.aside()).changes
    assert change.have is None
    assert site.host.reactions() == {}
    assert not memory_of_its_own.exists()
    site.look_after()
    assert memory_of_its_own.exists()
    assert seen(site.appliance, kind, site.host.aside()).changes == ()


def test_who_asks_all_the_time_makes_no_pass_and_slows_none(living: Living, site: Site) -> None:
    tables = range(7, 16)
    site.ip("\n".join(f"rule add from 10.0.1.9 table {table}" for table in tables))
    site.ip("\n".join(f"route add 10.0.1.0/24 dev eni1 table {table}" for table in tables))
    assert soon(lambda: all(has_default(site, table) for table in tables))
    living.rested()
    passes, stop = len(living.daemon.ended), threading.Event()
    with ThreadPoolExecutor() as askers:
        asking = [askers.submit(ask, living, thing, stop) for thing in ("", "", "eni1", "routing")]
        time.sleep(1.0)
        passes_since = len(living.daemon.ended) - passes
        repaired_s = sorted(repair_s(living, site, table) for table in tables)
        stop.set()
    assert all(each.result() for each in asking)
    assert passes_since == 0
    assert repaired_s[len(tables) // 2] < 1.0, repaired_s


def ask(living: Living, thing: str, stop: threading.Event) -> int:
    """How often somebody was answered who asks again at once."""
    answered = 0
    while not stop.is_set():
        living.asked(thing).result()
        answered += 1
    return answered


def repair_s(living: Living, site: Site, table: int) -> float:
    """How long a table's default route is away, in seconds."""
    before = len(living.daemon.repairs)
    began = time.monotonic()
    site.ip(f"route del default table {table} proto 97")
    assert soon(lambda: len(living.daemon.repairs) > before)
    ended, _ = living.daemon.repairs[-1]
    living.rested(0.2)
    return ended - began
