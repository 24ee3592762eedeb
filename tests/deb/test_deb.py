"""The package on both Debians that it is for, with their Python, their libraries and their systemd."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firstboot.managers import ifupdown
from firstboot.managers.detection import MANAGERS
from image import documents
from image.deb import daemon as deb
from image.lab.waiting import until
from image.manual.pages import PAGES
from image.recipe import PROJECT
from image.run import run
from tests.debians import EPOCH, RELEASES, copied

pytestmark = pytest.mark.container
RP_FILTER = "/proc/sys/net/ipv4/conf/{}/rp_filter"
EXAMPLE = "usr/share/doc/appliance/examples/appliance.yaml"

OWNED = [path for manager in MANAGERS.values() for path in manager.OWNED]
STANZA = "iface eth0 inet dhcp\n"

INSIDE = """
mount -t proc proc proc
echo 0 > proc/sys/net/ipv4/conf/default/rp_filter
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mkdir run/appliance
ip link set lo up
exec chroot . python3 -I /run.py
"""


@pytest.fixture(scope="module", params=RELEASES)
def debian(
    request: pytest.FixtureRequest, debian_root: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The root of a Debian with nothing but the package and what it needs."""
    return copied(debian_root(request.param), tmp_path_factory.mktemp("debian") / "root")


class Machine:
    """A network namespace in which the daemon of that Debian runs."""

    def __init__(self, root: Path, log: Path) -> None:
        script = Path(__file__).with_name("on_debian.py")
        (root / "run.py").write_bytes(script.read_bytes())
        self._log = log.open("wb")
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", INSIDE]
        self._process = subprocess.Popen(apart, cwd=root, stdin=subprocess.PIPE, stdout=self._log, stderr=self._log)

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(30) == 0, Path(self._log.name).read_text()
        self._log.close()

    def run(self, *argv: str) -> str:
        """A program of the host's in the namespaces of the daemon."""
        found = self._first(self._process.pid)
        return run(["nsenter", "--target", str(found), "--net", "--mount", "--pid", *argv])

    def status(self) -> dict[str, Any]:
        """What the daemon says; {} before it has said anything."""
        path = Path(f"/proc/{self._first(self._process.pid)}/root/run/appliance/status.json")
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @staticmethod
    def _first(pid: int) -> int:
        [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)


@pytest.fixture
def machine(debian: Path, tmp_path: Path) -> Iterator[Callable[[], Machine]]:
    """Start the daemon."""
    made: list[Machine] = []

    def start() -> Machine:
        made.append(Machine(debian, tmp_path / "daemon.log"))
        until(lambda: _has_said(made[-1]), "the daemon has looked", timeout_s=60)
        return made[-1]

    yield start
    for each in made:
        each.stop()


def _has_said(machine: Machine) -> bool:
    try:
        return bool(machine.status())
    except (ValueError, OSError):  # it is starting
        return False


def test_the_same_sources_give_the_same_package(package: Path, tmp_path: Path) -> None:
    assert deb.build(tmp_path, epoch=EPOCH).read_bytes() == package.read_bytes()


def test_it_brings_nothing_that_takes_a_machine_over(package: Path) -> None:
    """Of /etc one empty folder; no firewall, no name server, no ssh settings, no privileges; the LED is the owner's."""
    names = [line.split()[-1].removeprefix("./") for line in run(["dpkg-deb", "--contents", package]).splitlines()]
    assert [name for name in names if name.startswith("etc/")] == ["etc/", "etc/appliance/"]
    assert not [name for name in names if "image" in Path(name).parts]
    units = {Path(name).name for name in names if name.startswith("usr/lib/systemd/") and not name.endswith("/")}
    ours = {path.name for path in (PROJECT / "overlays/package/usr/lib/systemd/system").rglob("*") if path.is_file()}
    assert units == {*ours, "appliance.service"}
    assert "Wants=ufw" not in (PROJECT / "overlays/base" / deb.OF_THE_IMAGE[1]).read_text()


def test_it_brings_its_manual_and_what_shells_complete_it_by(package: Path, tmp_path: Path) -> None:
    """As they are made of the sources now: nothing that was made before lies anywhere."""
    run(["dpkg-deb", "--extract", package, tmp_path])
    for target, name in documents.OF_THE_PACKAGE.items():
        content = (tmp_path / target).read_bytes()
        assert (gzip.decompress(content) if target.endswith(".gz") else content).decode() == PAGES[name]()


def test_its_units_are_good_and_enabled(debian: Path) -> None:
    units = ["appliance.service", "appliance-config.path", "appliance-config.service"]
    # The pages that they name are in the package, but not in a Debian that leaves all pages out.
    said = run(["chroot", debian, "systemd-analyze", "verify", "--man=no", *units])
    assert said == ""
    wanted = {path.name for path in (debian / "etc/systemd/system/multi-user.target.wants").iterdir()}
    assert wanted >= {"appliance.service", "appliance-config.path"}


def test_its_example_is_done_with_this_debians_libraries(debian: Path, machine: Callable[[], Machine]) -> None:
    example = (debian / EXAMPLE).read_text()
    (debian / "etc/appliance/appliance.yaml").write_text(example)
    here = machine()
    assert (here.status()["state"], here.status()["profile"]) == ("ready", "custom")
    here.run("ip", "link", "add", "eth7", "type", "veth", "peer", "name", "far")
    until(lambda: here.run("cat", RP_FILTER.format("eth7")).strip() == "2", "the setting is made", timeout_s=10)


DEPRECATING = """
import sys
sys.path.insert(0, "/usr/lib/appliance")
from dataclasses import replace
from ipaddress import IPv6Interface
from firstboot.facts import OURS, Address
from firstboot.netlink import Netlink
netlink = Netlink()
for nth in (1, 2):
    own = Address("eth7", IPv6Interface(f"2001:db8::{nth}/64"), OURS, deprecated=nth == 1)
    netlink.add_address(own)
    netlink.add_address(replace(own, deprecated=nth == 2), replaces=True)
"""


def test_this_debians_netlink_library_deprecates_an_address(debian: Path, machine: Callable[[], Machine]) -> None:
    """Each version has its own idea of how that is asked for."""
    (debian / "etc/appliance/appliance.yaml").write_text((debian / EXAMPLE).read_text())
    here = machine()
    here.run("ip", "link", "add", "eth7", "type", "veth", "peer", "name", "far")
    here.run("chroot", str(debian), "python3", "-I", "-c", DEPRECATING)
    [link] = json.loads(here.run("ip", "-json", "-6", "address", "show", "dev", "eth7"))
    deprecated = {each["local"] for each in link["addr_info"] if each.get("preferred_life_time") == 0}
    assert deprecated == {"2001:db8::2"}


@pytest.mark.parametrize("config", ["profile: gateway\n", "profile: custom\nroutin: x\n", ""])
def test_without_a_configuration_for_it_nothing_is_done(
    debian: Path, machine: Callable[[], Machine], config: str
) -> None:
    (debian / "etc/appliance/appliance.yaml").write_text(config)
    (debian / "var/lib/appliance/last-good.yaml").unlink(missing_ok=True)
    here = machine()
    assert (here.status()["state"], here.status()["profile"]) == ("config-error", "custom")
    assert not [kind for kind in here.status()["kinds"] if kind["done"]]


def test_it_goes_as_it_came(debian: Path) -> None:
    """With what the daemon wrote for network managers, and nothing that others did."""
    assert sorted(map(str, OWNED)) == sorted(deb.MANAGERS_FILES)
    written = [debian / str(path).lstrip("/").replace("*", "eth0") for path in OWNED]
    main, others = debian / "etc/network/interfaces", written[0].with_name("others")
    for path in (*written, main, others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STANZA + f"    {ifupdown.MARK}\n    metric 1000\n    mtu 1400\n")
    run(["chroot", debian, "apt-get", "purge", "--yes", "appliance"])
    assert not (debian / "usr/lib/appliance").exists() and not (debian / "var/lib/appliance").exists()
    assert not [path for path in written if path.exists()] and others.exists()
    assert main.read_text() == STANZA + "    mtu 1400\n"
    wanted = {path.name for path in (debian / "etc/systemd/system/multi-user.target.wants").iterdir()}
    assert not wanted & {"appliance.service", "appliance-config.path"}
