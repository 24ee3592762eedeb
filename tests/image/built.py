"""Images whose FAT partition the real stage has made, small ones; and stages on folders for root file systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from image.cache.store import Store
from image.disk import layout, partitions
from image.events import Events
from image.recipe import Recipe
from image.stage import Work
from image.stages import boot, bootfs
from tests.image.raspberry import TRIXIE, Raspberry

EXAMPLES = Path(__file__).parent.parent / "appliance/examples"
EXAMPLE = (EXAMPLES / "gateway.yaml").read_text()
OLD_SECRET = "of the image, and of no device"
EPOCH = 1_700_000_000
BOOT_FILES = {
    "config.txt": "[all]\n",
    "LICENCE": "text\n" * 1000,
    "bcm2711.dtb": "tree" * 9000,
    "initrd": "i" * 9_000_000,
}


def config(hostname: str, extra: str = "") -> bytes:
    return EXAMPLE.replace("hostname: ipv6gw", f"hostname: {hostname}").encode() + extra.encode()


@dataclass(frozen=True)
class Rooted(Work):
    """With a root file system that is a folder."""

    place: Path = Path()

    @contextmanager
    def root(self) -> Iterator[Path]:
        yield self.place


@dataclass(frozen=True)
class Built:
    """An image whose FAT partition was made by the real stage."""

    folder: Path
    raspberry: Raspberry = TRIXIE

    def make(self) -> Path:
        """The image, its appliance.yaml with a secret."""
        image = self.raspberry.make(self.folder)
        partitions.place(self.boot(f"# {OLD_SECRET}\n".encode() * 50 + config("old")), image, self.raspberry.boot_start)
        return image

    def boot(self, content: bytes) -> Path:
        """The FAT partition that a build gives with this configuration."""
        place = self.folder / f"build-{len(list(self.folder.iterdir()))}"
        files = place / "root" / self.raspberry.boot_mount
        (files / "overlays").mkdir(parents=True)
        for name, text in {**BOOT_FILES, "overlays/dwc2.dtbo": "overlay"}.items():
            (files / name).write_text(text)
            os.utime(files / name, (EPOCH - 1000, EPOCH - 1000))
        (place / "inspect").mkdir()
        (place / "index").mkdir()
        layout.write(self.raspberry.layout, place / "inspect")
        (place / "index/date").write_text(str(EPOCH))
        results = {name: place / name for name in ("inspect", "index")}
        recipe, store = Recipe(config=content), Store(place / "cache")
        store.prepare()
        made = {name: place / f"{name}-made" for name in ("bootfs", "boot")}
        for name, stage in {"bootfs": bootfs.stage(), "boot": boot.stage(recipe, store)}.items():
            made[name].mkdir()
            work = Rooted(recipe, store, Events(), place, made[name], place, results, (), place=place / "root")
            stage.make(work)
            results[name] = made[name]
        return made["boot"] / boot.FILE
