"""Flashing in tests: files in place of disks, with faults where a test wants some; and machines that are folders."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import ApplianceError
from image.disk import bmap, pieces
from image.events import Events
from image.flash.flash import Door, flash
from image.flash.medium import Medium, Opened
from image.flash.original import original

MIB = 1 << 20


def content(size: int = 13 * MIB + 512) -> bytes:
    """Of an image: random, with the mark of a partition table."""
    data = bytearray(random.Random(size).randbytes(size))
    data[510:512] = b"\x55\xaa"
    return bytes(data)


def mapped(image: Path) -> Path:
    """A block map beside an image, of all its pieces; returns that."""
    file = image.with_name(f"{image.name.rpartition('.img')[0]}.bmap")
    file.write_text(bmap.of([pieces.region(image)]))
    return file


def with_its_checksum(text: str) -> str:
    """A block map that was changed, with the checksum that it then has."""
    blank = re.sub(r"(<BmapFileChecksum> )\w+", rf"\g<1>{'0' * 64}", text)
    return blank.replace("0" * 64, hashlib.sha256(blank.encode()).hexdigest(), 1)


def card(folder: Path, size: int = 32 * MIB, *, before: bytes = b"") -> Path:
    """A file in place of a card, on which something was before."""
    file = folder / "card"
    with file.open("wb") as writer:
        writer.write(before)
        writer.truncate(size)
    return file


@dataclass
class Faulty:
    """A disk that does not do what it should. Each function may raise OSError."""

    inner: Medium
    place: Callable[[int], int] = lambda at: at
    """Where the disk looks when it is asked for `at`."""
    writing: Callable[[int, int], int] = lambda at, size: size
    """How much it takes."""
    reading: Callable[[int, bytes], bytes] = lambda at, data: data
    """What it gives for what it has."""
    says_bytes: int = 0
    """How large it says to be, if not as large as it is."""
    is_disk: bool = True
    log: list[tuple[str, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return self.says_bytes or self.inner.size_bytes

    def write(self, at: int, data: memoryview) -> int:
        self.log.append(("write", at))
        taken = data[: self.writing(at, len(data))]
        if self.place(at) + len(taken) <= self.inner.size_bytes:
            assert self.inner.write(self.place(at), taken) == len(taken)
        return len(taken)

    def read(self, at: int, size: int) -> bytes:
        self.log.append(("read", at))
        return self.reading(at, self.inner.read(self.place(at), size) or bytes(size))

    def flush(self) -> None:
        self.log.append(("flush", 0))
        self.inner.flush()

    def forget(self) -> None:
        self.log.append(("forget", 0))
        self.inner.forget()

    def reread_table(self) -> None:
        self.log.append(("reread_table", 0))
        raise PermissionError(errno.EPERM, "as for whoever is not root")


def door_to(make: Callable[[Medium], Faulty]) -> tuple[Door, list[Faulty]]:
    """What opens such a disk, and where it then is."""
    made: list[Faulty] = []

    @contextmanager
    def door(path: Path) -> Iterator[Medium]:
        number = os.open(path, os.O_RDWR)
        made.append(make(Opened(number, direct=False, is_disk=False)))
        yield made[-1]
        os.close(number)

    return door, made


def flashed(image: Path, disk: Path, **faults: object) -> tuple[ApplianceError | None, Faulty]:
    """Flash an image onto a faulty disk; what was raised, and the disk."""
    door, made = door_to(lambda inner: Faulty(inner, **faults))  # type: ignore[arg-type]
    try:
        flash(original(image), None, disk, Events(io.StringIO()), door)
    except ApplianceError as error:
        return error, made[-1]
    return None, made[-1]


@dataclass
class MadeUp:
    """A machine that is a folder: what /sys and /proc say there."""

    root: Path
    minors: Iterator[int] = field(default_factory=lambda: iter(range(1000)))
    numbers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("sys/block", "sys/dev/block", "proc/self"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "proc/swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n")
        (self.root / "proc/self/mountinfo").write_text("")

    def disk(
        self, name: str, bus: str, size: int = 32 * 10**9, *, partitions: int = 2, **files: str
    ) -> Mapping[str, str]:
        """A disk on a bus, with its files by their name, __ for a /; returns the numbers of it and its partitions."""
        folder = self.root / "sys/devices" / bus / "block" / name.replace("/", "!")
        self._device(folder, name)
        (self.root / "sys/block" / folder.name).symlink_to(os.path.relpath(folder, self.root / "sys/block"))
        for file, text in {"size": str(size // 512), "removable": "0", "ro": "0", **files}.items():
            place = folder / file.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{text}\n")
        for number in range(1, partitions + 1):
            part = f"{name}{'p' if name[-1].isdigit() else ''}{number}"
            self._device(folder / part, part)
            (folder / part / "partition").write_text(f"{number}\n")
        return self.numbers

    def holds(self, above: str, below: str) -> None:
        """A block device stands on another one."""
        [folder] = [path for path in (self.root / "sys/devices").rglob(below) if path.parent.name != "holders"]
        (folder / "holders" / above).mkdir(parents=True)

    def mount(self, number: str, point: str, source: str = "/dev/x") -> None:
        """Something is mounted."""
        with (self.root / "proc/self/mountinfo").open("a") as file:
            file.write(f"36 35 {number} / {point} rw,noatime shared:1 master:2 - ext4 {source} rw\n")

    def swap(self, paths: Sequence[str]) -> None:
        """The system swaps to these."""
        with (self.root / "proc/swaps").open("a") as file:
            file.writelines(f"{path}\tpartition\t1000\t0\t-2\n" for path in paths)

    def _device(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True)
        self.numbers[name] = f"8:{next(self.minors)}"
        (folder / "dev").write_text(f"{self.numbers[name]}\n")
        link = self.root / "sys/dev/block" / self.numbers[name]
        link.symlink_to(os.path.relpath(folder, link.parent))
