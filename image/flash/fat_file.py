"""Exchanges the content of a file in the root folder of a FAT32 file system, by writing a few sectors of it.

A disk is written past the page cache, and read back: for that it must be known what is written where, which mtools
does not tell. Nothing of the old content stays. The format is in "Microsoft FAT Specification", sections 3 to 7.
"""

from __future__ import annotations

import itertools
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import InputError
from image.flash.content import AGAIN
from image.flash.copying import Chunk

SECTOR = 512
ENTRY = 32
LAST = 0x0FFFFFF8
"""A number in the table from here on: the file has no more clusters."""
NUMBER = 0x0FFFFFFF
"""The bits of an entry in the table that are the cluster's number."""
NUMBER_BYTES = 4
FIRST_CLUSTER = 2
LONG_NAME, LABEL = 0x0F, 0x08
UNKNOWN = 0xFFFFFFFF

Read = Callable[[int, int], bytes]
"""`size` bytes from a place on the disk, both multiples of a sector."""


class NoFileError(InputError):
    """There is no such file, or no file system that could have it."""


@dataclass(frozen=True)
class Volume:
    """Where the parts of a file system are: `at` in bytes on the disk, the others in sectors within it."""

    at: int
    cluster_sectors: int
    reserved: int
    tables: int
    table_sectors: int
    root_cluster: int
    information: int
    clusters: int

    def cluster_at(self, number: int) -> int:
        """Where a cluster begins on the disk."""
        first = self.reserved + self.tables * self.table_sectors
        return self.at + (first + (number - FIRST_CLUSTER) * self.cluster_sectors) * SECTOR

    @property
    def cluster_bytes(self) -> int:
        """The size of a cluster."""
        return self.cluster_sectors * SECTOR


@dataclass(frozen=True)
class Entry:
    """A file in the root folder."""

    at: int
    """Where its entry is on the disk."""
    cluster: int
    size: int


def volume(at: int, read: Read) -> Volume:
    """The file system that begins at `at`. Raises NoFileError if it is no FAT32, InputError if it is damaged."""
    sector = read(at, SECTOR)
    if sector[510:512] != b"\x55\xaa" or sector[82:87] != b"FAT32" or sector[11:13] != b"\x00\x02":
        raise NoFileError("the image's first partition has no FAT32 file system", hint="is it an image for a Pi?")
    cluster_sectors, reserved, tables = struct.unpack_from("<BHB", sector, 13)
    sectors, table_sectors = struct.unpack_from("<II", sector, 32)
    root_cluster, information = struct.unpack_from("<IH", sector, 44)
    if not cluster_sectors or table_sectors > sectors:
        raise _damaged()
    clusters = (sectors - reserved - tables * table_sectors) // cluster_sectors
    if clusters + FIRST_CLUSTER > table_sectors * SECTOR // NUMBER_BYTES:
        raise _damaged()
    return Volume(at, cluster_sectors, reserved, tables, table_sectors, root_cluster, information, clusters)


class File:
    """A file in the root folder, and what may be said of it. Reads; what is to be written is returned."""

    def __init__(self, volume: Volume, name: str, read: Read) -> None:
        """Raises NoFileError if it is not there, InputError if the file system is damaged."""
        self._volume = volume
        self._read = read
        self._table = array("I", read(volume.at + volume.reserved * SECTOR, volume.table_sectors * SECTOR))
        self._entry = self._found(name)
        self._clusters = list(self._chain(self._entry.cluster)) if self._entry.cluster else []

    def content(self, most: int | None = None) -> bytes:
        """What is in it, or so many bytes of its beginning at most, of which no more clusters are read than that."""
        size, each = self._entry.size if most is None else min(most, self._entry.size), self._volume.cluster_bytes
        parts = (self._read(self._volume.cluster_at(number), each) for number in self._clusters[: -(-size // each)])
        return b"".join(parts)[:size]

    def replaced(self, content: bytes, now: datetime) -> list[Chunk]:
        """What to write so that it has another content, whole sectors, the entry in the folder last."""
        needed = -(-len(content) // self._volume.cluster_bytes)
        clusters = [*self._clusters, *self._free(needed - len(self._clusters))]
        kept, freed = clusters[:needed], clusters[needed:]
        table = array("I", self._table)
        for number, following in itertools.zip_longest(kept, kept[1:], fillvalue=NUMBER):
            table[number] = table[number] & ~NUMBER | following
        for number in freed:
            table[number] &= ~NUMBER & UNKNOWN
        return [
            *self._contents(content, clusters),
            *self._tables(table),
            *self._information(len(self._clusters) - needed),
            self._named(kept[0] if kept else 0, len(content), now),
        ]

    def _contents(self, content: bytes, clusters: Sequence[int]) -> Iterator[Chunk]:
        """The content, and zeros in the rest of the clusters that it had or has."""
        size = self._volume.cluster_bytes
        for place, number in enumerate(clusters):
            yield Chunk(self._volume.cluster_at(number), content[place * size : (place + 1) * size].ljust(size, b"\0"))

    def _tables(self, table: array[int]) -> Iterator[Chunk]:
        """The sectors of each copy of the table that are others now."""
        before, after = self._table.tobytes(), table.tobytes()
        for copy in range(self._volume.tables):
            begin = self._volume.at + (self._volume.reserved + copy * self._volume.table_sectors) * SECTOR
            for at in range(0, len(after), SECTOR):
                if (sector := after[at : at + SECTOR]) != before[at : at + SECTOR]:
                    yield Chunk(begin + at, sector)

    def _information(self, freed: int) -> Iterator[Chunk]:
        """How many clusters are free, where that is told; and nothing of where to look for one."""
        at = self._volume.at + self._volume.information * SECTOR
        sector = bytearray(self._read(at, SECTOR))
        (free,) = struct.unpack_from("<I", sector, 488)
        struct.pack_into("<II", sector, 488, free if free == UNKNOWN else free + freed, UNKNOWN)
        yield Chunk(at, bytes(sector))

    def _named(self, cluster: int, size: int, now: datetime) -> Chunk:
        begin = self._entry.at // SECTOR * SECTOR
        sector, at = bytearray(self._read(begin, SECTOR)), self._entry.at - begin
        date = (now.year - 1980) << 9 | now.month << 5 | now.day
        time = now.hour << 11 | now.minute << 5 | now.second // 2
        struct.pack_into("<HHHHHI", sector, at + 18, date, cluster >> 16, time, date, cluster & 0xFFFF, size)
        return Chunk(begin, bytes(sector))

    def _found(self, name: str) -> Entry:
        long = ""
        for at, entry in self._entries():
            if entry[11] == LONG_NAME:
                long = _part_of_name(entry) + long  # the last part comes first
                continue
            called = long.partition("\0")[0] or _short_name(entry)
            if called.lower() == name.lower() and entry[0] != 0xE5 and not entry[11] & LABEL:
                high, low = struct.unpack_from("<H4xH", entry, 20)
                return Entry(at, high << 16 | low, struct.unpack_from("<I", entry, 28)[0])
            long = ""
        raise NoFileError(
            f"the image has no {name} on its first partition", hint="give an image that `appliance build` made"
        )

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        """The entries of the root folder, and where each is on the disk."""
        for number in self._chain(self._volume.root_cluster):
            at = self._volume.cluster_at(number)
            cluster = self._read(at, self._volume.cluster_bytes)
            for place in range(0, len(cluster), ENTRY):
                if not cluster[place]:
                    return
                yield at + place, cluster[place : place + ENTRY]

    def _chain(self, number: int) -> Iterator[int]:
        """The clusters of a file or folder, the first of which is `number`."""
        for _ in range(self._volume.clusters):
            if not FIRST_CLUSTER <= number < FIRST_CLUSTER + self._volume.clusters:
                raise _damaged()
            yield number
            number = self._table[number] & NUMBER
            if number >= LAST:
                return

    def _free(self, count: int) -> list[int]:
        if count <= 0:
            return []
        numbers = range(FIRST_CLUSTER, FIRST_CLUSTER + self._volume.clusters)
        found = list(itertools.islice((number for number in numbers if not self._table[number] & NUMBER), count))
        if len(found) < count:
            raise InputError("the image's first partition is full", hint="build it again")
        return found


def _damaged() -> InputError:
    return InputError("the image's first partition is damaged", hint=AGAIN)


def _part_of_name(entry: bytes) -> str:
    """The thirteen characters of a long name that an entry has; those behind its end are U+FFFF."""
    return (entry[1:11] + entry[14:26] + entry[28:32]).decode("utf-16-le", "replace")


def _short_name(entry: bytes) -> str:
    """The name of a file that has no long one, in capitals. (mtools writes one like config.txt so.)"""
    name, extension = (part.decode("ascii", "replace").rstrip() for part in (entry[:8], entry[8:11]))
    return f"{name}.{extension}" if extension else name
