"""Reads ext4 file systems inside image files, without the kernel: metadata by PyPI's `ext4`, content by the extents.

Owners, modes, times, hard links, symbolic links, file capabilities and ACLs are kept. Device nodes
cannot be made inside a user namespace: they are returned, for `image.devices`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import ext4

from appliance.errors import InputError
from image.disk.devices import Device

NEEDS_RECOVERY = 0x4
EXTENTS = 0x80000
KEPT_ATTRIBUTES = ("security.capability", "user.")
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
MAX_LINKS = 16

UNREADABLE = (ext4.MagicError, ext4.ChecksumError, ext4.InodeError, ext4.ExtendedAttributeError)
OUR_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors that come from where a base is unpacked to; any other is a damaged base's."""


class FileSystem:
    """An ext4 file system at `offset_bytes` of a file. Use `opened`."""

    def __init__(self, file: Any, offset_bytes: int) -> None:
        self.file = file
        self.offset = offset_bytes
        self.volume = ext4.Volume(file, offset=offset_bytes)
        if self.volume.superblock.s_feature_incompat & NEEDS_RECOVERY:
            raise InputError(
                "the base's root file system was not unmounted cleanly",
                hint="a base is an image as it was published, not one taken from a card in use",
            )

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return str(self.volume.uuid)

    @property
    def label(self) -> str:
        """Its label."""
        return bytes(self.volume.superblock.s_volume_name).rstrip(b"\0").decode(errors="replace")

    def text(self, path: str) -> str:
        """The content of a file, symbolic links followed; empty if there is none."""
        inode = self._at(path)
        return inode.open().read().decode(errors="replace") if isinstance(inode, ext4.File) else ""

    def extract(self, target: Path) -> list[Device]:
        """Write everything into the folder `target`; returns the device nodes."""
        extraction = _Extraction(self, target)
        extraction.folder(self.volume.root, target)
        return extraction.devices

    def _at(self, path: str) -> Any:
        """The inode at `path`, or None."""
        for _ in range(MAX_LINKS):
            try:
                inode = self.volume.inode_at(path)
            except FileNotFoundError:
                return None
            if not isinstance(inode, ext4.SymbolicLink):
                return inode
            path = os.path.normpath(PurePosixPath(path).parent / os.fsdecode(inode.readlink()))
        return None


@contextmanager
def opened(image: Path, offset_bytes: int) -> Iterator[FileSystem]:
    """The file system at `offset_bytes` of `image`. Raises InputError if it is none, or damaged."""
    with image.open("rb") as file:
        try:
            yield FileSystem(file, offset_bytes)
        except (
            *UNREADABLE,
            struct.error,
            EOFError,
            ValueError,
            LookupError,
            ArithmeticError,
            RecursionError,
            OSError,
        ) as error:
            if isinstance(error, OSError) and error.errno in OUR_DISKS:
                raise
            message = f"the second partition of {image} has no readable ext4 file system: {error}"
            raise InputError(message, hint="download the image again") from error


class _Extraction:
    """One run of `FileSystem.extract`."""

    def __init__(self, source: FileSystem, root: Path) -> None:
        self.source = source
        self.root = root
        self.devices: list[Device] = []
        self._links: dict[int, Path] = {}

    def folder(self, inode: Any, target: Path) -> None:
        """The content of one folder, which exists already, and then its own attributes."""
        for entry, _ in inode.opendir():
            name = os.fsdecode(bytes(entry.name_bytes))
            if name not in (".", "..") and target / name != self.root / "lost+found":
                self._one(self.source.volume.inodes[entry.inode], target / name)
        _set_attributes(inode, target)

    def _one(self, inode: Any, target: Path) -> None:
        if inode.i_links_count > 1 and not isinstance(inode, ext4.Directory):
            if inode.i_no in self._links:
                target.hardlink_to(self._links[inode.i_no])
                return
            self._links[inode.i_no] = target
        if isinstance(inode, ext4.Directory):
            target.mkdir()
            self.folder(inode, target)
            return
        if isinstance(inode, ext4.CharacterDevice | ext4.BlockDevice):
            self.devices.append(_device(inode, f"/{target.relative_to(self.root)}"))
            return
        if isinstance(inode, ext4.SymbolicLink):
            target.symlink_to(os.fsdecode(inode.readlink()))
        elif isinstance(inode, ext4.File):
            self._content(inode, target)
        else:
            os.mknod(target, stat.S_IFMT(inode.i_mode) | 0o600)  # a pipe or a socket
        _set_attributes(inode, target)

    def _content(self, inode: Any, target: Path) -> None:
        size, block = inode.i_size, self.source.volume.block_size
        if size and not inode.i_flags & EXTENTS:
            raise InputError(f"/{target.relative_to(self.root)} in the base is not stored in extents, as it is on ext4")
        with target.open("wb") as writer:
            for extent in inode.extents if size else ():
                begin = extent.ee_block * block
                left = min(extent.len * block, size - begin)
                at = self.source.offset + extent.ee_start * block
                writer.seek(begin)
                while extent.is_initialized and left > 0:
                    count = os.sendfile(writer.fileno(), self.source.file.fileno(), at, left)
                    if count == 0:
                        raise EOFError("the image is shorter than its file system")
                    at, left = at + count, left - count
            writer.truncate(size)


def _device(inode: Any, path: str) -> Device:
    """How the kernel keeps a device's number in an inode: old_decode_dev and new_decode_dev in linux/kdev_t.h."""
    old, new = inode.i_block[0], inode.i_block[1]
    major, minor = (old >> 8, old & 0xFF) if old else ((new & 0xFFF00) >> 8, (new & 0xFF) | ((new >> 12) & 0xFFF00))
    return Device(path, inode.i_mode, major, minor, *_owner(inode))


def _owner(inode: Any) -> tuple[int, int]:
    high = inode.osd2.linux2
    return inode.i_uid | high.l_i_uid_high << 16, inode.i_gid | high.l_i_gid_high << 16


def _set_attributes(inode: Any, target: Path) -> None:
    os.chown(target, *_owner(inode), follow_symlinks=False)
    if not isinstance(inode, ext4.SymbolicLink):
        target.chmod(stat.S_IMODE(inode.i_mode))
        for name, value in inode.xattrs:
            if name in ACLS:
                os.setxattr(target, name, acl(value))
            elif name.startswith(KEPT_ATTRIBUTES):
                os.setxattr(target, name, value)
    nanoseconds = _nanoseconds(inode.i_mtime, inode.i_mtime_extra)
    os.utime(target, ns=(nanoseconds, nanoseconds), follow_symlinks=False)


def _nanoseconds(seconds: int, extra: int) -> int:
    """A time as ext4 has it: 32 signed bits, two more above them, and 30 of nanoseconds."""
    signed = seconds - (1 << 32) if seconds & 1 << 31 else seconds
    return (signed + ((extra & 3) << 32)) * 1_000_000_000 + (extra >> 2)


def acl(stored: bytes) -> bytes:
    """An ACL as setxattr(2) takes it, from how ext4 stores it: without an id where the kind of entry needs none.

    See the kernel's fs/ext4/acl.h and include/uapi/linux/posix_acl_xattr.h.
    """
    (version,) = struct.unpack_from("<I", stored)
    if version != 1:
        raise ValueError(f"ACL version {version}")
    entries, at = [struct.pack("<I", 2)], 4
    while at < len(stored):
        tag, permissions = struct.unpack_from("<HH", stored, at)
        at += 4
        number = 0xFFFFFFFF
        if tag in (0x02, 0x08):  # ACL_USER, ACL_GROUP
            (number,) = struct.unpack_from("<I", stored, at)
            at += 4
        entries.append(struct.pack("<HHI", tag, permissions, number))
    return b"".join(entries)
