"""What a session tells and expects, where it is found, and how its command is read: pure, but for files of its own."""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance import cli, parse
from appliance.errors import ConfigError, InputError
from appliance.model import Profile, Share
from appliance.starting import starting_config
from image.cli import lab_words
from image.deb import builder
from image.lab.guest import Answer, Guest
from image.lab.home import Home
from image.lab.services import PAGE
from image.lab.session import gadget_scene, needs, places, progress, sharing, verbs
from image.lab.session.door import Request
from image.lab.session.examples import EXAMPLES
from image.lab.session.given import filled_in
from image.lab.session.playing import MACHINES, machine_of
from image.lab.session.scene import Scene, Seen
from image.lab.session.session import Session
from image.lab.session.terminal import until_mark
from image.lab.site import NAMED_IPV4, site_of
from image.lab.world import World
from tests.lab.conftest import EXAMPLE

CONSOLE = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]
[    0.000000] Linux version 6.12.118+deb13-arm64 (debian-kernel@lists.debian.org)
[   11.547789] Run /init as init process
[   47.442024] systemd[1]: Detected architecture arm64.
"""


def status(state: str = "ready", **errors: str) -> dict[str, Any]:
    kinds = [{"kind": kind, "state": "failed" if error else "ok", "error": error} for kind, error in errors.items()]
    return {"state": state, "kinds": kinds, "wifi": "", "tunnel": {"sentence": ""}, "trial": "", "problems": []}


@pytest.mark.parametrize(("lines", "told"), [(0, 0), (2, 1), (3, 2), (4, 3)])
def test_milestones(lines: int, told: int) -> None:
    everything = ["kernel: Linux 6.12.118+deb13-arm64", "initrd: runs", "systemd: runs, on arm64"]
    assert progress.milestones("".join(CONSOLE.splitlines(keepends=True)[:lines])) == everything[:told]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {}, []),
        (status(), {}, []),
        (
            {},
            status("waiting", tunnel="no uplink", dns=""),
            ["tunnel: failed: no uplink", "the appliance says: waiting"],
        ),
        (status("waiting", tunnel="no uplink"), status(tunnel=""), ["tunnel: ok", "the appliance says: ready"]),
        (status("waiting"), {**status("waiting"), "sign": "broken"}, ["the appliance says: waiting (BROKEN)"]),
        ({**status("waiting"), "sign": "broken"}, status("waiting"), ["the appliance says: waiting"]),
        (status("waiting"), {**status("waiting"), "sign": "waiting"}, []),
        (status(tunnel=""), status(tunnel=""), []),
        (status(), {**status(), "wifi": "Home"}, ["Wi-Fi: Home"]),
        (status(), {**status(), "problems": [{"line": 3, "message": "no"}]}, ["appliance.yaml: line 3: no"]),
        (status(), {**status(), "tunnel": None}, []),
    ],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    assert list(progress.changes(before, after)) == told


WEB, NO_WEB = Seen("web", True, "reached"), Seen("web", False, "not reached")


def test_sights() -> None:
    assert list(progress.sights([], [WEB])) == ["web: reached"]
    assert list(progress.sights([WEB], [NO_WEB, Seen("lease", True, "x")])) == ["web: not reached", "lease: x"]
    assert list(progress.sights([WEB], [WEB])) == []


@pytest.mark.parametrize(
    ("expected", "found", "seen", "lacking"),
    [
        ("ready", {}, [], ["the appliance says silent, not ready"]),
        (
            "ready",
            status("waiting", reach="nothing"),
            [WEB],
            ["the appliance says waiting, not ready", "reach: nothing"],
        ),
        ("ready", {**status("waiting"), "sign": "broken"}, [], ["the appliance says waiting (BROKEN), not ready"]),
        ("waiting", {**status("waiting"), "sign": "broken"}, [], []),
        ("ready", status(), [], ["nobody has looked yet"]),
        ("ready", status(), [WEB, NO_WEB], ["web: not reached"]),
        ("ready", status(), [WEB], []),
        ("waiting", status("waiting"), [NO_WEB], []),
    ],
)
def test_what_is_lacking(expected: str, found: dict[str, Any], seen: list[Seen], lacking: list[str]) -> None:
    assert progress.lacking(expected, found, seen) == lacking


@pytest.mark.parametrize(
    ("text", "shown", "kept", "ended"),
    [
        (b"hello", b"hello", b"", False),
        (b"hello MA", b"hello ", b"MA", False),
        (b"bye MARK and more", b"bye ", b"", True),
        (b"MAMARK", b"MA", b"", True),
    ],
)
def test_the_mark_is_not_shown(text: bytes, shown: bytes, kept: bytes, ended: bool) -> None:
    assert until_mark(text, b"MARK") == (shown, kept, ended)


def test_what_is_missing_is_told_at_once() -> None:
    error = needs.missing(["nft", "ip", "dnsmasq"])
    assert error.message == "not installed: nft, ip, dnsmasq"
    assert error.hint == "sudo apt-get install dnsmasq-base iproute2 nftables"


def test_what_make_lab_tools_installs_is_what_is_needed() -> None:
    """Beside what makes images; util-linux is on every Debian."""
    assert builder.listed(builder.OF_THE_LAB) == sorted(
        {*needs.PROGRAMS.values()} - {*builder.listed(builder.PROGRAMS), "util-linux"}
    )


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "appliance-lab"


class TestPlaces:
    def test_a_name_is_taken_while_its_lab_runs(self, runtime: Path) -> None:
        with pytest.raises(InputError, match="no lab is running"):
            places.found(None)
        with places.claimed("one", pytest.fail) as folder:
            (folder / places.CONTROL).touch()
            assert places.found(None) == places.found("one") == runtime / "one"
            with pytest.raises(InputError, match="a lab called one is running"), places.claimed("one", pytest.fail):
                pass
            with pytest.raises(InputError, match="no lab called two"):
                places.found("two")
        assert not (runtime / "one").exists()

    def test_one_that_starts_has_its_name_and_cannot_be_asked_yet(self, runtime: Path) -> None:
        with places.claimed("one", pytest.fail) as folder:
            with pytest.raises(InputError, match="a lab called one is running"), places.claimed("one", pytest.fail):
                pass
            with places.claimed("two", pytest.fail), pytest.raises(InputError, match="several labs are running"):
                places.found(None)
            with pytest.raises(InputError, match="cannot be asked yet: it starts"):
                places.found(None)
            assert folder.exists()

    def test_what_a_killed_one_has_left_is_removed_and_told(self, runtime: Path, tmp_path: Path) -> None:
        """Its large files as well, wherever the next one has its own."""
        place = tmp_path / "large"
        (place / "logs").mkdir(parents=True)
        for name in ("one", "two"):
            (runtime / name).mkdir(parents=True, mode=0o700)
        runtime.chmod(0o700)
        (runtime / "one" / places.FILES).symlink_to(place)
        told: list[str] = []
        with places.claimed("three", told.append):
            assert [folder.name for folder in runtime.iterdir()] == ["three"]
        assert told == [f"removed what the lab called one, which was killed, had left in {place}"]
        assert not place.exists()

    def test_where_its_large_files_are_is_known_before_they_are_there(self, runtime: Path) -> None:
        with places.claimed("one", pytest.fail) as folder, places.files(folder) as place:
            assert (folder / places.FILES).readlink() == place
            assert place.stat().st_mode & 0o777 == 0o700
        assert not place.exists()

    def test_others_may_not_have_made_the_folder(self, runtime: Path) -> None:
        runtime.mkdir(mode=0o755)
        with pytest.raises(InputError, match="not this user's alone"):
            places.all_of(os.getuid())

    @pytest.mark.parametrize("name", ["", "../x", "A", "x" * 32])
    def test_a_name_that_is_none(self, name: str, runtime: Path) -> None:
        with pytest.raises(InputError, match="no name for a lab"), places.claimed(name, pytest.fail):
            pass


def read(*words: str) -> argparse.Namespace:
    return cli.parser_of(("image",)).parse_args(["lab", *words])


def test_an_image_needs_no_verb() -> None:
    for words in (["run", "dist/x.img", "--headless"], ["dist/x.img", "--headless"]):
        found = read(*words)
        assert (found.verb, found.image, found.headless) == ("run", Path("dist/x.img"), True)


def test_a_verb_has_its_words() -> None:
    found = read("shell", "--name", "one", "client", "--", "curl", "-6", "http://www.example.net/")
    assert (found.place, found.words, found.name) == ("client", ["curl", "-6", "http://www.example.net/"], "one")
    assert read("unplug", "uplink").words == ["uplink"]
    assert read("fault").words is None


def test_a_misspelt_verb_is_no_image() -> None:
    with pytest.raises(InputError, match="statsu is no image") as caught:
        read("statsu")
    assert "status" in caught.value.hint


def test_the_machines_are_those_that_there_are() -> None:
    assert set(lab_words.MACHINES) == set(MACHINES)
    assert machine_of(None, is_32_bit=False).name == "virt"
    assert machine_of(None, is_32_bit=True).name == "raspi0"
    with pytest.raises(InputError, match="32 bits"):
        machine_of("virt", is_32_bit=True)


class TestConfigurations:
    @pytest.mark.parametrize("profile", EXAMPLES)
    def test_the_labs_own_are_right(self, profile: Profile) -> None:
        assert parse.parse_text(EXAMPLES[profile].encode(), "x").appliance.profile == profile

    @pytest.mark.parametrize("profile", EXAMPLES)
    def test_one_that_nobody_has_filled_in_is_replaced(self, profile: Profile) -> None:
        told: list[str] = []
        own = starting_config(profile, {}).encode()
        assert filled_in(own, told.append) == EXAMPLES[profile].encode()
        assert "not filled in" in told[0]

    def test_one_that_is_filled_in_stays(self) -> None:
        own = EXAMPLE.read_bytes()
        assert filled_in(own, pytest.fail) == own

    def test_a_mistake_in_it_is_told(self) -> None:
        with pytest.raises(ConfigError, match="hostnam"):
            filled_in(b"profile: gateway\nhostnam: x\n", pytest.fail)


BY_DHCP = """\
profile: gateway
hostname: gw
ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop]}
uplink: {interface: eth0}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
"""


@pytest.mark.parametrize(
    ("lan", "pi", "router"),
    [
        ("{interface: eth0}", "192.168.178.252/24", "192.168.178.254"),
        ("{interface: eth1, address: 192.168.2.1/24}", "192.168.178.252/24", "192.168.178.254"),
        ("{interface: eth1, address: 192.168.178.1/24}", "192.168.179.252/24", "192.168.179.254"),
    ],
)
def test_a_router_gives_the_pi_an_address_of_another_network_than_the_lan(lan: str, pi: str, router: str) -> None:
    site = site_of(parse.parse_text(f"{BY_DHCP}lan: {lan}\n".encode(), "x").appliance)
    assert (str(site.pi_uplink), str(site.router), site.router_serves) == (pi, router, True)


def test_who_gives_out_addresses_on_a_lan_with_one_arm() -> None:
    for own, router_serves in (("", True), (", dhcp4: {range: 192.168.1.10-192.168.1.210}", False)):
        uplink = "{interface: eth0, address: 192.168.1.252/24, gateway: 192.168.1.254, dns: [1.1.1.1]}"
        config = f"{BY_DHCP}lan: {{interface: eth0{own}}}\n".replace("{interface: eth0}", uplink, 1)
        assert site_of(parse.parse_text(config.encode(), "x").appliance).router_serves is router_serves


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (f"{BY_DHCP}lan: {{interface: eth7, address: 192.168.2.1/24}}\n", "eth0 for its uplink, and eth1"),
        (f"{BY_DHCP.replace('eth0', 'wan0')}lan: {{interface: wan0}}\n", "eth0 for its uplink, and eth1"),
        (EXAMPLES[Profile.GADGET], "cannot play the profile gadget"),
    ],
)
def test_what_the_lab_cannot_play(config: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        site_of(parse.parse_text(config.encode(), "x").appliance)


GADGET = EXAMPLES[Profile.GADGET]
WIRELESS = GADGET.replace(
    "interface: eth0", "interface: wlan0\n  wifi: {ssid: Home, passphrase: correct horse, country: NO}"
)
OFFLINE = GADGET.replace("uplink:\n  interface: eth0\n", "").replace("share: route", "share: local")


def scene_of(config: str) -> Scene:
    """A gadget's with a laptop, in a home that is not there."""
    appliance = parse.parse_text(config.encode(), "x").appliance
    return gadget_scene.with_laptop(Home(World(0, Path())), appliance, Path("tools"))


@pytest.mark.parametrize(
    ("config", "places_", "cables", "faults"),
    [
        (
            GADGET,
            ["laptop", "neighbour", "router", "internet", "wires"],
            ["usb", "uplink"],
            ["router", "provider", "dns", "ipv6"],
        ),
        (WIRELESS, ["laptop", "house", "internet"], ["usb", "uplink"], ["provider", "dns", "ipv6", "passphrase"]),
        (OFFLINE, ["laptop"], ["usb"], []),
    ],
)
def test_what_is_around_a_gadget(config: str, places_: list[str], cables: list[str], faults: list[str]) -> None:
    scene = scene_of(config)
    assert [*scene.computers, *scene.hosts] == places_
    assert [*scene.cables] == cables
    assert [*scene.faults] == faults
    session = Session(scene, pytest.fail)
    listed = verbs.answered(session, Request("fault")).output
    assert listed if faults else listed == "there is nothing to break in this lab but its cables: usb\n"


@pytest.mark.parametrize(("share", "shares"), [("host", True), ("local", False)])
def test_the_laptop_shares_with_a_pi_that_wants_it(share: str, shares: bool) -> None:
    scene = scene_of(OFFLINE.replace("share: local", f"share: {share}"))
    assert (scene.look == sharing.look) is shares


def test_the_air_of_a_pi_that_boots_cannot_be_broken() -> None:
    scene = scene_of(WIRELESS)
    for name, fault in scene.faults.items():
        with pytest.raises(InputError, match="no access point yet"), fault.broken():
            pytest.fail(name)


@pytest.mark.parametrize(
    ("config", "has_radio", "said"),
    [
        (GADGET.replace("eth0", "eth1"), True, "has eth0, and wlan0 with wifi, and not eth1"),
        (WIRELESS.replace("wlan0", "wlan1"), True, "and not wlan1"),
        (WIRELESS, False, "this machine has no radio"),
    ],
)
def test_what_uplink_the_lab_cannot_play(config: str, has_radio: bool, said: str) -> None:
    uplink = parse.parse_text(config.encode(), "x").appliance.uplink
    assert uplink is not None
    with pytest.raises(InputError, match=said):
        gadget_scene.check(uplink, has_radio=has_radio)


@pytest.mark.parametrize("config", [GADGET, WIRELESS])
def test_what_uplink_it_can(config: str) -> None:
    uplink = parse.parse_text(config.encode(), "x").appliance.uplink
    assert uplink is not None
    gadget_scene.check(uplink, has_radio=True)


ADDRESS = json.dumps([{"addr_info": [{"local": "10.55.0.2", "prefixlen": 28}]}])


class Played(Guest):
    """A machine whose laptop has the adapter or not, and all else that it would have by that."""

    def __init__(self, *, has_adapter: bool) -> None:
        super().__init__(socket.socket(), lambda: None, Path())
        self.line.close()
        self.has_adapter = has_adapter

    def ask(self, argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> Answer:
        words = " ".join(argv)
        if words == "ip -n laptop link show cable":
            return Answer(0 if self.has_adapter else 1, "")
        assert self.has_adapter
        if words == "ip -n laptop -json -4 address show dev cable scope global":
            return Answer(0, ADDRESS)
        assert f"/laptop/root curl --silent --show-error --max-time 10 http://{NAMED_IPV4}/" in words
        return Answer(0, PAGE)


@pytest.mark.parametrize(
    ("share", "has_adapter", "seen"),
    [
        (Share.ROUTE, True, ["cable", "10.55.0.2/28", "reached"]),
        (Share.ROUTE, False, ["none", "none", "not reached"]),
        (Share.LOCAL, True, ["cable", "10.55.0.2/28"]),
    ],
)
def test_what_a_laptop_sees(share: Share, has_adapter: bool, seen: list[str]) -> None:
    found = gadget_scene.look(Played(has_adapter=has_adapter), share=share)
    assert [each.said for each in found] == seen
    assert all(each.is_right for each in found) is has_adapter
