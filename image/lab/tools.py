"""The tools drive: programs of Debian for the other computers of the lab that are played inside a guest.

It is a second drive, so that nothing of it is in the image under test. `computer` puts it to use.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from image.build import make
from image.cache.code import code_of
from image.cache.keys import Keys
from image.cache.store import Store, digest_of_files
from image.debian import dpkg
from image.disk import ext4
from image.events import Events
from image.recipe import Recipe
from image.stage import Makes, Stage, Work
from image.stages import index

CODE = code_of(__file__)

LABEL = "lab-tools"
FILE = "tools.ext4"
UUID = "6c616274-6f6f-4c73-8000-000000000000"

PACKAGES = (
    # a root file system: dhcpcd's hooks are shell scripts
    "?essential",
    "base-files",
    "base-passwd",
    # what a laptop has
    "bind9-dnsutils",
    "curl",
    "dhcpcd-base",
    "iproute2",
    "iputils-ping",
    # an access point, and a client of one
    "dnsmasq-base",
    "hostapd",
    "iw",
    "wpasupplicant",
    # measuring
    "iperf3",
)

SCRIPTS = tuple(Path(__file__).with_name(name) for name in ("begin-computer", "begin-laptop"))
"""What makes those computers in the guest; they lie at the top of the drive."""


def tools_drive(store: Store, events: Events) -> Path:
    """The drive, an ext4 file system in a file that is not to be written to. Made once, then from the store."""
    recipe = Recipe(config=b"")
    make(stages, recipe, store, events)
    key = Keys(stages(recipe, store), recipe, store).key("tools")
    assert key is not None  # just made
    return store.tree(key) / FILE


def stages(recipe: Recipe, _store: Store) -> tuple[Stage, ...]:
    """Package lists, the same as those of an image; the drive, out of packages whose scripts are not run."""
    return (
        index.for_debian(recipe),
        Stage("tools", Makes.FILES, ("index",), {"packages": PACKAGES}, _make, CODE, reads=_reads),
    )


def _reads() -> dict[str, str]:
    return {script.name: digest_of_files(script) for script in SCRIPTS}


def _make(work: Work) -> None:
    with work.store.workplace() as place:
        tree = _unpacked(work, place)
        size_bytes, inodes = ext4.size_for(tree, 0)
        now = index.epoch(work.recipe, work.results)
        file = work.result / FILE
        ext4.make(file, tree, size_bytes=size_bytes, inodes=inodes, label=LABEL, uuid=UUID, epoch=now)


def _unpacked(work: Work, place: Path) -> Path:
    tree, status = place / "tree", place / "status"
    tree.mkdir(mode=0o755)
    status.touch()
    # base-files makes the symbolic links (/bin, /lib) that others' files go through.
    files = index.packages_from(work, status).download(PACKAGES)
    for package in sorted(files, key=lambda file: (not file.name.startswith("base-files_"), file.name)):
        dpkg.extract(package, tree)
    for name in ("passwd", "group"):
        shutil.copy(tree / f"usr/share/base-passwd/{name}.master", tree / "etc" / name)
    for script in SCRIPTS:
        shutil.copy(script, tree)
    return tree
