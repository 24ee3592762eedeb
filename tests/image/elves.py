"""Small ELF files that say of themselves what a test wants: a header and a section of attributes, nothing to run."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

ARM, AARCH64, X86, VIDEOCORE3 = 40, 183, 3, 137
"""e_machine, see elf(5)."""
REL, EXEC, DYN = 1, 2, 3
"""e_type."""

CPU_ARCH, CPU_ARCH_PROFILE, ARM_ISA_USE, THUMB_ISA_USE, FP_ARCH, FP_NUMBER_MODEL, VFP_ARGS = 6, 7, 8, 9, 10, 23, 28
"""Tags of build attributes (ARM IHI 0045)."""

EABI5, SOFT, HARD = 0x5000000, 0x200, 0x400
"""Of e_flags."""

ARMEL = {CPU_ARCH: 4, ARM_ISA_USE: 1, THUMB_ISA_USE: 1, FP_NUMBER_MODEL: 3}
"""As `readelf -A` shows of programs of Debian's armel."""
RASPBIAN = {CPU_ARCH: 6, ARM_ISA_USE: 1, THUMB_ISA_USE: 1, FP_ARCH: 2, FP_NUMBER_MODEL: 3, VFP_ARGS: 1}
"""Of Raspbian's."""
ARMHF = {**RASPBIAN, CPU_ARCH: 10, CPU_ARCH_PROFILE: ord("A"), THUMB_ISA_USE: 2, FP_ARCH: 6}
"""Of Debian's armhf."""


@dataclass(frozen=True)
class Elf:
    """What a file says of itself."""

    attributes: Mapping[int, int] = field(default_factory=dict)
    machine: int = ARM
    kind: int = DYN
    flags: int = EABI5 | SOFT

    def __bytes__(self) -> bytes:
        names = b"\0.shstrtab\0.ARM.attributes\0"
        attributes = _section(self.attributes)
        at = 52
        sections = [
            (0, 0, 0, 0),
            (1, 3, at, len(names)),
            (11, 0x70000003, at + len(names), len(attributes)),
        ]
        table = b"".join(struct.pack("<10I", *entry[:2], 0, 0, *entry[2:], 0, 0, 1, 0) for entry in sections)
        header = struct.pack(
            "<4s5B7x2H5I6H",
            *(b"\x7fELF", 1, 1, 1, 0, 0),
            *(self.kind, self.machine, 1, 0, 0, at + len(names) + len(attributes), self.flags),
            *(52, 32, 0, 40, len(sections), 1),
        )
        return header + names + attributes + table


def _section(attributes: Mapping[int, int]) -> bytes:
    """The format's version, then one vendor's attributes of the whole file. All of our values are below 128."""
    pairs = b"".join(bytes((tag, value)) for tag, value in sorted(attributes.items()))
    whole_file = struct.pack("<BI", 1, 5 + len(pairs)) + pairs
    vendor = b"aeabi\0" + whole_file
    return b"A" + struct.pack("<I", 4 + len(vendor)) + vendor
