"""The same inputs give the same bytes: built again on another day, in another cache, for another folder."""

from __future__ import annotations

import json
import sys
from hashlib import file_digest
from pathlib import Path

import pytest

from appliance.model import Profile
from appliance.starting import starting_config
from image import build
from image.cache.keys import Keys
from image.cache.store import Store, remove
from image.cli.build import default_cache
from image.inside import namespaces
from image.recipe import Recipe
from image.run import run

pytestmark = pytest.mark.build

LATER = "+40d"
WITHOUT_FILES = {"NO_FAKE_STAT": "1"}
"""faketime leaves the times of files as they are."""


def copy_beginnings(cache: Path) -> None:
    """A cache with the package lists and what was downloaded: the archive may have changed since."""
    recipe = Recipe(config=starting_config(Profile.GATEWAY, {}).encode())
    ours, other = Store(default_cache()), Store(cache)
    other.prepare()
    keys = Keys(build.stages(recipe, ours), recipe, ours)
    names = list(keys.stages)
    layers = [ours.layers / (keys.key(name) or "") for name in names[: names.index("bootstrap")]]
    run(["cp", "--archive", *layers, other.layers])
    run(["cp", "--archive", "--no-target-directory", ours.archives, other.archives])


def test_a_build_on_another_day_gives_the_same_bytes(gateway_image: Path, tmp_path: Path) -> None:
    cache, output = tmp_path / "cache", tmp_path / "out"
    namespaces.inside(lambda: copy_beginnings(cache))
    try:
        argv: list[str | Path] = [sys.executable, "-m", "appliance", "build", "--cache", cache, "-o", output]
        told = run(["faketime", "-f", LATER, *argv, "--json"], env=WITHOUT_FILES)
        ran = [line for line in told.splitlines() if '"done"' in line]
        assert any('"bootstrap"' in line for line in ran)
        assert not any('"index"' in line for line in ran)
        for name in (f"{gateway_image.name}.zst", f"{gateway_image.stem}.bmap"):
            assert (output / name).read_bytes() == gateway_image.with_name(name).read_bytes(), name
        [system] = json.loads((output / f"{gateway_image.stem}.rpi-imager-manifest").read_text())["os_list"]
        with gateway_image.open("rb") as image:
            assert system["extract_sha256"] == file_digest(image, "sha256").hexdigest()
    finally:
        namespaces.inside(lambda: remove(cache))
