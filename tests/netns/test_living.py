"""The daemon's own loop: what somebody takes away is back at once, and nobody has to ask."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firstboot.reconcile import State
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.policies import FOREIGN, Site

pytestmark = pytest.mark.netns

SOON_S = 3.0
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


def soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


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
