"""What a build costs of which little has changed: seconds of the whole command, beside what it cost without us."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from image.recipe import PROJECT
from tests.bench.shown import figure, heading

OFTEN, SELDOM = 5, 4
SOURCES = ("appliance", "firstboot", "image", "overlays")
OVERLAY = "overlays/base/etc/ssh/sshd_config.d/10-appliance.conf"
"""Early in the image: when it grows, everything after it moves."""
BLOCKS = "#" * 9000 + "\n"
"""More than two blocks of the file system."""


@dataclass(frozen=True)
class Took:
    """Seconds until the image is in place, and until all is that lies beside it."""

    image_s: float
    all_s: float


@dataclass(frozen=True)
class Project:
    """A copy of this one, whose files can be changed."""

    folder: Path
    config: Path
    output: Path

    @property
    def overlay(self) -> Path:
        """A static file."""
        return self.folder / OVERLAY

    def packed(self, ending: str) -> Path:
        """The image."""
        return self.output / f"appliance-gateway-arm64.img.{ending}"

    def build(self, ending: str = "zst") -> Took:
        """Build; gives the seconds, the interpreter's start included."""
        environment = dict(os.environ)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody who uses it has that
        argv: list[str | Path] = ["build", "--config", self.config, "-o", self.output, "--format", ending, "--json"]
        command: list[str | Path] = [sys.executable, "-m", "appliance", *argv]
        began, image_s = time.monotonic(), None
        with subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for event in map(json.loads, child.stdout):
                if event["event"] == "done" and event["stage"] == "assemble":
                    image_s = time.monotonic() - began
        assert child.returncode == 0
        all_s = time.monotonic() - began
        return Took(all_s if image_s is None else image_s, all_s)

    def often(self, what: str, times: int, change: Callable[[], None]) -> None:
        """Build several times, each after a change."""
        measured = []
        for _ in range(times):
            change()
            measured.append(self.build())
        for which in fields(Took):
            seconds = [getattr(took, which.name) for took in measured]
            name = which.name.removesuffix("_s")
            figure(f"{what}: {name}", f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} s)")


def measure(folder: Path) -> None:
    """Print all of it; `folder` is empty. Of the default cache, what is there is used."""
    project = Project(folder / "project", folder / "appliance.yaml", folder / "dist")
    for name in SOURCES:
        shutil.copytree(PROJECT / name, project.folder / name, symlinks=True)
    shutil.copy(PROJECT / "tests/appliance/examples/gateway.yaml", project.config)
    heading("rebuilding the gateway, wall clock of `appliance build`: median (and least) of a few")
    project.build()
    project.often("nothing changed", OFTEN, lambda: None)
    project.often("appliance.yaml changed", OFTEN, lambda: _add(project.config))
    project.often("a static file changed", SELDOM, lambda: _add(project.overlay))
    project.often("a static file grew, all others move", SELDOM, lambda: _add(project.overlay, BLOCKS))
    _compare(project, folder / "plain.img")


def _compare(project: Project, image: Path) -> None:
    """With what compresses the same image as a whole."""
    heading("compressing the same image")
    subprocess.run(["zstd", "-q", "-d", project.packed("zst"), "-o", image], check=True)
    for ending, *argv in (("zst", "zstd", "-q", "-T0", "-3", "-c"), ("xz", "xz", "-T0", "-6", "-c")):
        began = time.monotonic()
        with image.with_suffix(".packed").open("wb") as packed:
            subprocess.run([*argv, image], check=True, stdout=packed)
            seconds, size = time.monotonic() - began, os.fstat(packed.fileno()).st_size
        figure(" ".join(argv[:-1]), f"{seconds:.1f} s, {size / 1e6:.1f} MB")
        first = project.build(ending)
        _add(project.config)
        again, size = project.build(ending), project.packed(ending).stat().st_size
        figure(
            f".img.{ending}, first and after a change",
            f"{first.image_s:.1f} s, {again.image_s:.1f} s, {size / 1e6:.1f} MB",
        )


def _add(file: Path, text: str = "# changed\n") -> None:
    with file.open("a") as writer:
        writer.write(text)
