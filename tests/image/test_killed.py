"""A build that is killed at any moment leaves nothing that is half done, and the next one finishes it.

Two configurations take turns, so that what lies beside an image might be of the other's.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path

import pytest

from image import build, output
from image.cache.keys import STORED, Keys
from image.cache.store import Store
from image.cli.build import default_cache
from image.recipe import Recipe
from image.stage import Makes
from image.stages import manifest
from tests.figures import Figure
from tests.image.built import config

pytestmark = pytest.mark.build

MOMENTS = 50
AT_A_TIME = 10
HOSTNAMES = ("one", "two")
GIVEN = ("index", "native", "bootstrap")
"""Take too long to be made fifty times, and are made by the same means as `packages`."""
ENDED_S = 10.0


@dataclass
class Site:
    """A cache of its own, with a base in it, and a configuration that changes."""

    folder: Path
    recipe: Recipe
    store: Store

    def turn(self, hostname: str) -> None:
        """Build for this one from now on."""
        self.recipe = replace(self.recipe, config=config(hostname))
        self.config.write_bytes(self.recipe.config)

    @property
    def config(self) -> Path:
        return self.folder / "appliance.yaml"

    @property
    def temporary(self) -> Path:
        """What a build has for /tmp."""
        return self.folder / "tmp"

    @property
    def keys(self) -> Keys:
        return Keys(build.stages(self.recipe, self.store), self.recipe, self.store)

    def start(self) -> subprocess.Popen[str]:
        words = ["build", "--config", self.config, "--cache", self.store.folder, "-o", self.recipe.output, "--json"]
        argv, env = [sys.executable, "-m", "appliance", *map(str, words)], {**os.environ, "TMPDIR": str(self.temporary)}
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def build(self) -> dict[str, float]:
        """Build to the end; how long each stage took that had to run."""
        with self.start() as child:
            told, error = child.communicate()
        assert child.returncode == 0, error
        events = map(json.loads, told.splitlines())
        return {event["stage"]: event["seconds"] for event in events if event["event"] == "done"}

    def forget_from(self, name: str) -> None:
        """Have the build begin with this stage. What is in the output folder stays, of whichever configuration."""
        keys = self.keys
        names = list(keys.stages)
        for later in names[names.index(name) :]:
            key = keys.key(later)
            if keys.stages[later].makes in STORED and key is not None:
                self.store.forget(key)
            for record in self.store.outputs.glob(f"{later}-*"):
                record.unlink()

    def kill(self, stage: str, after_s: float) -> bool:
        """Build, and send SIGKILL so long after that stage began; says whether it was not done yet."""
        with self.start() as child:
            assert child.stdout is not None
            for line in child.stdout:
                if json.loads(line) == {"event": "start", "stage": stage}:
                    break
            time.sleep(after_s)
            child.kill()
        return child.returncode == -signal.SIGKILL

    def made(self) -> dict[str, str]:
        """The files in the output folder, by their digests."""
        found = {}
        for path in sorted(self.recipe.output.iterdir()):
            with path.open("rb") as file:
                found[path.name] = file_digest(file, "sha256").hexdigest()
        return found

    def check_it_belongs_together(self, made: Mapping[str, str], when: str) -> None:
        """What is told beside an image must be of that image."""
        image = self.recipe.file("zst").name
        if {image, self.recipe.checksums.name} <= made.keys():
            assert manifest.digests_of(self.recipe) == {image: made[image]}, when
        if self.recipe.manifest.name in made:
            [told] = json.loads(self.recipe.manifest.read_text())["os_list"]
            assert told["image_download_sha256"] == made.get(image), when


@pytest.fixture
def site(gateway_image: Path, tmp_path: Path) -> Iterator[Site]:
    here = Site(tmp_path, Recipe(config=b"", output=tmp_path / "out"), Store(tmp_path / "cache"))
    here.temporary.mkdir()
    here.store.prepare()
    there = Store(default_cache())
    keys = Keys(build.stages(here.recipe, there), here.recipe, there)
    for name in GIVEN:
        if key := keys.key(name) if name in keys.stages else None:
            subprocess.run(["cp", "-a", there.layers / key, here.store.layers / key], check=True)
    shutil.copytree(there.archives, here.store.archives, dirs_exist_ok=True, copy_function=os.link)
    yield here
    shutil.rmtree(here.store.folder, ignore_errors=True)


def mounts() -> list[str]:
    """All but those of a dockerd, which belong to containers of other tests, and go when it has the time."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/docker0/" not in line]


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


def moments(seconds: dict[str, float], output: list[str], chance: random.Random) -> Iterator[tuple[str, float]]:
    """A stage, and how long after its beginning: anywhere in a build is as likely; or while its output is made.

    Of a few at a time the last stage comes first: what a build needs before it was not forgotten for another one.
    """
    order = list(seconds)
    for _ in range(MOMENTS // AT_A_TIME):
        among = [chance.choice((order, output)) for _ in range(AT_A_TIME)]
        found = [chance.choices(names, [seconds[name] for name in names])[0] for names in among]
        for stage in sorted(found, key=order.index, reverse=True):
            yield stage, chance.uniform(0.0, seconds[stage])


def test_killed_at_any_moment(site: Site, figure: Figure) -> None:
    wholes: dict[str, dict[str, str]] = {}
    seconds: dict[str, float] = {}
    for hostname in HOSTNAMES:
        site.turn(hostname)
        seconds = site.build() | seconds
        wholes[hostname] = site.made()
        site.check_it_belongs_together(wholes[hostname], "not killed")
    mounts_before, loops_before = mounts(), loop_devices()
    makes = {name: stage.makes for name, stage in site.keys.stages.items()}
    assert {makes[name] for name in seconds} == {Makes.FILES, Makes.ROOT, Makes.SCRATCH, Makes.OUTPUT}
    outputs = [name for name in seconds if makes[name] in (Makes.SCRATCH, Makes.OUTPUT)]
    seed, killed = time.time_ns(), 0
    turns = itertools.cycle(HOSTNAMES)
    for (stage, after_s), hostname in zip(moments(seconds, outputs, random.Random(seed)), turns, strict=False):
        site.turn(hostname)
        site.forget_from(stage)
        killed += site.kill(stage, after_s)
        when = f"{after_s:.3f} s after the beginning of {stage} (seed {seed})"
        until = time.monotonic() + ENDED_S
        while (running := processes(site)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not running, when
        assert (mounts(), loop_devices()) == (mounts_before, loops_before), when
        made = {name: digest for name, digest in site.made().items() if not name.startswith(output.PREFIX)}
        site.check_it_belongs_together(made, when)
        assert any(made.items() <= whole.items() for whole in wholes.values()), when
    site.build()
    assert site.made() == wholes[hostname], f"seed {seed}"
    assert list(site.store.work.iterdir()) == []
    figure(f"killed at {MOMENTS} moments of a build of {sum(seconds.values()):.0f} s: the next is the same to the byte")
    assert killed > MOMENTS / 2, "most were killed before they were done"
    assert list(site.temporary.iterdir()) == [], f"seed {seed}"
