"""The boards, which of them one image serves, and what each kind of image is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.errors import InputError
from appliance.model import Profile

DEBIAN = "debian"
DEFAULT = "4"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of image: it boots on every board whose processor is of this kind."""

    name: str
    """In the image's file name."""
    debian: str
    """The architecture of the `debian` base, as Debian calls it."""
    systems: tuple[tuple[str, str], ...]
    """What an existing image may be: its ID in os-release(5), and its architecture."""
    base_hint: str
    machine: str
    """The machine whose programs are emulated, as QEMU calls it."""
    environment: Mapping[str, str]
    """What is added to the environment of programs that run inside."""


ARM64 = Kind(
    name="arm64",
    debian="arm64",
    systems=(("debian", "arm64"),),
    base_hint="Raspberry Pi OS (64-bit)",
    machine="aarch64",
    environment={},
)
ARMV6 = Kind(
    name="armv6",
    debian="armel",
    # Raspberry Pi OS (32-bit) is Raspbian: armhf as Debian has it, but compiled for ARMv6.
    systems=(("debian", "armel"), ("raspbian", "armhf")),
    base_hint="Raspberry Pi OS (32-bit, which is Raspbian)",
    machine="arm",
    # The Zero's own processor: qemu-user then refuses what came with ARMv7, so that each script that a
    # package runs here is a proof of what it calls.
    environment={"QEMU_CPU": "arm1176"},
)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A Raspberry Pi, or several that differ in nothing that matters here."""

    models: str
    kind: Kind
    on_debian: bool = True
    """Whether Debian's own kernel is enough for it."""


BOARDS: Mapping[str, Board] = {
    "zero": Board(models="Zero, Zero W", kind=ARMV6),
    "zero2": Board(models="Zero 2 W", kind=ARM64),
    "3": Board(models="3 B, 3 B+, 3 A+", kind=ARM64),
    "4": Board(models="4 B, 400", kind=ARM64),
    "5": Board(models="5", kind=ARM64, on_debian=False),
}


def served(kind: Kind, base: str) -> list[str]:
    """The names of the boards on which an image of this kind boots that is made from `base`."""
    return [name for name, board in BOARDS.items() if board.kind is kind and (board.on_debian or base != DEBIAN)]


def check(name: str, base: str) -> None:
    """Raise InputError if an image made from `base` cannot work on the board."""
    if name not in served(BOARDS[name].kind, base):
        raise InputError(
            f"Debian's kernel has no drivers for the Raspberry Pi {BOARDS[name].models}: "
            "neither for its Ethernet and USB ports (RP1), nor for the port that can be a USB device",
            hint="give an image of Raspberry Pi OS (64-bit) as --base",
        )


def doubt(name: str, profile: str, base: str) -> str:
    """What is known not to work on some models of a board; empty if nothing is."""
    if name == "3" and profile == Profile.GADGET:
        return "of the Raspberry Pi 3 only the A+ can be a USB gadget: the USB ports of a B or B+ are behind a hub"
    if name == "zero2" and base == DEBIAN:
        return (
            "Debian has no firmware for the radio of some Zero 2 W (BCM43436): "
            "if there is no wlan0 on yours, build with an image of Raspberry Pi OS (64-bit) as --base"
        )
    return ""
