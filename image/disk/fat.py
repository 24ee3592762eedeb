"""Makes and reads FAT32 file systems in files, with mtools: no mounting, no kernel support."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.run import run

SETTINGS = {
    "MTOOLS_DOTTED_DIR": "0",
    "MTOOLS_FAT_COMPATIBILITY": "0",
    "MTOOLS_LOWER_CASE": "0",
    "MTOOLS_NAME_NUMERIC_TAIL": "1",
    "MTOOLS_NO_VFAT": "0",
    "MTOOLS_SKIP_CHECK": "0",
}
"""mtools' own defaults, see mtools(5): the environment counts more than the host's files."""


@dataclass(frozen=True)
class Parameters:
    """What identifies a FAT32 file system and how it is divided."""

    label: str
    volume_id: int
    cluster_sectors: int


def make(
    file: Path,
    tree: Path,
    *,
    sectors: int,
    label: str,
    volume_id: int,
    cluster_sectors: int,
    epoch: int,
    without: Collection[str] = (),
) -> None:
    """Make a file system of `sectors` of 512 bytes with the content of `tree` in `file`, which is made sparse.

    Files `without` directly in `tree` are left out.
    """
    with file.open("wb") as empty:
        empty.truncate(sectors * 512)
    environment = _environment(epoch)
    run(
        [
            *("mkfs.fat", "-F", "32", "--invariant", "-s", str(cluster_sectors)),
            *("-n", label, "-i", f"{volume_id:08x}", file),
        ],
        env=environment,
    )
    # In order, because what lies where on the card follows from it.
    folders = sorted(path for path in tree.rglob("*") if path.is_dir())
    if folders:
        run(["mmd", "-i", file, *(f"::{folder.relative_to(tree)}" for folder in folders)], env=environment)
    for folder in [tree, *folders]:
        left_out = {name.lower() for name in without} if folder == tree else set()
        if files := sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower() not in left_out):
            run(["mcopy", "-m", "-i", file, *files, f"::{folder.relative_to(tree)}"], env=environment)


def add(file: Path, added: Sequence[Path], *, epoch: int) -> None:
    """Copy files, with their times, to the top of the file system in `file`."""
    run(["mcopy", "-m", "-i", file, *added, "::"], env=_environment(epoch))


def read(file: Path, offset_bytes: int, into: Path) -> None:
    """Copy everything in the file system at `offset_bytes` of `file` to the folder `into`, with times.

    Raises InputError if it is damaged.
    """
    try:
        run(["mcopy", "-s", "-m", "-n", "-i", f"{file}@@{offset_bytes}", "::*", into], env=_environment())
    except PermanentError as error:
        if os.strerror(errno.ENOSPC) in error.message:
            raise
        said = error.message.partition("\n")[2].strip()  # without the command
        message = f"the first partition of {file} cannot be read: {said}"
        raise InputError(message, hint="download the image again") from error


def read_parameters(file: Path, offset_bytes: int) -> Parameters:
    """The parameters of the FAT32 file system at `offset_bytes`. Raises InputError if it is none.

    Its boot sector is in "Microsoft FAT Specification", section 3.
    """
    with file.open("rb") as reader:
        reader.seek(offset_bytes)
        sector = reader.read(512)
    if sector[510:512] != b"\x55\xaa" or sector[82:87] != b"FAT32":
        raise InputError(f"the first partition of {file} has no FAT32 file system", hint="download the image again")
    (volume_id,) = struct.unpack_from("<I", sector, 67)
    return Parameters(sector[71:82].decode("ascii", "replace").strip(), volume_id, sector[13])


def put(file: Path, source: Path, name: str, epoch: int) -> None:
    """Copy `source` to the root folder of the file system in `file`, where no `name` is, with its time.

    It takes the first clusters that are free, wherever the last file was written.
    """
    _forget_where_to_go_on(file)
    run(["mcopy", "-m", "-i", file, source, f"::{name}"], env=_environment(epoch))


def remove(file: Path, name: str) -> None:
    """Remove a file in the root folder. Its content stays in what is free then."""
    run(["mdel", "-i", file, f"::{name}"], env=_environment())


def end_of(file: Path, name: str) -> int:
    """Behind which byte of the file system nothing of the content of the file `name` in its root folder is left."""
    shown = run(["mshowfat", "-i", file, f"::{name}"], env=_environment())
    last = max(int(number) for number in re.findall(r"\d+", shown.rpartition(f"{name} ")[2]))
    with file.open("rb") as reader:
        cluster_sectors, reserved, tables, table_sectors = struct.unpack("<13xBHB19xI", reader.read(40))
    first = int(reserved + tables * table_sectors)
    return (first + (last - 1) * int(cluster_sectors)) * 512  # the first cluster's number is 2


def _forget_where_to_go_on(file: Path) -> None:
    """Forget the cluster after which the next free one is looked for (FSI_Nxt_Free): it is then the first of all."""
    with file.open("r+b") as writer:
        writer.seek(48)
        (information,) = struct.unpack("<H", writer.read(2))
        writer.seek(information * 512 + 492)
        writer.write(b"\xff" * 4)


def _environment(epoch: int | None = None) -> dict[str, str]:
    """FAT times are local times. No ~/.mtoolsrc is read, and what /etc/mtools.conf says does not count."""
    fixed = {"TZ": "UTC", "HOME": "/nonexistent", **SETTINGS}
    return fixed if epoch is None else {**fixed, "SOURCE_DATE_EPOCH": str(epoch)}
