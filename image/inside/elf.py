"""What an ELF file needs of a processor, read from what its compiler and linker noted in it.

The attributes: ABI for the Arm Architecture, Addenda, "Build attributes" (ARM IHI 0045).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

MAGIC = b"\x7fELF"
EXECUTED = ("ET_EXEC", "ET_DYN")
"""Programs and shared objects; not what is still to be linked, as kernel modules are."""
FIRMWARE = ("EM_VIDEOCORE", "EM_VIDEOCORE3", "EM_VIDEOCORE5")
"""Programs of the Pi's graphics processor."""

ARCHITECTURES = (
    *("before v4", "v4", "v4T", "v5T", "v5TE", "v5TEJ", "v6", "v6KZ", "v6T2", "v6K"),
    *("v7", "v6-M", "v6S-M", "v7E-M", "v8-A", "v8-R", "v8-M baseline", "v8-M mainline"),
)
"""The values of Tag_CPU_arch."""
ARMV6 = frozenset(range(8)) | {9}
"""Those that an ARM1176, the Zero's processor (v6KZ), runs: v6T2 has Thumb-2, which it has not."""

EF_ARM_ABI_FLOAT_HARD = 0x400
EF_ARM_ABI_FLOAT_SOFT = 0x200
HARD_FLOAT_ARGUMENTS = 1
"""Value of Tag_ABI_VFP_args: floating-point arguments are in registers."""
THUMB_2 = 2
"""Value of Tag_THUMB_ISA_use."""
GNU_IFUNC = "STT_LOOS"
"""As pyelftools calls the type of a symbol whose code is chosen at run time (STT_GNU_IFUNC is STT_LOOS)."""


FOR_A_PLATFORM = re.compile(r"^libarmmem-v[78]l\.so$")
"""Raspbian's raspi-copies-and-fills: /etc/ld.so.preload has libarmmem-${PLATFORM}.so, see ld.so(8)."""
SEVERAL_IN_ONE = re.compile(r"^libatomic\.so\.")
"""GCC's: ARMv7 functions beside others, as indirect ones. Other libraries with such functions may need more."""


class Floats(Enum):
    """How floating-point arguments are passed: libraries of both kinds cannot be mixed."""

    SOFT = "soft"
    HARD = "hard"


def not_for_armv6(file: BinaryIO, name: str, floats: Floats) -> str:
    """Why an ELF file of that name cannot run on an ARMv6 system of that float ABI; empty if it can, or never runs.

    A file that says nothing about itself, or that is broken, passes.
    """
    try:
        return _why_not(ELFFile(file), name, floats)
    except ELFError:
        return ""


def _why_not(elf: ELFFile, name: str, floats: Floats) -> str:
    if elf["e_machine"] in FIRMWARE or elf["e_type"] not in EXECUTED:
        return ""
    if elf["e_machine"] != "EM_ARM":
        return f"it is for {str(elf['e_machine']).removeprefix('EM_')}, not for ARM"
    attributes = _attributes(elf)
    return _instructions(elf, name, attributes) or _floats(elf, attributes, floats)


def _attributes(elf: ELFFile) -> Mapping[str, int]:
    section = elf.get_section_by_name(".ARM.attributes")
    return {
        attribute.tag: attribute.value
        for subsection in (section.iter_subsections() if isinstance(section, ARMAttributesSection) else ())
        for scope in subsection.iter_subsubsections()
        for attribute in scope.iter_attributes()
    }


def _instructions(elf: ELFFile, name: str, attributes: Mapping[str, int]) -> str:
    architecture = attributes.get("TAG_CPU_ARCH", 0)
    thumb_2 = attributes.get("TAG_THUMB_ISA_USE", 0) == THUMB_2
    if (architecture in ARMV6 and not thumb_2) or _chosen_at_run_time(elf, name):
        return ""
    name = ARCHITECTURES[architecture] if architecture < len(ARCHITECTURES) else f"number {architecture}"
    return f"it is compiled for ARM{name}" + (" with Thumb-2" if thumb_2 else "")


def _chosen_at_run_time(elf: ELFFile, name: str) -> bool:
    """Whether it is, or has, one of several variants, of which the present processor's is taken."""
    if FOR_A_PLATFORM.search(name):
        return True
    if not SEVERAL_IN_ONE.match(name):
        return False
    symbols = elf.get_section_by_name(".dynsym")
    if not isinstance(symbols, SymbolTableSection):
        return False
    return any(symbol["st_info"]["type"] == GNU_IFUNC for symbol in symbols.iter_symbols())


def _floats(elf: ELFFile, attributes: Mapping[str, int], expected: Floats) -> str:
    """By the linker's flags; a file without floating-point code may be marked either way."""
    arguments = attributes.get("TAG_ABI_VFP_ARGS", 0)
    hard = bool(elf["e_flags"] & EF_ARM_ABI_FLOAT_HARD) or arguments == HARD_FLOAT_ARGUMENTS
    soft = bool(elf["e_flags"] & EF_ARM_ABI_FLOAT_SOFT) and "TAG_ABI_FP_NUMBER_MODEL" in attributes and not arguments
    if expected is Floats.SOFT:
        return "it is compiled for hard float, in a system of soft float" if hard else ""
    return "it is compiled for soft float, in a system of hard float" if soft else ""
