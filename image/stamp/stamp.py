"""Stamps an image for devices: what is the same for all is compressed once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance import source
from appliance.errors import ConfigError, InputError
from appliance.source import TextNode
from image.cache.store import remove
from image.events import Events, duration
from image.output import full_disk_explained
from image.stamp import checksum, device
from image.stamp.blank import Blank, blank
from image.stamp.device import Device, Shared
from image.stamp.original import original

PREFIX = ".appliance-stamp-"

HINT = "give an image that `appliance build` made, compressed or not"


def stamp(image: Path, devices: Sequence[Device], folder: Path, *, single: bool, events: Events) -> None:
    """Make the image of each device in `folder`: a folder of two files, or, if `single`, one file.

    Raises InputError or PermanentError; those that were made by then are whole, and the others as they were.
    """
    began = time.monotonic()
    targets = {one.name: folder / (f"{one.name}.img.zst" if single else one.name) for one in devices}
    if not single:
        for target in targets.values():
            device.check_replaceable(target)
    folder.mkdir(parents=True, exist_ok=True)
    hint = f"make room where {folder} is; what was stamped before this one is whole"
    with full_disk_explained(hint), _workplace(folder) as work:
        prepared = _prepared(image, max(len(one.config) for one in devices), work, events)
        check_profile(prepared.config, devices, image)
        shared = _shared(prepared, work, events)
        new_bytes = 0 if single else shared.file.stat().st_blocks * 512
        for one in devices:
            taken, seconds = _device(one, targets[one.name], prepared, shared, work=work, single=single)
            events.stamped(one.name, str(targets[one.name]), taken, seconds)
            new_bytes += taken
    seconds = round(time.monotonic() - began, 3)
    text = f"{folder}: {len(devices)} stamped, {new_bytes / 1e6:.2f} MB new, in {duration(seconds)}"
    events.result(text, devices=len(devices), folder=str(folder), new_bytes=new_bytes, seconds=seconds)


def check_profile(before: bytes, devices: Sequence[Device], image: Path) -> None:
    """Raise InputError for configurations of another profile than that of the image, whose packages are others."""
    profile = profile_of(before, "")
    for one in devices:
        if profile is not None and (wanted := profile_of(one.config, one.file)) != profile:
            raise InputError(
                f"{one.file} is for the profile {wanted}, and {image} was built for {profile}",
                hint=f"stamp an image for it that was built with --profile {wanted}",
            )


def profile_of(config: bytes, file: str) -> str | None:
    """The profile that a configuration is for; None if that cannot be told, as its owner may have changed it."""
    try:
        entries = source.read(config, file).root.entries
    except ConfigError:
        return None
    return next((e.node.text for e in entries if e.name == "profile" and isinstance(e.node, TextNode)), None)


def _device(
    one: Device, target: Path, prepared: Blank, shared: Shared, *, work: Path, single: bool
) -> tuple[int, float]:
    began = time.monotonic()
    place = work / "device"
    place.mkdir()
    own = device.compressed(prepared.beginning(one.config, place))
    taken = device.file_of(target, own, shared) if single else device.folder_of(target, own, shared, place)
    remove(place)
    return taken, time.monotonic() - began


def _prepared(image: Path, room_bytes: int, work: Path, events: Events) -> Blank:
    plain = work / "image.img"
    with events.running("open"):
        checksum.check(image)
        try:
            found = original(image, plain, lambda done, total: events.progress("decompressed", done, total))
            return blank(found, work, room_bytes)
        except InputError as error:  # is about the file that the user gave, not about a temporary one
            raise InputError(error.message.replace(str(plain), str(image)), hint=HINT) from error


def _shared(prepared: Blank, work: Path, events: Events) -> Shared:
    file = work / device.SHARED
    with events.running("compress"):
        for done in device.share(prepared.rest(), prepared.rest_bytes, file):
            events.progress("compressed", done, prepared.rest_bytes)
        if prepared.original.packed is not None:
            device.append(prepared.original.packed, prepared.original.packed_at, file)
        with file.open("rb") as reader:
            os.fsync(reader.fileno())
            digest = hashlib.file_digest(reader, "sha256").hexdigest()
    return Shared(file, digest)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A folder in `folder`, for us alone, that is gone after the block; those of killed runs go as well."""
    for leftover in folder.glob(f"{PREFIX}*"):
        with _held(leftover) as free:
            if free:
                remove(leftover)
    work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    with _held(work):
        try:
            yield work
        finally:
            remove(work)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder for the block; says whether nobody else does."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(number)
