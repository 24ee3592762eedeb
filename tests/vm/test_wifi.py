"""The gadget's image joins wireless networks: real radios' drivers in the kernel, real access points (hostapd)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any

import pytest

from image.lab import access_point, computer, home, internet
from image.lab.access_point import WPA3, AccessPoint
from image.lab.computer import Tools
from image.lab.guest import Guest
from image.lab.internet import Internet
from image.lab.laptop import Laptop
from image.lab.waiting import until
from tests.figures import Figure
from tests.vm import on_the_cable, on_the_pi
from tests.vm.gadgets import EXAMPLES, plugged_in

pytestmark = pytest.mark.vm

RADIOS = 3
EXAMPLE = (EXAMPLES / "gadget.yaml").read_text()
HOME, PASSPHRASE = "Home", "correct horse battery staple"
ODD, ODD_PASSPHRASE = " ;\\ Blåbær", '\\ ;#[]"  '
OPEN = "Cafe"
OTHERS = f"""
    others:
      - {{ssid: '{ODD}', passphrase: '{ODD_PASSPHRASE}', hidden: true}}
      - {{ssid: {OPEN}, open: true}}
"""
CONFIG = EXAMPLE.replace("    country: NO\n", f"    country: NO{OTHERS}")
HOUSE_NETWORK, CABIN_NETWORK = home.ROUTER_IPV4, IPv4Interface("192.168.179.1/24")
HOUSE_PREFIX, CABIN_PREFIX = home.ROUTER_IPV6, IPv6Interface("2001:db8:179:1::1/64")
OWN = IPv4Interface("10.55.0.1/28")
USUAL_PORTS = (22, 53, 80)
FIXED = IPv4Interface("192.168.178.77/24")
JOINED_S, SAID_S = 240.0, 240.0
"""Twice what holds over a wire: the two emulated processors play the access points and their networks as well."""


@dataclass(frozen=True)
class Air:
    """The Pi, two access points around it, and what they lead to."""

    guest: Guest
    laptop: Laptop
    tools: Tools
    house: AccessPoint
    cabin: AccessPoint
    internet: Internet


@pytest.fixture(scope="module")
def air(gadget_image: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Air]:
    """The first access point is on the air with the example's network."""
    parameters = access_point.kernel_parameters(RADIOS)
    with plugged_in(gadget_image, tools, tmp_path_factory.mktemp("wifi"), CONFIG, parameters=parameters) as plugged:
        programs = computer.tools(plugged.guest)
        beyond = internet.begun(plugged.guest)
        house = access_point.begun(programs, "house", 1, HOUSE_NETWORK, HOUSE_PREFIX, resolver=home.RESOLVER)
        cabin = access_point.begun(programs, "cabin", 2, CABIN_NETWORK, CABIN_PREFIX, resolver=home.RESOLVER)
        beyond.connect(house)
        beyond.connect(cabin)
        house.announce(HOME, PASSPHRASE)
        yield Air(plugged.guest, plugged.laptop, programs, house, cabin, beyond)


PARTS = ("radio", "wifi", "uplink", "networkmanager")


def kinds(guest: Guest) -> dict[str, Any]:
    return {kind["kind"]: kind for kind in on_the_pi.told(guest).get("kinds", [])}


def joins(air: Air, ssid: str, *, timeout_s: float = JOINED_S) -> None:
    """The Pi says so, and everything about its uplink is right."""

    def wrong() -> dict[str, str]:
        found = on_the_pi.told(air.guest)
        errors = {kind["kind"]: kind["error"] for kind in found.get("kinds", []) if kind["kind"] in PARTS}
        return {name: error for name, error in errors.items() if error} | (
            {} if found.get("wifi") == ssid else {"": ssid}
        )

    until(lambda: not wrong(), f"{ssid} is joined", timeout_s=timeout_s, every_s=1)


def says(air: Air, words: str) -> dict[str, Any]:
    """What `appliance status` gives as the reason."""
    until(lambda: kinds(air.guest)["wifi"]["error"] == words, f"wifi: {words}", timeout_s=SAID_S, every_s=1)
    found: dict[str, Any] = kinds(air.guest)["wifi"]
    return found


def addresses(guest: Guest) -> list[IPv4Interface]:
    shown = json.loads(guest.run("ip", "-json", "-4", "address", "show", "dev", "wlan0"))
    return [IPv4Interface(f"{a['local']}/{a['prefixlen']}") for link in shown for a in link["addr_info"]]


def test_a_blocked_radio_is_switched_on_and_the_network_joined(air: Air) -> None:
    joins(air, HOME, timeout_s=on_the_pi.READY_S)
    [address] = addresses(air.guest)
    assert address.network == HOUSE_NETWORK.network
    assert str(address.ip) in air.house.leases()
    assert f"Wi-Fi: {HOME}" in air.guest.ask(["appliance", "status"]).output


def test_the_laptop_has_the_internet(air: Air) -> None:
    """With the example's own network: by the cable to the Pi, by its radio to the access point, and beyond that."""
    air.laptop.lease(timeout_s=60)
    has_the_internet(air)


def has_the_internet(air: Air) -> None:
    """Names, and servers of both families."""
    on_the_cable.is_the_router(air.laptop, OWN)
    on_the_cable.resolves(air.laptop)
    on_the_cable.reaches_the_internet(air.laptop)


def test_nobody_on_the_wifi_gets_to_the_pi(air: Air) -> None:
    """Neither from the access point itself nor from beyond it, by any address that leads to the Pi."""
    routed = [str(addresses(air.guest)[0].ip), str(ipv6(air.guest))]
    link_local = str(on_the_pi.link_local(air.guest, "wlan0"))
    for host, there in ((air.house, [*routed, f"{link_local}%{air.house.interface}"]), (air.internet, routed)):
        targets = [(address, port) for address in there for port in USUAL_PORTS]
        assert host.knock(targets) == [on_the_cable.CLOSED] * len(targets)
    # The packets went to the Pi: the access point had asked for its addresses, and was told.
    told = {entry["dst"] for entry in air.house.ip("neighbor", "show") if "lladdr" in entry}
    assert told >= {*routed, link_local}


def test_nobody_on_the_wifi_gets_to_the_laptop(air: Air) -> None:
    """The access point knows the way, through the Pi, to a laptop that would answer."""
    with (
        on_the_cable.listening(air.guest, air.laptop) as there,
        knowing_the_way(air),
        on_the_cable.knowing_the_way_back(air.laptop, OWN),
    ):
        found = air.house.knock([(address, on_the_cable.PORT) for address in there])
        assert set(found) <= set(on_the_cable.NO_ANSWER)


def ipv6(guest: Guest) -> IPv6Address:
    """The Pi's address in the prefix of the first access point."""
    return on_the_pi.address_in(guest, HOUSE_PREFIX.network, "wlan0")


@contextmanager
def knowing_the_way(air: Air) -> Iterator[None]:
    """The access point sends what is for the cable's networks to the Pi."""
    ways = (
        f"{air.laptop.lease().network} via {addresses(air.guest)[0].ip}",
        f"{air.laptop.slaac()[0].network} via {ipv6(air.guest)}",
    )
    air.house.lay(*(f"route add {way}" for way in ways))
    try:
        yield
    finally:
        air.house.lay(*(f"route delete {way}" for way in ways))


def test_the_kernel_knows_the_country(air: Air) -> None:
    assert "country NO:" in air.tools.run("iw", "reg", "get")


def test_the_radios_own_address_is_used_and_it_stays_awake(air: Air) -> None:
    """hwsim's first radio has 02:00:00:00:00:00 for its own."""
    assert "02:00:00:00:00:00" in air.house.leases()
    assert "Power save: off" in air.tools.run("iw", "dev", "wlan0", "get", "power_save")


def test_networkmanager_read_every_profile_as_it_was_meant(air: Air) -> None:
    wanted = [(HOME, PASSPHRASE, "no"), (ODD, ODD_PASSPHRASE, "yes"), (OPEN, "no")]
    names = profiles(air.guest)
    fields = "802-11-wireless.ssid,802-11-wireless-security.psk,802-11-wireless.hidden"
    argv = ["nmcli", "--show-secrets", "--escape", "no", "--terse", "--get-values", fields, "connection", "show"]

    def found() -> list[tuple[str, ...]]:
        return [tuple(air.guest.run(*argv, name).removesuffix("\n").split("\n")) for name in names]

    try:  # seen once: an empty passphrase, and the right one a moment later
        until(lambda: found() == wanted, "the profiles are as they should be", timeout_s=60, every_s=2)
    except TimeoutError:
        assert found() == wanted
    modes = air.guest.run("find", "/etc/NetworkManager/system-connections", "-type", "f", "-printf", "%m %u\n")
    assert modes.splitlines() == ["600 root"] * len(wanted)


def profiles(guest: Guest) -> Sequence[str]:
    """Ours, by NetworkManager's priorities."""
    argv = ["nmcli", "--terse", "--fields", "AUTOCONNECT-PRIORITY,NAME", "connection", "show"]
    rows = [line.split(":") for line in guest.run(*argv).splitlines() if ":appliance-uplink-" in line]
    return [name for _, name in sorted(rows, key=lambda row: -int(row[0]))]


@pytest.mark.parametrize(
    ("deed", "undone"),
    [
        (["rfkill", "block", "0"], "radio: unblock the radio of wlan0"),
        (["nmcli", "device", "disconnect", "wlan0"], "wifi: connect wlan0 by the appliance's profile"),
    ],
    ids=["rfkill", "disconnected"],
)
def test_what_somebody_switched_off_is_on_again(air: Air, deed: Sequence[str], undone: str) -> None:
    joins(air, HOME)
    undoes(air, deed, undone)
    joins(air, HOME)


def test_networkmanagers_switch_is_on_again(air: Air) -> None:
    """It switches every radio of the kernel off, and with it our access point, which does not notice."""
    undoes(air, ["nmcli", "radio", "wifi", "off"], "radio: turn Wi-Fi on in NetworkManager")
    air.house.silence()
    air.house.announce(HOME, PASSPHRASE)
    joins(air, HOME)


def undoes(air: Air, deed: Sequence[str], undone: str) -> None:
    """After the deed, the daemon says that it did that."""
    before = done(air.guest).count(undone)
    # NetworkManager refuses to disconnect what it is just connecting.
    until(lambda: air.guest.ask(deed).code == 0, " ".join(deed), timeout_s=60, every_s=1)
    until(lambda: done(air.guest).count(undone) > before, undone, timeout_s=60, every_s=1)


def done(guest: Guest) -> list[str]:
    """What the daemon says that it did."""
    return on_the_pi.journal(guest, "--unit=appliance.service")


def test_where_the_first_network_goes_the_second_is_joined(air: Air, figure: Figure) -> None:
    """The first goes without a word; until the Pi has joined the second, the laptop keeps its own Internet."""
    on_the_cable.is_the_router(air.laptop, OWN)
    changing = changing_the_access_point(air)
    took_s = on_the_cable.withdraws_and_offers_again(air.laptop, "ecm", changing)
    figure(f"the access point lost its power: the default routes went after {took_s:.1f} s")
    [address] = addresses(air.guest)
    assert address.network == CABIN_NETWORK.network
    has_the_internet(air)


@contextmanager
def changing_the_access_point(air: Air) -> Iterator[None]:
    """None is on the air while the block runs, and then another one: of a name and a passphrase that need care."""
    air.house.lose_power()
    yield
    air.cabin.announce(ODD, ODD_PASSPHRASE, hidden=True)
    joins(air, ODD)


def test_an_open_network(air: Air) -> None:
    air.cabin.silence()
    air.cabin.announce(OPEN)
    joins(air, OPEN)


def test_nothing_in_range_is_said_with_what_there_is(air: Air) -> None:
    air.cabin.silence()
    air.cabin.announce("Neighbour", "none of your business")
    says(air, f"no network called {HOME}, {ODD}, {OPEN} is in range")
    neighbour = "in range: Neighbour;"
    until(lambda: kinds(air.guest)["wifi"]["hint"].startswith(neighbour), neighbour, timeout_s=SAID_S, every_s=1)
    air.cabin.silence()


def test_wpa3_alone_is_said(air: Air) -> None:
    air.house.announce(HOME, PASSPHRASE, security=WPA3)
    says(air, f"{HOME} wants a passphrase, by WPA3, which is not in this version")
    air.house.silence()


def test_a_wrong_passphrase_is_said_with_its_line_and_forgiven(air: Air) -> None:
    """NetworkManager alone never tries such a profile again."""
    air.house.announce(HOME, "correct horse battery stable")
    found = says(air, f"{HOME} does not accept the passphrase")
    assert CONFIG.splitlines()[found["line"] - 1].strip() == "wifi:"
    # It is tried again and again, and on a busy air an attempt may fail otherwise in between.
    words = f"{HOME} does not accept the passphrase (appliance.yaml line {found['line']})"
    until(lambda: words in air.guest.ask(["appliance", "status"]).output, words, timeout_s=SAID_S, every_s=1)
    air.house.silence()
    air.house.announce(HOME, PASSPHRASE)
    joins(air, HOME)


def test_a_network_of_wpa2_and_wpa3_gives_wpa3_to_whom_can(air: Air) -> None:
    air.house.silence()
    air.house.announce(HOME, PASSPHRASE, security=access_point.BOTH)

    def by_wpa3() -> bool:
        return "key_mgmt=SAE" in air.guest.ask(["wpa_cli", "-i", "wlan0", "status"]).output

    until(by_wpa3, f"{HOME} is joined by WPA3", timeout_s=JOINED_S, every_s=1)
    joins(air, HOME)


def test_a_fixed_address(air: Air) -> None:
    fixed = f"  address: {FIXED}\n  gateway: {HOUSE_NETWORK.ip}\n  dns: {HOUSE_NETWORK.ip}\n  wifi:\n"
    air.guest.write(on_the_pi.CONFIG, CONFIG.replace("  wifi:\n", fixed))
    until(lambda: addresses(air.guest) == [FIXED], "the address is there", timeout_s=JOINED_S, every_s=1)
    joins(air, HOME)
    assert air.guest.run("ip", "route", "show", "default").startswith(f"default via {HOUSE_NETWORK.ip} dev wlan0")


def test_the_key_in_place_of_the_passphrase(air: Air) -> None:
    key = pbkdf2_hmac("sha1", PASSPHRASE.encode(), HOME.encode(), 4096, 32).hex()
    air.house.silence()
    air.house.announce(HOME, PASSPHRASE)
    air.guest.write(on_the_pi.CONFIG, CONFIG.replace(PASSPHRASE, key))
    until(lambda: FIXED not in addresses(air.guest), "the new profile is in force", timeout_s=JOINED_S, every_s=1)
    joins(air, HOME)


def test_no_passphrase_is_told_to_anybody(air: Air) -> None:
    """After all of this: not in the journal of any program, not in the report, not in what the daemon keeps in /run."""
    for words in ("horse battery", ODD_PASSPHRASE.strip()):
        argv = ["journalctl", "--boot", "--no-pager", "--output=cat", "--unit=appliance", "--unit=NetworkManager"]
        told = air.guest.run(*argv) + air.guest.run("cat", "/run/appliance/status.json", "/run/appliance/status.txt")
        assert words not in told + air.guest.run("cat", on_the_pi.REPORT)
    assert HOME in told
