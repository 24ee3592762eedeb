"""A broken file on a first boot still lets its owner in."""

from __future__ import annotations

import pytest

from appliance.model import Uplink, Wifi
from appliance.salvage import Salvaged, salvage
from tests.appliance.conftest import EXAMPLES, problems

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
LIST = f"hostname: pi\nssh:\n  authorized_keys:\n    - {KEY} me\n"

BOTH = {
    "a bad setting elsewhere": f"{LIST}profile: nothing\n",
    "a bad key beside it": f"{LIST}    - ssh-ed25519 AAAA\n    - -----BEGIN OPENSSH PRIVATE KEY-----\n",
    "tabs": LIST.replace("  ", "\t"),
    "tabs, Windows": LIST.replace("  ", "\t").replace("\n", "\r\n"),
    "an open quote elsewhere": f'{LIST}manager: "auto\n',
    "an open quote at the key": LIST.replace("- ssh", '- "ssh').replace(" me", ""),
    "curly quotes": LIST.replace("- ssh", "- “ssh").replace(" me", "”") + "x\ny\n",
    "no-break spaces": LIST.replace("    - ", "\u00a0\u00a0- ").replace(" me", "") + "x\n",
    "no dash": LIST.replace("    - ", "") + "x\n",
    "the next section is wrong": f"{LIST}\n\nuplink:\n interface: a\n   mtu: 1500\n",
    "comments between": LIST.replace("    -", f"# one\n    # - {OTHER}\n\n    -") + f"  # - {OTHER}\nx: y: z\n",
    "in brackets": f"hostname: pi\nssh: {{authorized_keys: [{KEY} me, 'x']}}\nx: y: z\n",
    "brackets on lines": f"hostname: pi\nssh:\n  authorized_keys: [\n    {KEY},\n  ]\nx: y: z\n",
    "one without a list": f"hostname: pi\nssh:\n  authorized_keys: {KEY} # {OTHER}\nx: y: z\n",
    "twice": f"{LIST}    - {KEY} me\nx: y: z\n",
    "Latin-1 elsewhere": f"{LIST}manager: \udcff\n",
    "a NUL elsewhere": f"{LIST}\0",
}


@pytest.mark.parametrize("name", BOTH)
def test_key_and_name_are_found(name: str) -> None:
    data = BOTH[name].encode(errors="surrogateescape")
    assert problems(data)
    found = salvage(data, "a.yaml")
    assert found.hostname == "pi"
    assert [key.removesuffix(" me") for key in found.authorized_keys] == [KEY]


NOTHING = {
    "nothing": "",
    "noise": "\0\1\2\udcff",
    "a commented list": "".join(f"# {line}\n" for line in LIST.splitlines()) + "x: y: z\n",
    "a commented heading": f"ssh:\n  # authorized_keys:\n    - {KEY}\nx: y: z\n",
    "commented keys": f"ssh:\n  authorized_keys:\n  #  - {KEY}\n    # - {KEY}\nx: y: z\n",
    "a key behind a comment": f"ssh:\n  authorized_keys:\n    - x # {KEY}\nx: y: z\n",
    "another list": f"ssh:\n  keys:\n    - {KEY}\nx: y: z\n",
    "a list after that": f"ssh:\n  authorized_keys:\n  other:\n    - {KEY}\nx: y: z\n",
    "cut off": f"ssh:\n  authorized_keys:\n    - {KEY[:-4]}\nx: y: z\n",
    "options": f'ssh:\n  authorized_keys:\n    - command="x" {KEY}\nx: y: z\n',
    "a bad name": "hostname: a b\nx: y: z\n",
    "a name further in": "  hostname: -pi\nx: y: z\n",
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_else_is(name: str) -> None:
    assert salvage(NOTHING[name].encode(errors="surrogateescape"), "a.yaml") == Salvaged(None, ())


def test_a_good_file_gives_the_same() -> None:
    data = (EXAMPLES / "gateway.yaml").read_bytes()
    assert salvage(data, "a.yaml") == Salvaged("ipv6gw", (f"{KEY} me@laptop",), gadget=False)


@pytest.mark.parametrize("broken", ["", "x: y: z\n"])
@pytest.mark.parametrize(
    ("text", "gadget"),
    [
        ("profile: gadget\n", True),
        ("profile: gagdet\ngadget:\n  network: auto\n", True),
        ("gadget: {network: auto}\n", True),
        ("'gadget': # the cable\n", True),
        ("profile: gateway\n", False),
        ("profile: gateway # or gadget\n", False),
        ("profile: gateway\ngadget:\n  network: auto\n", None),
        ("profile: gagdet\n", None),
        ("# gadget:\ngadgets: 1\nhostname: gadget\n", None),
        ("", None),
    ],
)
def test_whether_it_is_meant_to_be_a_gadget(text: str, gadget: bool | None, broken: str) -> None:
    """Said by the profile, by the section, or not at all."""
    assert salvage((text + broken).encode(), "a.yaml").gadget is gadget


def test_two_keys() -> None:
    text = LIST + f"    - {OTHER}\nx: y: z\n"
    assert salvage(text.encode(), "a.yaml").authorized_keys == (f"{KEY} me", OTHER)


WIRELESS = """profile: gadget
gadget: {network: 10.55.0.1/31}
uplink:
  interface: wlan0
  wifi: {ssid: Home, passphrase: correct horse, country: NO}
"""


def test_a_gadgets_wireless_network() -> None:
    assert problems(WIRELESS.encode())
    found = salvage(WIRELESS.encode(), "a.yaml")
    wifi = Wifi(ssid="Home", passphrase="correct horse", country="NO")
    assert (found.gadget, found.uplink) == (True, Uplink(interface="wlan0", wifi=wifi))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("correct horse", "short"),
        (", passphrase: correct horse", ""),
        ("country: NO", "country: XX"),
        ("  interface: wlan0\n", ""),
        ("  interface: wlan0\n", "  interface: wlan0\n  address: 10.0.0.2/24\n"),
        ("  wifi: {ssid: Home, passphrase: correct horse, country: NO}\n", ""),
        ("uplink:", "uplink: {"),
        ("uplink:\n", "uplink: &a\n"),
        ("wifi: {", "wifi: &a {"),
        ("passphrase: correct", "passphrase: &a correct"),
        ("country: NO}", "country: NO, others: [&a {ssid: Cafe, open: true}]}"),
    ],
)
def test_a_wireless_network_that_is_not_right_is_not_joined(right: str, wrong: str) -> None:
    assert right in WIRELESS
    found = salvage(WIRELESS.replace(right, wrong).encode(), "a.yaml")
    assert (found.gadget, found.uplink) == (True, None)
