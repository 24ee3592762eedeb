"""What the cache keeps, and what goes first."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from image.cache.store import Entry, Key, Store

DAY_S = 24 * 60 * 60
UNUSED_S = 14 * DAY_S
"""How long a result is kept that nothing needs any more."""

FULL_BYTES = 20 * 10**9
"""What builds leave in the cache by themselves at most, of results that no output needs."""


def needed(store: Store) -> set[Key]:
    """The results that an image was made from which is still there, as it was made."""
    found: set[Key] = set()
    for _, files, layers in store.made_outputs():
        if all(file.exists() for file in files):
            found.update(layers)
    return found


def trim(
    store: Store, *, unused_s: float = UNUSED_S, to_bytes: int = FULL_BYTES, spared: Collection[Key] = ()
) -> list[Entry]:
    """Remove results that nobody used for so long, and then the longest unused, until the rest takes no more.

    `spared` stay, and count. Returns what was removed. Raises OSError.
    """
    removed = list(_trim(store, unused_s, to_bytes, spared))
    for entry in removed:
        store.forget(entry.key)
    for record, files, _ in store.made_outputs():  # of outputs that are gone: all would be made again anyway
        if not files or not all(file.exists() for file in files):
            record.unlink()
    return removed


def trim_downloads(store: Store, *, unused_s: float = UNUSED_S) -> int:
    """Remove packages and base images that nobody used for so long. Returns how many bytes of the disk they took.

    A base image that a stored result leads to is used.
    """
    used = {link.resolve() for link in store.layers.glob("*/tree/*") if link.is_symlink()}
    removed = 0
    for file in (*store.archives.glob("**/*"), *store.downloads.glob("*")):
        if file.is_file() and file.resolve() not in used and file.stat().st_mtime < time.time() - unused_s:
            removed += file.stat().st_blocks * 512
            file.unlink()
    return removed


def _trim(store: Store, unused_s: float, to_bytes: int, spared: Collection[Key]) -> Iterator[Entry]:
    entries = sorted([*store.entries(), *store.strangers()], key=store.used_at)
    too_much = sum(entry.disk_bytes for entry in entries) - to_bytes
    for entry in entries:
        if entry.key not in spared and (too_much > 0 or store.used_at(entry) < time.time() - unused_s):
            too_much -= entry.disk_bytes
            yield entry
