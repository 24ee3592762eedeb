"""The profile of a wireless network: any name and any passphrase arrive at NetworkManager as they are."""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network

import pytest

from appliance.model import Appliance, Profile, Tunnel, Uplink, Wifi, WifiNetwork
from firstboot.facts import Facts
from firstboot.rendered import networkmanager
from firstboot.rendered.file import File
from firstboot.rendered.networkmanager import profile_name

UPLINK = Uplink(interface="wlan0", wifi=Wifi(ssid="Home", passphrase="correct horse", country="NO"))
APPLIANCE = Appliance(profile=Profile.GADGET, uplink=UPLINK)
TUNNEL = Tunnel(
    server=IPv4Address("198.51.100.100"),
    address=IPv6Interface("2001:db8:1::2/64"),
    routed=IPv6Network("2001:db8:2::/64"),
)


def text_of(file: File) -> str:
    assert file.content is not None
    return file.content.decode()


def with_wifi(**settings: object) -> Appliance:
    wifi = replace(UPLINK.wifi, **settings) if UPLINK.wifi is not None else None  # type: ignore[arg-type]
    return replace(APPLIANCE, uplink=replace(UPLINK, wifi=wifi))


def profiles(appliance: Appliance) -> list[ConfigParser]:
    found = []
    for file in networkmanager.files(appliance, Facts())[1:]:
        parsed = ConfigParser(interpolation=None)
        parsed.read_string(text_of(file))
        found.append(parsed)
    return found


@pytest.mark.parametrize(
    ("ssid", "numbers"),
    [
        ("Home", "72;111;109;101;"),
        ("A", "65;"),
        (" ;\\ ", "32;59;92;32;"),
        ("12;34;", "49;50;59;51;52;59;"),
        ("Blåbær", "66;108;195;165;98;195;166;114;"),
        ("🏠", "240;159;143;160;"),
    ],
)
def test_a_name_is_its_bytes(ssid: str, numbers: str) -> None:
    [profile] = profiles(with_wifi(ssid=ssid))
    assert profile["wifi"]["ssid"] == numbers


@pytest.mark.parametrize(
    ("passphrase", "written"),
    [
        ("  two at each end  ", r"\s\stwo\sat\seach\send\s\s"),
        (r"back\slash\\es", r"back\\slash\\\\es"),
        ("#;=[]'\"%s", "#;=[]'\"%s"),
        ("0123456789abcdef" * 4, "0123456789abcdef" * 4),
    ],
)
def test_a_passphrase_is_escaped(passphrase: str, written: str) -> None:
    (file,) = networkmanager.files(with_wifi(passphrase=passphrase), Facts())[1:]
    assert f"psk={written}\n" in text_of(file)
    assert "key-mgmt=wpa-psk\n" in text_of(file)


def test_networks_are_preferred_in_order_and_tried_for_ever() -> None:
    others = tuple(WifiNetwork(ssid=name, passphrase="12345678") for name in ("Cabin", "Work"))
    found = profiles(with_wifi(others=others))
    assert [profile["connection"]["autoconnect-priority"] for profile in found] == ["999", "998", "997"]
    assert {profile["connection"]["autoconnect-retries"] for profile in found} == {"0"}
    assert len({profile["connection"]["uuid"] for profile in found}) == 3


def test_a_routers_radio_keeps_its_address_and_stays_awake() -> None:
    [profile] = profiles(APPLIANCE)
    assert dict(profile["wifi"]) == {
        "mode": "infrastructure",
        "ssid": "72;111;109;101;",
        "cloned-mac-address": "permanent",
        "powersave": "2",
        "mtu": "1500",
    }
    (config, _) = networkmanager.files(APPLIANCE, Facts())
    assert "[device-appliance]\nmatch-device=interface-name:wlan0\n" in text_of(config)
    assert "\nwifi.scan-rand-mac-address=no\n" in text_of(config)


def test_hidden_and_open() -> None:
    [profile] = profiles(with_wifi(hidden=True, open=True, passphrase=None))
    assert profile["wifi"]["hidden"] == "true"
    assert not profile.has_section("wifi-security")


def test_addresses() -> None:
    [by_dhcp] = profiles(APPLIANCE)
    assert (dict(by_dhcp["ipv4"]), dict(by_dhcp["ipv6"])) == ({"method": "auto"}, {"method": "auto"})
    fixed = replace(
        UPLINK,
        address=IPv4Interface("192.168.1.5/24"),
        gateway=IPv4Address("192.168.1.1"),
        dns=(IPv4Address("9.9.9.9"),),
    )
    [static] = profiles(replace(APPLIANCE, uplink=fixed, tunnel=TUNNEL))
    assert dict(static["ipv4"]) == {
        "method": "manual",
        "address1": "192.168.1.5/24,192.168.1.1",
        "dns": "9.9.9.9;",
        "ignore-auto-dns": "true",
    }
    assert static["ipv6"]["method"] == "ignore"


def test_networkmanager_looks_after_a_wireless_uplink_with_a_fixed_address() -> None:
    fixed = replace(UPLINK, address=IPv4Interface("192.168.1.5/24"), gateway=IPv4Address("192.168.1.1"))
    assert networkmanager.ours(replace(APPLIANCE, uplink=fixed)) == []


def named(appliance: Appliance) -> str:
    assert appliance.uplink is not None
    assert appliance.uplink.wifi is not None
    return profile_name(appliance, appliance.uplink.wifi)


def test_the_name_tells_every_change() -> None:
    changes: list[dict[str, object]] = [{}, {"passphrase": "correct house"}, {"hidden": True}, {"passphrase": None}]
    assert len({named(with_wifi(**change)) for change in changes}) == len(changes)


def test_the_name_is_no_quick_way_to_check_a_guessed_passphrase() -> None:
    (file,) = networkmanager.files(APPLIANCE, Facts())[1:]
    nameless = text_of(file).replace(named(APPLIANCE), "")
    assert sha256(nameless.encode()).hexdigest()[:8] not in named(APPLIANCE)


def test_a_changed_profile_is_the_same_connection() -> None:
    [before], [after] = profiles(APPLIANCE), profiles(with_wifi(passphrase="correct house"))
    assert before["connection"]["uuid"] == after["connection"]["uuid"]
