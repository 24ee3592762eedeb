"""A pytest plugin: the real images that the container and VM tests share, built once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from appliance.model import Profile
from appliance.starting import starting_config
from image import boards
from image.build import build
from image.cache.store import Store
from image.cli.build import default_cache
from image.debian.apt import OUT_OF_SYNC
from image.events import Events
from image.lab.tools import tools_drive
from image.recipe import Recipe

PROJECT = Path(__file__).parent.parent
OUTPUT = PROJECT / ".cache/test-images"


@pytest.fixture(scope="session")
def gateway_image(request: pytest.FixtureRequest) -> Path:
    """The gateway's .img, of the `debian` base, with the starting configuration: tests put in theirs.

    Not to be written to: copy it. The first time this takes minutes; then it comes from the cache.
    """
    return _image(request, Profile.GATEWAY, boards.DEFAULT)


@pytest.fixture(scope="session")
def gadget_image(request: pytest.FixtureRequest) -> Path:
    """The gadget's, for arm64."""
    return _image(request, Profile.GADGET, boards.DEFAULT)


@pytest.fixture(scope="session")
def zero_image(request: pytest.FixtureRequest) -> Path:
    """The gadget's, for the Zero. Skipped where the mirror has no whole lists of its packages."""
    try:
        return _image(request, Profile.GADGET, "zero")
    except PermanentError as error:
        if OUT_OF_SYNC not in str(error):
            raise
        pytest.skip(f"the mirror's lists of armel packages do not fit its signatures: {error}")


@pytest.fixture(scope="session")
def tools(request: pytest.FixtureRequest) -> Path:
    """The lab's tools drive."""
    with _terminal(request) as events:
        return tools_drive(Store(default_cache()), events)


def _image(request: pytest.FixtureRequest, profile: Profile, board: str) -> Path:
    config = starting_config(profile, {}).encode()
    recipe = Recipe(profile=profile.value, board=board, config=config, output=OUTPUT, formats=("zst", "img"))
    with _terminal(request) as events:
        build(recipe, Store(default_cache()), events)
    return recipe.image


@contextmanager
def _terminal(request: pytest.FixtureRequest) -> Iterator[Events]:
    """Progress is shown while it goes on, whatever pytest captures."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), os.fdopen(os.dup(2), "w") as terminal:
        yield Events(terminal)
