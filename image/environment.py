"""What programs on the build host know of the environment that `appliance` was started in.

A file that a program writes must not depend on settings that somebody has made for other work.
"""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = (
    "BZIP",
    "DPKG_",
    "E2FSPROGS_",
    "GZIP",
    "MKE2FS_",
    "MTOOLS",
    "POSIXLY_CORRECT",
    "QEMU_",
    "TAR_OPTIONS",
    "XZ_",
    "ZSTD_",
)
"""What variables begin with that change what programs write or how they work; those meant by us are given anew."""


def given(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program: ours without what is meant for other work, in a fixed locale, and `own`."""
    kept = {name: value for name, value in environment.items() if not name.startswith(OTHERS)}
    return {**kept, "LC_ALL": "C", **own}
