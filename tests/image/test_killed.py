"""A build that is killed at any moment leaves nothing that is half done, and the next one finishes it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import pytest

from appliance.model import Profile
from appliance.starting import starting_config
from image import build, output
from image.cache.keys import STORED, Keys
from image.cache.store import Store
from image.cli.build import default_cache
from image.recipe import Recipe
from image.stage import Makes
from tests.figures import Figure

pytestmark = pytest.mark.build

MOMENTS = 50
GIVEN = ("index", "native", "bootstrap")
"""Take too long to be made fifty times, and are made by the same means as `packages`."""
ENDED_S = 10.0


@dataclass
class Site:
    """A cache of its own, with a base in it."""

    recipe: Recipe
    store: Store

    @property
    def keys(self) -> Keys:
        return Keys(build.stages(self.recipe, self.store), self.recipe, self.store)

    def start(self) -> subprocess.Popen[str]:
        arguments = ["--cache", str(self.store.folder), "-o", str(self.recipe.output), "--json"]
        argv = [sys.executable, "-m", "appliance", "build", *arguments]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def build(self) -> dict[str, float]:
        """Build to the end; how long each stage took that had to run."""
        with self.start() as child:
            told, error = child.communicate()
        assert child.returncode == 0, error
        events = map(json.loads, told.splitlines())
        return {event["stage"]: event["seconds"] for event in events if event["event"] == "done"}

    def forget_from(self, name: str) -> None:
        """Have the build begin with this stage."""
        keys = self.keys
        names = list(keys.stages)
        for later in names[names.index(name) :]:
            key = keys.key(later)
            if keys.stages[later].makes in STORED and key is not None:
                self.store.forget(key)
        for file in self.recipe.files:
            file.unlink(missing_ok=True)

    def kill(self, stage: str, after_s: float) -> None:
        """Build, and send SIGKILL so long after that stage began."""
        with self.start() as child:
            assert child.stdout is not None
            for line in child.stdout:
                if json.loads(line) == {"event": "start", "stage": stage}:
                    break
            time.sleep(after_s)
            child.kill()

    def made(self) -> dict[str, str]:
        """The files in the output folder, by their digests."""
        found = {}
        for path in sorted(self.recipe.output.iterdir()):
            with path.open("rb") as file:
                found[path.name] = file_digest(file, "sha256").hexdigest()
        return found


@pytest.fixture
def site(gateway_image: Path, tmp_path: Path) -> Iterator[Site]:
    config = starting_config(Profile.GATEWAY, {}).encode()
    here = Site(Recipe(config=config, output=tmp_path / "out"), Store(tmp_path / "cache"))
    here.store.prepare()
    there = Store(default_cache())
    keys = Keys(build.stages(here.recipe, there), here.recipe, there)
    for name in GIVEN:
        if key := keys.key(name) if name in keys.stages else None:
            subprocess.run(["cp", "-a", there.layers / key, here.store.layers / key], check=True)
    shutil.copytree(there.archives, here.store.archives, dirs_exist_ok=True, copy_function=os.link)
    yield here
    shutil.rmtree(here.store.folder, ignore_errors=True)


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


def processes(site: Site) -> list[str]:
    """Those that have to do with the site."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(site.store.folder) in f"{told} {(folder / 'cwd').readlink()} {(folder / 'root').readlink()}":
                found.append(f"{folder.name}: {told}")
    return found


def loop_devices() -> list[str]:
    return [file.read_text() for file in Path("/sys/block").glob("loop*/loop/backing_file")]


def moments(seconds: dict[str, float], chance: random.Random) -> Iterator[tuple[str, float]]:
    """A stage, and how long after its beginning: anywhere in a build is as likely."""
    for _ in range(MOMENTS):
        [stage] = chance.choices(list(seconds), list(seconds.values()))
        yield stage, chance.uniform(0.0, seconds[stage])


def test_killed_at_any_moment(site: Site, figure: Figure) -> None:
    seconds = site.build()
    whole, mounts_before, loops_before = site.made(), mounts(), loop_devices()
    makes = {name: stage.makes for name, stage in site.keys.stages.items()}
    assert {makes[name] for name in seconds} == {Makes.FILES, Makes.ROOT, Makes.SCRATCH, Makes.OUTPUT}
    seed, left = time.time_ns(), 0
    for stage, after_s in moments(seconds, random.Random(seed)):
        site.forget_from(stage)
        site.kill(stage, after_s)
        when = f"{after_s:.3f} s after the beginning of {stage} (seed {seed})"
        until = time.monotonic() + ENDED_S
        while (running := processes(site)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not running, when
        assert (mounts(), loop_devices()) == (mounts_before, loops_before), when
        made = {name: digest for name, digest in site.made().items() if not name.startswith(output.PREFIX)}
        assert made.items() <= whole.items(), when
        left += len(whole) - len(made)
    site.build()
    assert site.made() == whole, f"seed {seed}"
    assert list(site.store.work.iterdir()) == []
    figure(f"killed at {MOMENTS} moments of a build of {sum(seconds.values()):.0f} s: the next is the same to the byte")
    assert left > MOMENTS, "most were killed before they were done"
