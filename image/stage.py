"""What a stage is, and what it is given to work with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from image.cache.store import Store
from image.events import Events
from image.inside.mounts import stacked
from image.recipe import Recipe


class Makes(Enum):
    """What a stage's result is, and where it is kept."""

    FILES = "files"
    """A folder of files, in the cache."""
    ROOT = "root"
    """What it changed in the root file system, in the cache."""
    SCRATCH = "scratch"
    """A folder of files that is gone after the build: it may hold secrets."""
    OUTPUT = "output"
    """Files in the output folder."""


BESIDE = "beside"

Made = str | Sequence[Path] | None
"""What `make` may return: a digest of its result, or the files of an OUTPUT."""


@dataclass(frozen=True)
class Work:
    """What one stage works with while it runs."""

    recipe: Recipe
    store: Store
    events: Events
    log: Path
    result: Path
    """An empty folder for the result; for Makes.ROOT the root file system, ready to be changed."""
    beside: Path
    """An empty folder for what belongs to the result of a Makes.ROOT stage, but not into the root file system."""
    results: Mapping[str, Path]
    """Results of the stages before, by name."""
    roots: Sequence[str]
    """Keys of the layers of the root file system so far, the lowest first."""

    def beside_of(self, stage: str) -> Path:
        """What a stage before left in its `beside`."""
        return self.results[stage].parent / BESIDE

    @contextmanager
    def root(self) -> Iterator[Path]:
        """The finished root file system, for looking at it: changes are thrown away."""
        with self.store.workplace() as place, layered(self.store, self.roots, place) as root:
            yield root


@dataclass(frozen=True)
class Stage:
    """One step of the build."""

    name: str
    makes: Makes
    needs: tuple[str, ...]
    """The stages whose results it uses, where the build has them."""
    inputs: Mapping[str, object]
    """Everything else that its result depends on, as JSON can hold it."""
    make: Callable[[Work], Made]
    """Makes the result."""
    code: str
    """A digest of the source code whose change may change the result; see `image.cache.code`."""
    sees_root: bool = False
    """Whether it depends on the root file system as it is when the stage begins; of course so for Makes.ROOT."""
    tells_digest: bool = False
    """Whether `make` returns a digest of the result, which then stands for it in the keys of what needs it."""
    reads: Callable[[], Mapping[str, object]] = dict
    """What stands for the files that are not code and that `make` reads: they must not change while it does."""


@contextmanager
def layered(store: Store, keys: Sequence[str], place: Path) -> Iterator[Path]:
    """The layers stacked on each other; what is changed lands in `place/tree`."""
    for name in ("tree", "work", "root"):
        (place / name).mkdir()
    (place / "tree").chmod(0o755)
    if not keys:
        yield place / "tree"
        return
    relative = place.relative_to(store.folder)
    lowers = [f"layers/{key}/tree" for key in keys]
    with stacked(store.folder, lowers, relative / "tree", relative / "work", place / "root") as root:
        yield root


def clamp_times(tree: Path, epoch: int) -> None:
    """No file is newer than `epoch`: the same inputs give the same bytes, whenever they are built."""
    for folder, folders, files in os.walk(tree, topdown=False):
        for name in (*files, *folders):
            path = Path(folder, name)
            if path.lstat().st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
