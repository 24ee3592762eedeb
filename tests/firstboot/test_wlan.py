"""What NetworkManager says of access points."""

from __future__ import annotations

from typing import Any

from firstboot.wireless import Access, Heard
from firstboot.wlan import heard


def point(ssid: bytes, strength: int, *, flags: int = 1, wpa: int = 0, rsn: int = 0) -> dict[str, Any]:
    return {"Ssid": ssid, "Strength": strength, "Flags": flags, "WpaFlags": wpa, "RsnFlags": rsn}


def test_networks_are_told_by_strength_and_by_what_they_want() -> None:
    """The flags are NetworkManager's (NM80211ApSecurityFlags): ciphers, and 100 PSK, 200 802.1X, 400 SAE."""
    found = heard(
        [
            point(b"", 99, rsn=0x188),
            point(b"weak", 20, flags=0),
            point(b"strong", 80, rsn=0x188),
            point(b"newest", 70, rsn=0x488),
            point(b"work", 60, rsn=0x288),
            point(b"ancient", 50),
            point(b"strong", 10, rsn=0x588),
            point(b"\xff", 5, wpa=0x144),
        ]
    )
    assert found == (
        Heard("strong", frozenset({Access.WPA2, Access.WPA3})),
        Heard("newest", frozenset({Access.WPA3})),
        Heard("work", frozenset({Access.OTHER})),
        Heard("ancient", frozenset({Access.OTHER})),
        Heard("weak", frozenset({Access.OPEN})),
        Heard("\ufffd", frozenset({Access.WPA2})),
    )
