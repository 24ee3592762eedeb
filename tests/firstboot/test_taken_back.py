"""What was taken back is gone from the machine, and not from the status alone."""

from __future__ import annotations

from copy import deepcopy
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from firstboot import actions
from firstboot.facts import OURS, Address, Link, Route, Rule
from firstboot.kind import FileState
from firstboot.management import Connection, Visits
from firstboot.managers import ifupdown
from firstboot.managers.detection import MANAGERS
from firstboot.paths import ETC
from firstboot.resources.cable import TOLD
from firstboot.resources.given_back import UFW
from firstboot.trial import CONFIRM_S, RESUMED_S
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.passing import MemoryHost, Site
from tests.firstboot.test_ranked_uplinks import Managed

GATEWAY = (EXAMPLES / "gateway.yaml").read_text()
OWN, PEER = IPv4Interface("192.168.1.252/24"), IPv4Address("192.168.1.50")
CUT_OFF = "nobody reached this machine by ssh over eth0 any more"
WENT_DOWN = "the machine went down 2 times while it was tried"

STATE = (
    "links",
    "addresses",
    "routes",
    "files",
    "kernel_name",
    "kernel_rules",
    "nm_config",
    "active_units",
    "profiles",
)


def state(host: MemoryHost, *settings: str) -> dict[str, Any]:
    """All of the machine that the daemon has a hand in. `settings`: the names of those to be compared.

    What the LAN was told last is a memory: it may say otherwise where nothing of it had to be told.
    """
    found = {name: getattr(host, name) for name in STATE}
    found["files"] = {path: file for path, file in host.files.items() if path != TOLD}
    unordered = {name: sorted(map(str, value)) for name, value in found.items() if isinstance(value, list)}
    return {**found, **unordered, "settings": {name: host.sysctl(name) for name in settings}}


def assert_is_as(before: MemoryHost, host: MemoryHost) -> None:
    names = sorted(host.sysctls | before.sysctls)
    assert state(host, *names) == state(before, *names)


def tried(site: Site, config: str) -> MemoryHost:
    """Put a configuration on trial; the machine as it was before."""
    before = deepcopy(site.host)
    site.card.write_text(config)
    site.make()
    assert site.status()["trial"]
    assert state(site.host) != state(before)
    return before


def edited(content: str, edits: dict[str, str]) -> str:
    for old, new in edits.items():
        assert old in content
        content = content.replace(old, new)
    return content


class TestAnImage:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
        """Somebody is connected, and is not heard of any more: the session stands while the address does."""
        made = Site(tmp_path, monkeypatch)
        made.host.links["eth1"] = Link("eth1", up=True, carrier=True)
        made.card.write_text(GATEWAY)
        made.make()
        made.make()
        assert made.kept.read_text() == GATEWAY
        session = (Connection(OWN.ip, PEER, 0, 900.0),)
        made.host.visited = lambda: Visits(made.host.facts(), connections=session)
        return made

    @pytest.mark.parametrize(
        "edits",
        [
            {"192.168.1.": "192.168.9."},
            {"192.168.1.252": "192.168.1.251", "ipv6gw": "newname", "[1.1.1.1, 8.8.8.8]": "[9.9.9.9]"},
            {"192.168.1.252": "192.168.1.251", "198.51.100.100": "198.51.100.101", "123d": "123e", "123c": "123f"},
            {"192.168.1.252": "192.168.1.251", "localnet": "elsewhere", "[80, 443]": "[22]", "me@laptop": "you@desk"},
            {"eth0": "eth1"},
        ],
        ids=["network", "name", "tunnel", "services", "interface"],
    )
    @pytest.mark.parametrize("restarts", range(3))
    def test_is_as_it_was(self, site: Site, edits: dict[str, str], restarts: int) -> None:
        before = tried(site, edited(GATEWAY, edits))
        for _ in range(restarts):
            site.start()
            site.make()
        site.make(RESUMED_S if restarts else CONFIRM_S)
        assert site.status()["configuration"] == "last good configuration"
        assert site.status()["refused"] == (CUT_OFF if restarts < 2 else WENT_DOWN)
        site.make()
        assert_is_as(before, site.host)

    def test_is_as_it_was_before_two_that_did_not_work(self, site: Site) -> None:
        before = tried(site, edited(GATEWAY, {"eth0": "eth1"}))
        site.card.write_text(edited(GATEWAY, {"192.168.1.252": "192.168.1.251"}))
        site.make()
        site.make(CONFIRM_S)
        assert site.status()["refused"] == CUT_OFF
        assert_is_as(before, site.host)

    def test_has_nothing_of_one_that_another_was_tried_and_kept_instead_of(self, site: Site) -> None:
        before = tried(site, edited(GATEWAY, {"eth0": "eth1"}))
        site.card.write_text(edited(GATEWAY, {"ipv6gw": "newname"}))
        site.make()
        assert site.kept.read_bytes() == site.card.read_bytes()
        assert site.host.kernel_name == "newname"
        assert {name: site.host.sysctl(name) for name in site.host.sysctls} == {
            name: before.sysctl(name) for name in site.host.sysctls
        }

    def test_is_as_it_was_when_the_old_one_is_saved_again(self, site: Site) -> None:
        before = tried(site, edited(GATEWAY, {"eth0": "eth1"}))
        site.card.write_text(GATEWAY)
        site.make()
        assert not site.status()["trial"]
        assert_is_as(before, site.host)

    def test_does_without_an_interface_that_has_gone(self, site: Site) -> None:
        tried(site, edited(GATEWAY, {"eth0": "eth1"}))
        site.host.execute(actions.SetSysctl("net/ipv4/ip_forward", "1", before="0"))
        del site.host.links["eth1"]
        for name in [name for name in site.host.sysctls if "/eth1/" in name]:
            del site.host.sysctls[name]
        site.make(CONFIRM_S)
        assert (site.status()["state"], site.status()["failure"]) == ("config-error", "")
        assert site.host.sysctl("net/ipv4/ip_forward") == "0"


RP_FILTER = "net/ipv4/conf/eth0/rp_filter"
POLICIES = """\
profile: custom
routing:
  tables: [{lookup: 2-252, ensure: default-route}]
  sysctl: [{interface: eth0, set: {net.ipv4.conf.eth0.rp_filter: 1}}]
"""
IN_VAIN = "  - {interface: eth0, set: {net.nonsense: 1}}\n"
NO_SUCH_SETTING = "policy-sysctls: the kernel has no setting net/nonsense"


class TestAMachineThatIsItsOwners:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
        made = Site(tmp_path, monkeypatch, custom=MemoryHost())
        host, everywhere = made.host, IPv4Network("0.0.0.0/0")
        host.links["eth0"] = Link("eth0", up=True, carrier=True)
        host.addresses = [Address("eth0", OWN)]
        host.routes = [Route(everywhere, "eth0", IPv4Address("192.168.1.254"), 100)]
        host.rules_of_tables = [Rule(4, table, interface="eth0") for table in (7, 70)]
        host.sysctls[RP_FILTER] = "2"
        return made

    def tables(self, site: Site) -> list[int]:
        return [route.table for route in site.host.routes if route.protocol == OURS]

    @pytest.mark.parametrize("restarts", range(3))
    def test_the_first_one_leaves_nothing_behind(self, site: Site, restarts: int) -> None:
        before = tried(site, POLICIES.replace("eth0.rp_filter: 1", "eth0.rp_filter: 1, net.nonsense: 1"))
        assert (self.tables(site), site.host.sysctl(RP_FILTER)) == ([7, 70], "1")
        for _ in range(restarts):
            site.start()
            site.make()
        site.make(RESUMED_S)
        assert site.status()["configuration"] == "empty configuration (nothing is done)"
        assert site.status()["refused"] == (NO_SUCH_SETTING if restarts < 2 else WENT_DOWN)
        assert (self.tables(site), site.host.sysctl(RP_FILTER)) == ([], "2")
        assert_is_as(before, site.host)

    def test_another_one_leaves_what_the_last_good_one_wants(self, site: Site) -> None:
        site.card.write_text(POLICIES.replace("2-252", "2-9"))
        site.make()
        assert site.kept.exists()
        before = tried(site, POLICIES.replace("rp_filter: 1", "rp_filter: 0, net.nonsense: 1"))
        assert (self.tables(site), site.host.sysctl(RP_FILTER)) == ([7, 70], "0")
        site.make(CONFIRM_S)
        assert site.status()["refused"] == NO_SUCH_SETTING
        assert (self.tables(site), site.host.sysctl(RP_FILTER)) == ([7], "1")
        assert_is_as(before, site.host)


REFUSED = "the firewall lets in no new ssh connection from {} over eth0 (firewall.management.ssh_from says from where)"
FORMER = {
    ETC / "ufw/before.rules": b"# ufw's own\n",
    ETC / "ufw/before6.rules": b"# ufw's own\n",
    ETC / "ufw/ufw.conf": b"ENABLED=no\nLOGLEVEL=low\n",
    ETC / "default/ufw": b'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_FORWARD_POLICY="DROP"\n',
    ETC / "hostname": b"raspberrypi\n",
    ETC / "hosts": b"127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
}


def assert_is_given_back(before: MemoryHost, host: MemoryHost) -> None:
    """What services read last is in /run, and goes with the power."""
    before.kernel_rules = {4: "", 6: ""}
    before.active_units |= {UFW}
    host.files = {path: file for path, file in host.files.items() if not path.is_relative_to("/run")}
    assert_is_as(before, host)
    assert not host.former_files


class TestAMachineThatAPackageTakesOver:
    """`ssh.authorized_keys` is not done there."""

    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
        made = Site(tmp_path, monkeypatch, custom=MemoryHost())
        made.profiles.mkdir(parents=True)
        (made.profiles / "gateway").touch()
        host = made.host
        host.links["eth0"] = Link("eth0", up=True, carrier=True)
        host.addresses = [Address("eth0", OWN)]
        host.routes = [Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254"), 100)]
        host.files = {path: FileState(content, 0o644) for path, content in FORMER.items()}
        return made

    def visited(self, site: Site, peer: str) -> None:
        """Somebody is connected all the time, and heard."""
        session = (Connection(OWN.ip, IPv4Address(peer), 0, 0.0),)
        site.host.visited = lambda: Visits(site.host.facts(), connections=session)

    def test_who_could_come_back_keeps_it(self, site: Site) -> None:
        self.visited(site, str(PEER))
        site.card.write_text(GATEWAY)
        site.make()
        assert site.kept.read_text() == GATEWAY
        assert site.host.kernel_rules[4] and site.host.files[ETC / "ufw/ufw.conf"].content != b"ENABLED=no\n"

    @pytest.mark.parametrize("restarts", range(3))
    def test_who_could_not_has_it_taken_back(self, site: Site, restarts: int) -> None:
        """The connection goes on, as the firewall knows it; the next one would not."""
        self.visited(site, "203.0.113.9")
        before = tried(site, GATEWAY)
        for _ in range(restarts):
            site.start()
            site.make()
        site.make(RESUMED_S)
        assert site.status()["configuration"] == "empty configuration (nothing is done)"
        assert site.status()["refused"] == (REFUSED.format("203.0.113.9") if restarts < 2 else WENT_DOWN)
        site.make()
        assert_is_given_back(before, site.host)

    def test_what_goes_with_the_package_is_as_it_was(self, site: Site) -> None:
        before = deepcopy(site.host)
        site.card.write_text(GATEWAY)
        site.make()
        (site.profiles / "gateway").unlink()
        site.start()
        site.make()
        assert "needs the package appliance-gateway" in site.status()["problems"][0]["message"]
        assert_is_given_back(before, site.host)

    @pytest.mark.parametrize(
        ("before", "added", "after"),
        [
            ("127.0.0.1 localhost\n", "", "127.0.0.1 localhost\n"),
            ("", "192.0.2.1 x\n", "127.0.1.1\traspberrypi\n192.0.2.1 x\n"),
        ],
        ids=["nobody else", "somebody else"],
    )
    def test_of_the_names_of_hosts_one_line_is_ours(self, site: Site, before: str, added: str, after: str) -> None:
        hosts, files = ETC / "hosts", site.host.files
        files[hosts] = FileState(before.encode(), 0o644)
        site.card.write_text(GATEWAY)
        site.make()
        files[hosts] = FileState(files[hosts].content + added.encode(), 0o644)
        site.card.write_text("profile: custom\nrouting: {}\n")
        site.make()
        assert sorted(files[hosts].content.decode().splitlines()) == sorted(after.splitlines())

    def test_somebody_elses_resolver_stays(self, site: Site) -> None:
        site.card.write_text(GATEWAY)
        site.make()
        theirs = FileState(b"nameserver 192.0.2.53\n", 0o644)
        site.host.files[ETC / "resolv.conf"] = theirs
        site.card.write_text("profile: custom\nrouting: {}\n")
        site.make()
        assert site.host.files[ETC / "resolv.conf"] == theirs


class ManagedHost(MemoryHost, Managed):
    """With a network manager."""


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_network_manager_has_nothing_left_of_ours(
    manager: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, monkeypatch, custom=ManagedHost(manager))
    if manager == ifupdown.NAME:  # which does not take down what nobody tells it of any more
        stanzas = "".join(f"iface {name} inet dhcp\n" for name in site.host.links)
        site.host.files[ifupdown.MAIN] = FileState(stanzas.encode(), 0o644)
    policy = "routing: {sysctl: [{interface: enp0s8, set: {net.nonsense: 1}}]}\n"
    before = tried(site, (EXAMPLES / "uplinks.yaml").read_text() + policy)
    assert site.host.files != before.files
    site.make(RESUMED_S)
    assert site.status()["refused"] == NO_SUCH_SETTING
    assert_is_as(before, site.host)
