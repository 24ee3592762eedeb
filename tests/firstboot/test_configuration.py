"""Which configuration is in force, whatever is on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.model import Gadget, Profile
from appliance.parse import load
from firstboot.configuration import Configurations
from firstboot.facts import Facts, Link
from firstboot.management import Visits
from firstboot.paths import CONFIG_NAME, GADGET_UNIT
from firstboot.status import Source

EXAMPLES = Path(__file__).parent.parent / "appliance" / "examples"
GOOD = (EXAMPLES / "gateway.yaml").read_bytes()
BROKEN = GOOD.replace(b"198.51.100.100", b"198.51.100.400")
FACTS = Facts(links={name: Link(name) for name in ("lo", "wlan0", "eth1", "eth0")})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop"


@pytest.fixture
def fat(tmp_path: Path) -> Path:
    (tmp_path / "fat").mkdir()
    return tmp_path / "fat"


@pytest.fixture
def last_good(tmp_path: Path) -> Path:
    return tmp_path / "state" / "last-good.yaml"


@pytest.fixture
def configurations(fat: Path, last_good: Path) -> Configurations:
    return Configurations(fat, last_good, fat.parent / "keys", fat.parent / "appliance-gadget.service")


@pytest.fixture
def gadget_image(fat: Path) -> None:
    """The image was made for a gadget."""
    (fat.parent / "appliance-gadget.service").touch()


def write(fat: Path, content: bytes) -> None:
    (fat / CONFIG_NAME).write_bytes(content)


def test_the_cards_file_is_in_force(configurations: Configurations, fat: Path) -> None:
    write(fat, GOOD)
    current = configurations.current(FACTS)
    assert (current.source, current.problems, current.appliance.hostname) == (Source.FILE, (), "ipv6gw")


def test_what_worked_stays_when_the_file_breaks(configurations: Configurations, fat: Path, last_good: Path) -> None:
    write(fat, GOOD)
    good = configurations.current(FACTS).appliance
    configurations.judge((), Visits)
    assert last_good.stat().st_mode & 0o777 == 0o600  # it may hold a passphrase

    write(fat, BROKEN)
    for current in (
        configurations.current(FACTS),
        Configurations(fat, last_good).current(FACTS),
    ):
        assert (current.source, current.appliance) == (Source.LAST_GOOD, good)
        assert [problem.mark.line for problem in current.problems] == [16]

    configurations.judge((), Visits)
    assert last_good.read_bytes() == GOOD


def test_it_is_known_when_the_file_is_another(configurations: Configurations, fat: Path) -> None:
    configurations.current(FACTS)
    for content in (GOOD, BROKEN, GOOD):
        write(fat, content)
        assert not configurations.is_as_read()
        configurations.current(FACTS)
        assert configurations.is_as_read()
    (fat / CONFIG_NAME).unlink()
    assert not configurations.is_as_read()


def test_what_never_worked_is_not_remembered(configurations: Configurations, fat: Path, last_good: Path) -> None:
    write(fat, GOOD)
    configurations.current(FACTS)
    assert not last_good.exists()


def test_a_corrected_file_is_in_force_again(configurations: Configurations, fat: Path) -> None:
    write(fat, BROKEN)
    assert configurations.current(FACTS).source is Source.RESCUE
    write(fat, GOOD)
    assert configurations.current(FACTS).source is Source.FILE


@pytest.mark.parametrize("content", [BROKEN, GOOD + b"\n]: {", b"\xef\xbb\xbf" + BROKEN.replace(b"\n", b"\r\n")])
def test_a_first_boot_with_a_broken_file_lets_in_the_keys_that_can_be_read(
    configurations: Configurations, fat: Path, content: bytes
) -> None:
    write(fat, content)
    current = configurations.current(FACTS)
    assert current.source is Source.RESCUE
    assert current.problems
    rescue = current.appliance
    assert (rescue.profile, rescue.hostname, rescue.ssh.authorized_keys) == (Profile.GATEWAY, "ipv6gw", (KEY,))
    assert rescue.uplink is not None
    assert (rescue.uplink.interface, rescue.uplink.address) == ("eth0", None)
    assert rescue.tunnel is None


def test_without_a_file_there_is_a_rescue_that_says_so(configurations: Configurations) -> None:
    current = configurations.current(FACTS)
    assert (current.source, current.trouble) == (Source.RESCUE, "there is no appliance.yaml on the card")


def test_on_a_machine_without_a_card_it_is_said_which_file_is_missing(fat: Path, last_good: Path) -> None:
    current = Configurations(fat, last_good, custom=True).current(FACTS)
    assert (current.source, current.trouble) == (Source.NOTHING, f"there is no {fat / CONFIG_NAME}")


def test_a_card_that_cannot_be_read_takes_nothing_away(configurations: Configurations, fat: Path) -> None:
    write(fat, GOOD)
    configurations.current(FACTS)
    configurations.judge((), Visits)
    (fat / CONFIG_NAME).unlink()
    (fat / CONFIG_NAME).mkdir()
    current = configurations.current(FACTS)
    assert current.source is Source.LAST_GOOD
    assert "cannot be read" in current.trouble


def test_an_unchanged_file_is_not_parsed_again(configurations: Configurations, fat: Path) -> None:
    write(fat, GOOD)
    assert configurations.current(FACTS) is configurations.current(FACTS)


def test_what_is_in_force_stays_though_it_never_got_ready(configurations: Configurations, fat: Path) -> None:
    write(fat, GOOD)
    good = configurations.current(FACTS).appliance
    write(fat, BROKEN)
    current = configurations.current(FACTS)
    assert (current.source, current.appliance) == (Source.LAST_GOOD, good)


def test_a_rescue_without_readable_keys_keeps_those_of_before(configurations: Configurations, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{KEY}\n")
    assert configurations.current(FACTS).appliance.ssh.authorized_keys == (KEY,)


def test_a_rescue_takes_the_interface_that_comes_later(configurations: Configurations) -> None:
    configurations.current(Facts())
    later = configurations.current(Facts(links={"enx1": Link("enx1")})).appliance
    assert later.uplink is not None
    assert later.uplink.interface == "enx1"


GADGET = (EXAMPLES / "gadget.yaml").read_bytes().replace(b"10.55.0.1/28", b"10.55.0.1/31")
RIGHT = b"profile: gadget\n"


def test_the_rescue_of_a_gadget_is_its_cable_and_its_wireless_network(
    configurations: Configurations, fat: Path
) -> None:
    """A Pi Zero has no wire to take an address from."""
    write(fat, GADGET)
    current = configurations.current(Facts(links={"wlan0": Link("wlan0")}))
    assert (current.source, current.appliance.profile) == (Source.RESCUE, Profile.GADGET)
    assert current.appliance.gadget == Gadget()
    assert current.appliance.ssh.authorized_keys == (KEY,)
    assert current.appliance.uplink == load(EXAMPLES / "gadget.yaml").appliance.uplink


@pytest.mark.parametrize("wrong", [b"profile: gagdet\n", b""])
@pytest.mark.parametrize("broken", [b"", b"\n]: {"])
def test_a_gadget_with_a_misspelt_profile_is_rescued_as_one(
    configurations: Configurations, fat: Path, wrong: bytes, broken: bytes
) -> None:
    """Its owner has no other way in."""
    assert RIGHT in GADGET
    write(fat, GADGET.replace(RIGHT, wrong) + broken)
    current = configurations.current(FACTS)
    assert (current.source, current.appliance.profile, current.appliance.gadget) == (
        Source.RESCUE,
        Profile.GADGET,
        Gadget(),
    )
    assert current.appliance.ssh.authorized_keys == (KEY,)


@pytest.mark.usefixtures("gadget_image")
@pytest.mark.parametrize("content", [None, b"", b"profile: gagdet\n", b"]: {"])
def test_an_image_made_for_a_gadget_is_rescued_as_one(
    configurations: Configurations, fat: Path, content: bytes | None
) -> None:
    if content is not None:
        write(fat, content)
    current = configurations.current(FACTS)
    assert (current.source, current.appliance.profile) == (Source.RESCUE, Profile.GADGET)


@pytest.mark.usefixtures("gadget_image")
def test_who_says_gateway_is_rescued_as_one_whatever_the_image(configurations: Configurations, fat: Path) -> None:
    write(fat, BROKEN)
    assert configurations.current(FACTS).appliance.profile is Profile.GATEWAY


def test_only_the_gadgets_image_has_what_tells_it() -> None:
    overlays = Path(__file__).parents[2] / "overlays"
    assert [tree.name for tree in overlays.iterdir() if (tree / GADGET_UNIT.relative_to("/")).exists()] == ["gadget"]


def test_a_rescue_without_the_radio_is_the_wires_until_it_comes(configurations: Configurations, fat: Path) -> None:
    write(fat, GADGET)
    uplinks = [
        configurations.current(Facts(links={name: Link(name) for name in names})).appliance.uplink
        for names in ((), ("wlan0",))
    ]
    assert [uplink.interface for uplink in uplinks if uplink is not None] == ["eth0", "wlan0"]


def test_a_rescue_that_waits_for_its_interface_stays_the_same(configurations: Configurations) -> None:
    """Every new one is tried afresh, and at once."""
    assert configurations.current(Facts()) is configurations.current(Facts())
