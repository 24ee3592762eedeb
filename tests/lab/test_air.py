"""What is around a wireless uplink, by what the guest is asked to do. Real ones are in `tests/vm/test_wifi.py`."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import pbkdf2_hmac
from pathlib import Path
from socket import socket

import pytest

from appliance.model import Wifi
from image.lab.access_point import CONFIG
from image.lab.guest import Answer, Guest
from image.lab.session.air import Air

PASSPHRASE = "correct horse battery staple"
KEY = pbkdf2_hmac("sha1", PASSPHRASE.encode(), b"Home", 4096, 32).hex()


class Obedient(Guest):
    """A machine that does whatever it is asked, and remembers that."""

    def __init__(self) -> None:
        super().__init__(socket(), lambda: None, Path())
        self.line.close()
        self.asked: list[tuple[str, str]] = []

    def ask(self, argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> Answer:
        self.asked.append((" ".join(argv), stdin or ""))
        return Answer(0, "")

    def heard(self) -> list[str]:
        """What hostapd and nft were asked since the last time: to end, to begin with a key or none, what to filter."""
        asked, self.asked = self.asked, []
        found = []
        for words, stdin in asked:
            if words == "systemctl stop lab-house-hostapd.service":
                found.append("silent")
            elif words.endswith(CONFIG) and words.startswith("tee "):
                settings = dict(line.split("=", 1) for line in stdin.splitlines())
                assert bytes.fromhex(settings["ssid2"]) == b"Home"
                found.append(settings.get("wpa_psk", "open"))
            elif words == "nsenter --net=/run/netns/house nft -f -":
                found.append(stdin)
        return found


def air_of(passphrase: str | None) -> tuple[Air, Obedient]:
    """That of a Pi that has booted."""
    air, guest = Air(Wifi(ssid="Home", passphrase=passphrase, open=passphrase is None, country="NO")), Obedient()
    air.begin(guest)
    return air, guest


@pytest.mark.parametrize(("passphrase", "key"), [(PASSPHRASE, KEY), (KEY, KEY), (None, "open")])
def test_the_network_is_as_the_pi_knows_it(passphrase: str | None, key: str) -> None:
    """A key in place of a passphrase is what the passphrase stands for."""
    _, guest = air_of(passphrase)
    assert guest.heard() == [key]


def test_it_is_out_of_range_while_it_is_unplugged() -> None:
    air, guest = air_of(PASSPHRASE)
    guest.heard()
    with air.off(guest):
        assert guest.heard() == ["silent"]
    assert guest.heard() == [KEY]


def test_it_has_another_passphrase_for_a_while() -> None:
    air, guest = air_of(PASSPHRASE)
    guest.heard()
    with air.faults["passphrase"].broken():
        silent, other = guest.heard()
        assert silent == "silent"
        assert other not in (KEY, "open")
    assert guest.heard() == ["silent", KEY]


def test_an_open_network_has_no_passphrase_to_change() -> None:
    air, _ = air_of(None)
    assert "passphrase" not in air.faults


def test_what_the_router_drops_it_drops_no_more() -> None:
    air, guest = air_of(PASSPHRASE)
    guest.heard()
    for name in ("provider", "dns", "ipv6"):
        with air.faults[name].broken():
            [rules] = guest.heard()
            assert rules.startswith(f"table inet without_{name} {{\n")
        assert guest.heard() == [f"delete table inet without_{name}\n"]
