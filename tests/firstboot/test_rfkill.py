"""The switches of a radio, as sysfs has them."""

from __future__ import annotations

from pathlib import Path

from firstboot import rfkill


def radio(net: Path, *, soft: str, hard: str) -> Path:
    switch = net / "wlan0" / "phy80211" / "rfkill0"
    switch.mkdir(parents=True)
    (switch / "soft").write_text(f"{soft}\n")
    (switch / "hard").write_text(f"{hard}\n")
    return switch


def test_each_switch_is_seen(tmp_path: Path) -> None:
    radio(tmp_path / "blocked", soft="1", hard="0")
    radio(tmp_path / "off", soft="0", hard="1")
    assert (rfkill.blocked("wlan0", net=tmp_path / "blocked"), rfkill.blocked("wlan0", net=tmp_path / "off")) == (
        True,
        False,
    )
    assert not rfkill.switched_off("wlan0", net=tmp_path / "blocked")
    assert rfkill.switched_off("wlan0", net=tmp_path / "off")


def test_unblocking_writes_what_the_kernel_reads(tmp_path: Path) -> None:
    switch = radio(tmp_path, soft="1", hard="0")
    rfkill.unblock("wlan0", net=tmp_path)
    assert (switch / "soft").read_text() == "0"


def test_an_interface_without_a_switch_is_not_blocked(tmp_path: Path) -> None:
    (tmp_path / "eth0").mkdir()
    assert not rfkill.blocked("eth0", net=tmp_path)
