from __future__ import annotations

import io

import pytest

from image.inside.elf import Floats, not_for_armv6
from tests.image.elves import (
    AARCH64,
    ARMEL,
    ARMHF,
    CPU_ARCH,
    EABI5,
    HARD,
    RASPBIAN,
    REL,
    SOFT,
    THUMB_ISA_USE,
    VIDEOCORE3,
    X86,
    Elf,
)

ON_RASPBIAN = EABI5 | HARD


def why(elf: Elf, floats: Floats, name: str = "program") -> str:
    return not_for_armv6(io.BytesIO(bytes(elf)), name, floats)


@pytest.mark.parametrize(
    ("elf", "floats"),
    [
        (Elf(ARMEL), Floats.SOFT),
        (Elf(RASPBIAN, flags=ON_RASPBIAN), Floats.HARD),
        (Elf({**ARMEL, CPU_ARCH: 6}), Floats.SOFT),
        (Elf({**ARMEL, CPU_ARCH: 7}), Floats.SOFT),
        (Elf({**ARMEL, CPU_ARCH: 9}), Floats.SOFT),
        (Elf(), Floats.SOFT),
        (Elf({CPU_ARCH: 6}), Floats.HARD),
        (Elf(ARMHF, kind=REL), Floats.SOFT),
        (Elf(machine=VIDEOCORE3), Floats.SOFT),
    ],
    ids=[
        *("armel", "Raspbian", "v6", "v6KZ", "v6K", "says nothing", "no floating point at all"),
        *("a kernel module", "firmware"),
    ],
)
def test_what_a_zero_can_run(elf: Elf, floats: Floats) -> None:
    assert why(elf, floats) == ""


@pytest.mark.parametrize(
    ("elf", "floats", "said"),
    [
        (Elf(ARMHF, flags=EABI5 | HARD), Floats.HARD, "ARMv7 with Thumb-2"),
        (Elf({**ARMEL, CPU_ARCH: 10}), Floats.SOFT, "ARMv7"),
        (Elf({**ARMEL, CPU_ARCH: 8}), Floats.SOFT, "ARMv6T2"),
        (Elf({**ARMEL, CPU_ARCH: 11}), Floats.SOFT, "ARMv6-M"),
        (Elf({**ARMEL, CPU_ARCH: 14}), Floats.SOFT, "ARMv8-A"),
        (Elf({**ARMEL, CPU_ARCH: 99}), Floats.SOFT, "ARMnumber 99"),
        (Elf({**ARMEL, THUMB_ISA_USE: 2}), Floats.SOFT, "Thumb-2"),
        (Elf(machine=AARCH64), Floats.SOFT, "for AARCH64, not for ARM"),
        (Elf(machine=X86), Floats.SOFT, "for 386, not for ARM"),
        (Elf(RASPBIAN, flags=ON_RASPBIAN), Floats.SOFT, "hard float, in a system of soft float"),
        (Elf(RASPBIAN), Floats.SOFT, "hard float, in a system of soft float"),
        (Elf(ARMEL), Floats.HARD, "soft float, in a system of hard float"),
    ],
)
def test_what_a_zero_cannot_run(elf: Elf, floats: Floats, said: str) -> None:
    assert said in why(elf, floats)


@pytest.mark.parametrize(
    ("name", "passes"),
    [("libarmmem-v7l.so", True), ("libarmmem-v8l.so", True), ("libarmmem.so", False), ("libother-v7l.so", False)],
)
def test_of_several_variants_the_processor_gets_its_own(name: str, passes: bool) -> None:
    """Raspbian's raspi-copies-and-fills has one of memcpy for each of the Pis."""
    assert (why(Elf({CPU_ARCH: 10}, flags=EABI5 | SOFT), Floats.HARD, name) == "") == passes


@pytest.mark.parametrize("cut", [4, 40, 60])
def test_what_is_no_elf_file_at_all_runs_nowhere(cut: int) -> None:
    assert not_for_armv6(io.BytesIO(bytes(Elf(ARMHF))[:cut]), "program", Floats.SOFT) == ""
