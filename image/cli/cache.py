"""`appliance cache`."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.cache import integrity, retention
from image.cache.retention import DAY_S
from image.cache.store import Entry, Store
from image.cli.build import CACHE_TOLD, default_cache
from image.events import Events, duration
from image.inside import namespaces
from image.output import check_writable

DESCRIPTION = """\
What builds keep, so that the next one costs only what changed. Removing any of it costs time, nothing else.

By themselves, builds remove what no image was made from that is still there, after two weeks unused or above 20 GB;
and what was downloaded, after two weeks unused.
"""

EXAMPLES = """\
examples:
  appliance cache                          what is in it, and what each part takes
  appliance cache trim --older-than 3      remove what was not used for three days
  appliance cache trim --to 5G             remove what was not used longest, until 5 GB are left
  appliance cache trim --to 0              remove all results
  appliance cache verify                   read all of it; what is damaged is removed, and made again by the next build
"""

SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EXAMPLES
    parser.add_argument(
        "action",
        nargs="?",
        choices=("show", "trim", "verify"),
        default="show",
        help="what to do with it (default: %(default)s)",
    )
    parser.add_argument("--older-than", type=float, metavar="DAYS", help="trim: what was not used for so many days")
    parser.add_argument("--to", metavar="SIZE", help="trim: until no more is left, as 800M or 5G")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help=f"which one (default: {CACHE_TOLD})"
    )
    parser.add_argument("--json", action="store_true", help="show: as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns the exit code; raises ApplianceError."""
    store = Store(arguments.cache.absolute())
    _check(arguments, store)
    events = Events()
    if arguments.action == "show" and not os.access(store.folder, os.W_OK):  # and no build can change it meanwhile
        _show(store, as_json=arguments.json)
        return 0
    check_writable(store.folder, "--cache")
    with store.locked(lambda: events.note(f"waiting for a build that uses {store.folder}")):
        if arguments.action == "trim":  # whoever is no root owns what lies in there only inside
            namespaces.inside(lambda: _trim(store, arguments.older_than, arguments.to))
        elif arguments.action == "verify":
            namespaces.inside(lambda: _verify(store, events))
        else:
            _show(store, as_json=arguments.json)
    return 0


def _check(arguments: argparse.Namespace, store: Store) -> None:
    if not store.layers.is_dir():
        raise InputError(
            f"there is no cache in {store.folder}", hint="`appliance build` makes one; --cache names others"
        )
    trims = arguments.older_than is not None or arguments.to is not None
    if trims and arguments.action != "trim":
        raise InputError("--older-than and --to say what to trim", hint="appliance cache trim …")
    if not trims and arguments.action == "trim":
        raise InputError("nothing says what to trim", hint="give --older-than DAYS, --to SIZE, or both")
    if arguments.older_than is not None and not arguments.older_than >= 0:
        raise InputError(f"--older-than {arguments.older_than} is no number of days", hint="as 3, or 0.5")
    if arguments.to is not None:
        size(arguments.to)


def _show(store: Store, *, as_json: bool) -> None:
    parts = [*sorted(_results(store), key=lambda part: -part.disk_bytes), *_downloaded(store)]
    total = sum(part.disk_bytes for part in parts)
    if as_json:
        print(
            json.dumps({"folder": str(store.folder), "disk_bytes": total, "parts": list(map(asdict, parts))}, indent=1)
        )
        return
    print(f"{store.folder}: {_size(total)}")
    for part in parts:
        print(f"  {part.what:<17} {_size(part.disk_bytes):>9}{_about(part)}")


@dataclass(frozen=True)
class _Part:
    """What one stage has in the cache, or what was downloaded."""

    what: str
    disk_bytes: int
    results: int | None = None
    needed: int | None = None
    """How many of them an image was made from that is still there."""
    used_days_ago: float | None = None


def _results(store: Store) -> Iterator[_Part]:
    needed = retention.needed(store)
    by_stage: dict[str, list[Entry]] = defaultdict(list)
    for entry in (*store.entries(), *store.strangers()):
        by_stage[entry.stage].append(entry)
    for stage, entries in by_stage.items():
        yield _Part(
            stage,
            sum(entry.disk_bytes for entry in entries),
            len(entries),
            sum(entry.key in needed for entry in entries),
            round((time.time() - max(map(store.used_at, entries))) / DAY_S, 2),
        )


def _downloaded(store: Store) -> Iterator[_Part]:
    for what, folder in (("packages (.deb)", store.archives), ("base images", store.downloads)):
        if folder.is_dir():
            yield _Part(what, integrity.disk_bytes(folder))


def _about(part: _Part) -> str:
    if part.results is None or part.used_days_ago is None:
        return ""
    days = part.used_days_ago
    used = "today" if days < 1 else f"{days:.0f} days ago"
    return f"   {_count(part.results)}, {part.needed} of images that are there; last used {used}"


def _trim(store: Store, older_than: float | None, to: str | None) -> None:
    unused_s = math.inf if older_than is None else older_than * DAY_S
    to_bytes = sys.maxsize if to is None else size(to)
    removed = retention.trim(store, unused_s=unused_s, to_bytes=to_bytes)
    print(f"{_count(len(removed))} removed: {_size(sum(entry.disk_bytes for entry in removed))}")
    if downloads := retention.trim_downloads(store, unused_s=unused_s):
        print(f"packages and base images removed: {_size(downloads)}")


def _verify(store: Store, events: Events) -> None:
    damaged, done, entries = 0, 0, store.entries()
    total = sum(entry.disk_bytes for entry in entries)
    for entry in entries:
        if not store.is_whole(entry, to_the_byte=True):
            events.note(f"the result of {entry.stage}, which took {duration(entry.seconds)} to make, is damaged")
            store.forget(entry.key)
            damaged += 1
        done += entry.disk_bytes
        events.progress("read", done, total)
    events.clear()
    if damaged:
        hint = "the next build makes them again; if nobody wrote to the cache, have a look at the disk (dmesg)"
        raise PermanentError(f"{_count(damaged)} of {len(entries)} removed", hint=hint)
    print(f"{_count(len(entries))}, {_size(total)}: all as they were made")


def size(text: str) -> int:
    """Bytes. Raises InputError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise InputError(f"{text!r} is not a size", hint="as 800M or 5G")
    return int(float(match[1]) * SIZES[match[2].upper()])


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.1f} MB"


def _count(number: int) -> str:
    return f"{number} result{'' if number == 1 else 's'}"
