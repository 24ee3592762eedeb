"""The build: which stages there are, in which order, and how each is skipped or run."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from appliance.errors import InputError
from appliance.model import Profile
from image import output
from image.boards import ARMV6, DEBIAN
from image.cache import retention
from image.cache.keys import Keys
from image.cache.store import DamagedError, Entry, Key, Store
from image.events import Events, duration
from image.inside import emulation, namespaces
from image.recipe import IMG, Recipe
from image.run import require
from image.stage import BESIDE, Makes, Stage, Work, clamp_times, layered
from image.stages import (
    assemble,
    boot,
    bootfs,
    bootstrap,
    compress,
    daemon,
    fetch,
    index,
    inspect,
    manifest,
    native,
    overlay,
    package_list,
    packages,
    rootfs,
    sbom,
    unpack,
    usb_device,
)

Plan = Callable[[Recipe, Store], Sequence[Stage]]
"""What gives the stages of a build; it is asked when the store is ours alone."""

PROGRAMS = (
    "apt-get",
    "cp",
    "debugfs",
    "dpkg-deb",
    "dumpe2fs",
    "mattrib",
    "mcopy",
    "mke2fs",
    "mkfs.fat",
    "mount",
    "sfdisk",
)
"""What every build needs, the last of them after minutes."""

DAY_S = 24 * 60 * 60
OLD_LISTS_DAYS = 7
"""From when on it is worth a word that there may be newer packages."""

ROOM_GB, ROOM_ON_A_BASE_GB = 3, 6
"""What a first build takes of disks at most, the image included. Measured on ext4: 2.8 GB for a gateway on Debian, and
1.3 GB for a gadget after that; on Raspberry Pi OS Lite it is reckoned, its root file system being twice as large.
"""


def stages(recipe: Recipe, store: Store) -> tuple[Stage, ...]:
    """The table of contents."""
    base = (
        (index.for_debian(recipe), *native.stages(recipe), bootstrap.stage(recipe))
        if recipe.base == DEBIAN
        else (fetch.stage(recipe), inspect.stage(recipe), unpack.stage(), index.for_image(), *native.stages(recipe))
    )
    return (
        *base,
        packages.stage(recipe),  # apt: the profile's packages
        daemon.stage(),  # our Python packages
        overlay.stage(recipe),  # our static files: below nothing that takes long
        *((usb_device.stage(),) if recipe.profile == Profile.GADGET else ()),  # config.txt
        *(_guard() if recipe.kind is ARMV6 else ()),  # refuses what the processor cannot run
        rootfs.stage(),  # ext4
        bootfs.stage(),  # FAT
        *(compress.stage(ending) for ending in recipe.formats if ending != IMG),  # both, piece by piece
        boot.stage(recipe, store),  # FAT, with appliance.yaml
        assemble.stage(recipe),  # the output
        package_list.stage(),  # beside it: .packages.txt
        sbom.stage(),  # .spdx.json
        manifest.stage(recipe),  # .rpi-imager-manifest
    )


def _guard() -> tuple[Stage, ...]:
    from image.stages import guard  # noqa: PLC0415 (slow to load, and most builds need none)

    return (guard.stage(),)


def build(recipe: Recipe, store: Store, events: Events) -> None:
    """Build the image that `recipe` describes; what is unchanged is not made again.

    Raises InputError or PermanentError; then no output is half-written.
    """
    began = time.monotonic()
    make(stages, recipe, store, events)
    seconds = round(time.monotonic() - began, 3)
    image = recipe.file(recipe.formats[0])
    size = image.stat().st_size
    events.result(summary(image, size, seconds), image=str(image), size_bytes=size, seconds=seconds)


def summary(image: Path, size_bytes: int, seconds: float) -> str:
    """What is there now, and what to do with it."""
    here = Path.cwd()
    shown = image.relative_to(here) if image.is_relative_to(here) else image
    words = shlex.quote(str(shown))
    return (
        f"{shown}: {size_bytes / 1e6:.0f} MB, made in {duration(seconds)}\n"
        f"next: appliance flash {words}\n"
        f"or try it first: appliance lab {words}"
    )


def make(plan: Plan, recipe: Recipe, store: Store, events: Events) -> None:
    """Make the results of the plan's stages, one after the other, that the store does not have.

    Raises InputError or PermanentError; then no result is half-written.
    """
    with _full_disk_explained(recipe, store), ExitStack() as ours:
        store.prepare()
        ours.enter_context(store.locked(lambda: events.note(f"waiting for another build that uses {store.folder}")))
        steps = plan(recipe, store)
        keys = Keys(steps, recipe, store)
        note_age(keys, events)
        if not all(keys.fresh(stage.name) for stage in steps):
            namespaces.inside(lambda: _make_all(keys, events))
        else:
            _note_use(keys)


def note_age(keys: Keys, events: Events) -> None:
    """Say so if old package lists are used."""
    entry = keys.entry("index") if "index" in keys.stages else None
    if entry is None:
        return
    try:
        made_at = (keys.store.tree(entry.key) / "date").stat().st_mtime
    except FileNotFoundError:  # damaged: it will be made again
        return
    days = int((time.time() - made_at) / DAY_S)
    if days >= OLD_LISTS_DAYS:
        events.note(f"the package lists are {days} days old; --refresh (make: REFRESH=1) fetches new ones")


def _make_all(keys: Keys, events: Events) -> None:
    """Run what has to run. In namespaces of our own."""
    require(*PROGRAMS)
    recipe, store = keys.recipe, keys.store
    store.clean()
    output.clean(recipe.output)
    tempfile.tempdir = str(store.work)  # where the next build clears up
    emulation.enable(recipe.kind.machine)
    before = {entry.key for entry in store.entries()}
    _with_damage_repaired(keys, events)
    _note_use(keys)
    if before.issuperset(keys.stored()):
        return  # nothing came, so nothing has to go
    retention.trim_downloads(store)
    if removed := retention.trim(store, spared={*retention.needed(store), *keys.stored()}):
        events.note(f"{len(removed)} results that were not used lately are removed from {store.folder}")


def _with_damage_repaired(keys: Keys, events: Events) -> None:
    """Run what has to run; what turns out to be damaged while it is read is made again, once."""
    repaired: set[Key] = set()
    while True:
        forget_damaged(keys, events)
        try:
            _run(keys, events)
        except DamagedError as error:
            key = keys.store.key_of_file(error.file)
            entry = keys.store.find(key)
            if entry is None or key in repaired:
                raise
            repaired.add(key)
            _forget(entry, keys, events)
        else:
            return


def _run(keys: Keys, events: Events) -> None:
    recipe, store = keys.recipe, keys.store
    with ExitStack() as scratch, _full_disk_explained(recipe, store):
        scratch.callback(events.clear)  # an error is told by another process, which knows of no open line
        folders: dict[str, Path] = {}
        took: dict[str, float] = {}
        scratch.callback(lambda: store.durations.note(recipe.kind.name, took))
        for stage in keys.stages.values():
            if keys.fresh(stage.name):
                events.cached(stage.name)
            else:
                events.started(stage.name)
                if stage.makes is Makes.OUTPUT:
                    _remove_outdated(keys)
                began = time.monotonic()
                place = scratch.enter_context(store.workplace())
                with _end_told(stage, events):
                    _make(stage, place, keys, folders, events)
                took[stage.name] = time.monotonic() - began
                events.finished(stage.name, took[stage.name])
                folders[stage.name] = place / "tree"
            if stage.makes in (Makes.FILES, Makes.ROOT):
                folders[stage.name] = store.tree(keys.key(stage.name) or "")


def _remove_outdated(keys: Keys) -> None:
    """What lies beside an image goes before another one comes: a build that is stopped leaves nothing wrong."""
    for name, file in keys.recipe.beside.items():
        if name in keys.stages and not keys.fresh(name):
            file.unlink(missing_ok=True)


@contextmanager
def _end_told(stage: Stage, events: Events) -> Iterator[None]:
    """Say in which stage it breaks off, but for what is damaged, which is made again."""
    try:
        yield
    except KeyboardInterrupt as error:
        kept = "what was complete before is kept, and the next build goes on from there"
        raise KeyboardInterrupt(f"interrupted in {stage.name}; {kept}") from error
    except DamagedError:
        raise
    except Exception:
        events.failed(stage.name)
        raise


def forget_damaged(keys: Keys, events: Events) -> None:
    """What has lost something since it was stored is made again instead of being used."""
    while damaged := [entry for entry in keys.used() if not keys.store.is_whole(entry)]:
        for entry in damaged:
            _forget(entry, keys, events)


def _forget(entry: Entry, keys: Keys, events: Events) -> None:
    events.note(f"the stored result of {entry.stage} is damaged: it is made again")
    keys.forget(entry)


def _note_use(keys: Keys) -> None:
    for key in keys.stored():
        keys.store.used(key)


def _make(stage: Stage, place: Path, keys: Keys, folders: dict[str, Path], events: Events) -> None:
    store, key, began = keys.store, keys.key(stage.name), time.monotonic()
    assert key is not None  # all that it needs is made
    log = store.logs / f"{stage.name}.log"
    log.unlink(missing_ok=True)
    roots = keys.roots(stage.name)
    with ExitStack() as stack:
        result = stack.enter_context(layered(store, roots if stage.makes is Makes.ROOT else (), place))
        beside = place / BESIDE
        beside.mkdir()
        made = stage.make(Work(keys.recipe, store, events, log, result, beside, folders, roots))
    if not keys.holds(stage.name):
        raise InputError(f"files that {stage.name} reads were changed while it ran", hint="build again")
    if stage.makes is Makes.ROOT and "index" in folders:
        clamp_times(place / "tree", index.epoch(keys.recipe, folders))
    if stage.makes in (Makes.FILES, Makes.ROOT):
        store.keep(place, Entry(stage.name, key, str(made or key), round(time.monotonic() - began, 3)))
        keys.renewed.discard(stage.name)
    if stage.makes is Makes.OUTPUT:
        assert isinstance(made, Sequence)
        store.note_output(keys.recipe.image, stage.name, key, [Path(file) for file in made], keys.stored())


def _full_disk_explained(recipe: Recipe, store: Store) -> AbstractContextManager[None]:
    room = f"about {ROOM_GB if recipe.base == DEBIAN else ROOM_ON_A_BASE_GB} GB"
    hint = f"make room where {store.folder} and {recipe.output} are, {room}; nothing half-written is left"
    return output.full_disk_explained(hint)
