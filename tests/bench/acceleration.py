"""What native tools are worth: the same packages installed by them, and as an emulated chroot installs them.

Both ways have the package lists and the packages on the disk already, and where there is a base, the same one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from image.build import build, stages
from image.cache.keys import Keys
from image.cache.store import Key, Store, remove
from image.cli.build import default_cache
from image.debian import packages
from image.events import Events
from image.inside import chroot, emulation, namespaces
from image.inside.mounts import bind
from image.recipe import Recipe
from image.run import run
from image.stage import layered
from image.stages import bootstrap, index
from image.stages import packages as customise
from tests.bench.shown import figure, heading
from tests.image.both_ways import foundations, run_stages

# What the base's own stage lays out beforehand as well: or else the fsck is missing, and keys are made for minutes.
PREPARED = """\
set -e
mkdir -p "$1/boot/firmware" "$1/etc/initramfs-tools/conf.d" "$1/etc/ssh" "$1/var/lib/apt"
mkdir -p "$1/var/cache/apt/archives/partial"
echo FSTYPE=ext4 >"$1/etc/initramfs-tools/conf.d/root-type"
touch "$1/etc/ssh/ssh_host_rsa_key" "$1/etc/ssh/ssh_host_ecdsa_key" "$1/etc/ssh/ssh_host_ed25519_key"
cp -r "$LISTS/." "$1/var/lib/apt/lists/"
cp "$ARCHIVES"/*.deb "$1/var/cache/apt/archives/"
"""


def measure(folder: Path) -> None:
    """Print it; `folder` is empty."""
    recipe, store = Recipe(config=b"", output=folder / "out"), Store(default_cache())
    with Path(os.devnull).open("w") as nowhere:
        build(recipe, store, Events(nowhere))
        results = foundations(recipe, store, Events(nowhere))
    base = Keys(stages(recipe, store), recipe, store).roots("packages")

    heading("customise a full base with the gateway's packages")
    fast = _timed(folder, store, lambda: _customise(recipe, store, results, base))
    slow = _timed(folder, store, lambda: _customise_emulated(store, results, base, folder))
    _show("native tools", fast, "apt-get in an emulated chroot", slow)

    heading("cold `debian` base, kernel and initrd included")
    tools = Keys(stages(recipe, store), recipe, store).entry("native")
    fast = _timed(folder, store, lambda: _make_base(recipe, store, results, folder / "base"))
    slow = _timed(folder, store, lambda: _mmdebstrap(store, results, folder / "mmdebstrap"))
    figure("the tool root, if there is none yet", f"{tools.seconds if tools else 0:.1f} s")
    _show("native tools", fast, "mmdebstrap, emulated", slow)


def _show(one: str, fast_s: float, other: str, slow_s: float) -> None:
    figure(one, f"{fast_s:.1f} s")
    figure(other, f"{slow_s:.1f} s")
    figure("faster by", f"{slow_s / fast_s:.1f} x")


def _timed(folder: Path, store: Store, work: Callable[[], float]) -> float:
    """What `work` says that it took, in seconds; it runs in namespaces of its own."""
    told = folder / "seconds"

    def inside() -> None:
        emulation.enable(Recipe(config=b"").kind.machine)
        told.write_text(json.dumps(work()))

    with store.locked(lambda: None):
        namespaces.inside(inside)
    return float(json.loads(told.read_text()))


def _customise(recipe: Recipe, store: Store, results: dict[str, Path], base: Sequence[Key]) -> float:
    with store.workplace() as place, layered(store, base, place) as root:
        return sum(
            run_stages([customise.stage(recipe)], recipe, store, results=results, root=root, place=place).values()
        )


def _customise_emulated(store: Store, results: dict[str, Path], base: Sequence[Key], folder: Path) -> float:
    with store.workplace() as place, layered(store, base, place) as root:
        (root / "var/lib/apt/lists").mkdir(parents=True, exist_ok=True)
        (root / "var/cache/apt/archives").mkdir(parents=True, exist_ok=True)
        with (
            chroot.entered(root, folder / "emulated.log", {}) as inside,
            bind(results["index"] / "lists", root / "var/lib/apt/lists"),
            bind(store.archives, root / "var/cache/apt/archives"),
        ):
            argv = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "APT::Sandbox::User=root"]
            began = time.monotonic()
            inside.run(*argv, "-o", "Dpkg::Options::=--force-unsafe-io", *packages.PROFILES["gateway"])
            return time.monotonic() - began


def _make_base(recipe: Recipe, store: Store, results: dict[str, Path], place: Path) -> float:
    root = place / "root"
    root.mkdir(parents=True, mode=0o755)
    took = run_stages([bootstrap.stage(recipe)], recipe, store, results=results, root=root, place=place)
    return took["bootstrap"]


def _mmdebstrap(store: Store, results: dict[str, Path], target: Path) -> float:
    hook = target.with_suffix(".hook")
    hook.write_text(f"#!/bin/sh\nLISTS={results['index']}/lists\nARCHIVES={target}.archives\n{PREPARED}")
    hook.chmod(0o755)
    _pick_archives(store, Path(f"{target}.archives"))
    excluded = [f"--dpkgopt={line}" for line in bootstrap.DPKG_EXCLUDES.splitlines() if not line.startswith("#")]
    began = time.monotonic()
    run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=required",
            "--architectures=arm64",
            "--format=directory",
            "--skip=update,cleanup/apt/lists",
            f'--setup-hook={hook} "$1"',
            "--dpkgopt=force-unsafe-io",
            *excluded,
            f"--include=base-files,base-passwd,{','.join(packages.debian_base('arm64'))}",
            "trixie",
            target,
            results["index"] / index.SOURCES,
        ],
        env={"SOURCE_DATE_EPOCH": (results["index"] / "date").read_text().strip()},
        log=target.with_suffix(".log"),
    )
    took = time.monotonic() - began
    for folder in (target, Path(f"{target}.archives")):
        remove(folder)
    return took


def _pick_archives(store: Store, folder: Path) -> None:
    """Those for arm64, which are on the disk since the base was made."""
    folder.mkdir()
    for file in store.archives.glob("*.deb"):
        if file.name.endswith(("_arm64.deb", "_all.deb")):
            (folder / file.name).symlink_to(file)
