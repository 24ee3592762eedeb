"""The packages of the profiles, in both Debians that they are for, booted by their own systemd, with their own ufw,
NetworkManager, dnsmasq and lighttpd: what they bring, that it works, and that the machine is its owner's again.

Not every kernel has the module `sit` or configfs: there is no tunnel then, and no gadget, and all else is there.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from firstboot import dhcp
from firstboot.former_files import FormerFiles
from image.deb import profiles
from image.deb.profiles import OF_BOTH, OF_EVERY_BASE, UNITS, USEFUL
from image.debian.packages import DEBIAN_BASE
from image.lab.waiting import until
from image.recipe import PROJECT
from image.run import run
from tests.debians import EPOCH, GADGET, GATEWAY, RELEASES, copied
from tests.managers.debian import Debian, prepare
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.container

LAN, NEIGHBOUR, UPLINK, ROUTER = "192.168.2.1", "192.168.2.9", "10.0.2.50", "10.0.2.2"
CONFIG = "etc/appliance/appliance.yaml"
POLICIES = "profile: custom\nrouting: {sysctl: [{interface: enp0s9, set: {net.ipv4.conf.enp0s9.rp_filter: 2}}]}\n"
GATEWAY_CONFIG = f"""\
profile: gateway
hostname: ipv6gw
uplink: {{interface: enp0s3, address: {UPLINK}/24, gateway: {ROUTER}, dns: [{ROUTER}]}}
tunnel: {{server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}}
lan: {{interface: enp0s8, address: {LAN}/24, domain: localnet, dhcp4: {{range: 192.168.2.100-192.168.2.200}}}}
"""
GADGET_CONFIG = "profile: gadget\nhostname: pigadget\ngadget: {network: 10.55.0.1/28, share: local, functions: [ecm]}\n"
TUNNEL = "he-ipv6"
NO_TUNNEL = {"tunnel", "tunnel-sysctls", "reach"}
NO_GADGET = {"gadget", "bridge", "addresses", "units", "cable"}
"""Kinds that need modules which not every kernel has, and those about what is on a gadget."""
PATIENCE_S = 90.0

APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--no-install-recommends")
"""All that it needs is downloaded."""
FILES = (
    "cd /etc; sha256sum ufw/* default/ufw hostname; ls /etc/appliance /etc/NetworkManager/conf.d; hostname; "
    "for of in iptables ip6tables; do $of-save | sed -n 's/ \\[.*//; /^-A/p; /^:.* -/p; /DROP$/p'; done; ufw status"
)
"""What tells a machine that is taken over: its files, and its rules."""


def install(root: Path, *packages: str) -> None:
    """In a root that does not run."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    run(["chroot", root, *APT, "install", *(f"/{name}" if name.endswith(".deb") else name for name in packages)])
    policy.unlink()


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def installed(
    release: str, debian_root: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A root with the gateway's package, that nothing runs in."""
    root = copied(debian_root(release), tmp_path_factory.mktemp("debian") / "root")
    install(root, GATEWAY)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def debian(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """The same, booted, with routing policies; its owner's ufw is on, and lets ssh in."""
    root = copied(installed, tmp_path_factory.mktemp("booted") / "root")
    (root / CONFIG).write_text(POLICIES)
    prepare(root)
    booted = Debian(root, root.with_name("log"), "networkmanager")
    try:
        booted.wait()
        until(lambda: booted.status().get("state") == "ready", "the daemon has looked", timeout_s=PATIENCE_S)
        booted.run("ufw", "allow", "22/tcp")
        booted.run("ufw", "--force", "enable")
        yield booted
    finally:
        booted.close()
        shutil.rmtree(root)


def change(debian: Debian, config: str, state: Callable[[dict[str, object]], bool], what: str) -> None:
    """Save a configuration, and wait until the status is so."""
    debian.run("sh", "-c", f"cat >/{CONFIG}.new <<'END'\n{config}END\nmv /{CONFIG}.new /{CONFIG}")
    until(lambda: state(debian.status()), what, timeout_s=PATIENCE_S)


def unfinished(debian: Debian) -> set[str]:
    """The kinds that are not right."""
    return {kind["kind"] for kind in debian.status()["kinds"] if kind["state"] != "ok"}


def is_open(namespace: Namespace, address: str, port: int) -> bool:
    """Whether somebody there answers who connects from that namespace."""

    def connects() -> bool:
        with closing(socket.socket()) as sock:
            sock.settimeout(1.0)
            return sock.connect_ex((address, port)) == 0

    return namespace.call(connects)


@pytest.mark.parametrize("profile", ["gateway", "gadget"])
def test_the_same_sources_give_the_same_package(profile: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    package = request.getfixturevalue(f"{profile}_package")
    assert profiles.build(profile, tmp_path, epoch=EPOCH).read_bytes() == package.read_bytes()


def test_what_images_have_of_debian_is_needed() -> None:
    assert {*OF_EVERY_BASE, *USEFUL} <= set(DEBIAN_BASE)


@pytest.mark.parametrize("profile", ["gateway", "gadget"])
def test_it_brings_what_an_image_has_and_nothing_that_is_its_owners(
    profile: str, request: pytest.FixtureRequest
) -> None:
    """All units of both overlays, but for the host keys'; nothing below /etc."""
    package = request.getfixturevalue(f"{profile}_package")
    names = [line.split()[5].removeprefix("./") for line in run(["dpkg-deb", "--contents", package]).splitlines()]
    assert not [name for name in names if name.startswith("etc/")]
    trees = [PROJECT / "overlays" / tree for tree in ("base", profile)]
    of_images = {str(path.relative_to(tree)) for tree in trees for path in tree.rglob("*") if not path.is_dir()}
    units = {name for name in of_images if name.startswith("usr/lib/systemd/system/")}
    daemons = {f"usr/lib/systemd/system/appliance{name}.service" for name in ("", "-host-keys")}
    assert {name for name in names if name.startswith("usr/lib/systemd/system/") and Path(name).suffix} == {
        *(units - daemons),
        "usr/lib/systemd/system/appliance.service.d/",
    }
    assert set(OF_BOTH) <= of_images & set(names)


def test_units_are_enabled_as_in_an_image(installed: Path, release: str) -> None:
    said = run(["chroot", installed, "systemd-analyze", "verify", "--man=no", *UNITS, "appliance-lighttpd.service"])
    assert said == ""
    units = installed / "etc/systemd/system"
    wanted = {path.name for path in (units / "multi-user.target.wants").iterdir()}
    assert wanted >= {*UNITS, "appliance.service", "ufw.service"}
    assert (units / "lighttpd.service").readlink() == Path("/dev/null")


def test_lighttpd_that_is_in_use_stays_so(release: str, debian_root: Callable[[str], Path], tmp_path: Path) -> None:
    root = copied(debian_root(release), tmp_path / "root")
    install(root, "lighttpd")
    install(root, GATEWAY)
    assert not (root / "etc/systemd/system/lighttpd.service").is_symlink()
    run(["chroot", root, *APT, "purge", "appliance-gateway"])
    assert (root / "etc/systemd/system/multi-user.target.wants/lighttpd.service").is_symlink()


def test_where_nothing_runs_files_are_put_back_as_well(installed: Path, tmp_path: Path) -> None:
    """As in an image of somebody else's that is being made."""
    root = copied(installed, tmp_path / "root")
    path = Path("/etc/ufw/ufw.conf")
    before = (root / "etc/ufw/ufw.conf").read_text()
    program = f"""
import sys
sys.path.insert(0, "/usr/lib/appliance")
from pathlib import Path
from firstboot.former_files import FormerFiles
FormerFiles(Path("/var/lib/appliance/former-files.json")).keep(Path("{path}"))
"""
    run(["chroot", root, "python3", "-I", "-c", program])
    (root / "etc/ufw/ufw.conf").write_text("ENABLED=yes\n")
    (root / "etc/appliance/dnsmasq.conf").touch()
    run(["chroot", root, *APT, "remove", "appliance-gateway"])
    assert (root / "etc/ufw/ufw.conf").read_text() == before
    assert not (root / "etc/appliance/dnsmasq.conf").exists()
    assert FormerFiles(root / "var/lib/appliance/former-files.json").all() == ()


def stand_in_for_a_tunnel(debian: Debian) -> None:
    """Where the kernel has none: an interface of that name, which the rest is put on.

    NetworkManager would take it down, had it not been told before.
    """
    if debian.ask("ip", "link", "add", "probe", "type", "sit", "remote", "192.0.2.1").returncode == 0:
        debian.run("ip", "link", "del", "probe")
        return
    debian.run("ip", "link", "add", TUNNEL, "type", "veth", "peer", "name", "far")
    for name in (TUNNEL, "far"):
        debian.run("ip", "link", "set", name, "up")


def test_the_gateway_serves_its_lan_and_is_closed_to_the_outside(debian: Debian) -> None:
    before = debian.run("sh", "-c", FILES)
    change(debian, GATEWAY_CONFIG, lambda told: told["profile"] == "gateway", "it is a gateway")
    debian.run("appliance", "confirm")
    until(lambda: not debian.status()["trial"], "it is kept", timeout_s=PATIENCE_S)
    stand_in_for_a_tunnel(debian)
    until(lambda: unfinished(debian) <= NO_TUNNEL, "all but the tunnel is right", timeout_s=PATIENCE_S)
    assert f"default from 2001:db8:123d:abc::/64 dev {TUNNEL}" in debian.run("ip", "-6", "route")
    outside = debian.outside
    outside.program("ip", "address", "add", f"{NEIGHBOUR}/24", "dev", "enp0s8")
    until(lambda: outside.call(dhcp.offers, "enp0s8", IPv4Address(LAN)), "DHCP answers", timeout_s=PATIENCE_S)
    assert is_open(outside, LAN, 53)
    assert "ipv6gw" in outside.program("curl", "--silent", "--show-error", "--max-time", "5", f"http://{LAN}/")
    assert debian.run("hostname").strip() == "ipv6gw"
    assert [is_open(outside, UPLINK, port) for port in (53, 80)] == [False, False]
    assert debian.run("sh", "-c", FILES) != before


def test_what_does_not_become_right_is_taken_back_and_the_machine_is_as_before(debian: Debian) -> None:
    """The owner's ufw is on again, with the owner's rules."""
    change(debian, POLICIES, lambda told: told["profile"] == "custom" and not told["trial"], "policies are in force")
    before = debian.run("sh", "-c", FILES)
    assert "Status: active" in before and "22/tcp" in before and "appliance-" not in before
    no_such_interface = GATEWAY_CONFIG.replace("enp0s8", "enp0s88")
    change(debian, no_such_interface, lambda told: told["profile"] == "gateway", "it is a gateway")
    assert debian.run("sh", "-c", FILES) != before
    until(lambda: debian.status()["refused"], "it is taken back", timeout_s=PATIENCE_S)
    until(lambda: debian.run("sh", "-c", FILES) == before, "the machine is as before", timeout_s=PATIENCE_S)
    assert UPLINK not in debian.run("ip", "address")


def test_the_other_profiles_package_takes_its_place(debian: Debian) -> None:
    """While the machine is a gateway: it is given back in between."""
    debian.run("sh", "-c", f"rm /{CONFIG}")
    change(debian, GATEWAY_CONFIG, lambda told: told["profile"] == "gateway", "it is a gateway")
    debian.ask("appliance", "confirm")  # if it was not before
    debian.run(*APT, "install", f"/{GADGET}")
    told = debian.status()
    assert "profile gateway needs the package appliance-gateway" in told["problems"][0]["message"]
    assert LAN not in debian.run("ip", "address") and "appliance-" not in debian.run("iptables-save")
    change(debian, GADGET_CONFIG, lambda told: told["profile"] == "gadget", "it is a gadget")
    until(lambda: unfinished(debian) <= NO_GADGET, "all but the gadget is right", timeout_s=PATIENCE_S)
    assert "appliance-" in debian.run("iptables-save")
    assert debian.run("cat", "/var/lib/appliance/gadget")


def test_it_goes_as_it_came(debian: Debian) -> None:
    """Also while it is at work."""
    debian.run(*APT, "purge", "appliance-gadget", "appliance-gateway")
    assert "appliance-" not in debian.run("iptables-save")
    assert "22/tcp" in debian.run("ufw", "status")
    debian.run(*APT, "purge", "appliance")
    left = debian.run("find", "/etc", "/usr", "/var/lib", "-name", "*appliance*", "-not", "-path", "/var/lib/dpkg/*")
    assert left.split() == ["/etc/appliance", f"/{CONFIG}"], "which its owner wrote"
    assert debian.run("cat", "/var/lib/dpkg/status").count("Package: appliance") == 0
    assert not (debian.root / "etc/systemd/system/lighttpd.service").is_symlink()
