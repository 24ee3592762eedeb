"""The switches of a wireless interface's radio (the kernel's Documentation/ABI/stable/sysfs-class-rfkill)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

NET = Path("/sys/class/net")


def blocked(interface: str, *, net: Path = NET) -> bool:
    """Whether software has switched it off."""
    return _any(interface, "soft", net)


def switched_off(interface: str, *, net: Path = NET) -> bool:
    """Whether a hand has."""
    return _any(interface, "hard", net)


def unblock(interface: str, *, net: Path = NET) -> None:
    """Undo what software did."""
    for switch in _switches(interface, net):
        (switch / "soft").write_text("0", encoding="ascii")


def _any(interface: str, name: str, net: Path) -> bool:
    return any((switch / name).read_text(encoding="ascii").strip() == "1" for switch in _switches(interface, net))


def _switches(interface: str, net: Path) -> Iterable[Path]:
    return (net / interface / "phy80211").glob("rfkill*")
