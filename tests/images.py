"""A pytest plugin: the real image that the container and VM tests share, built once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.model import Profile
from appliance.starting import starting_config
from image.build import build
from image.cli.build import default_cache
from image.events import Events
from image.recipe import Recipe
from image.store import Store

PROJECT = Path(__file__).parent.parent
OUTPUT = PROJECT / ".cache/test-images"


@pytest.fixture(scope="session")
def gateway_image(request: pytest.FixtureRequest) -> Path:
    """The gateway's .img, of the `debian` base, with the starting configuration: tests put in theirs.

    Not to be written to: copy it. The first time this takes minutes; then it comes from the cache.
    """
    recipe = Recipe(profile="gateway", config=starting_config(Profile.GATEWAY, {}).encode(), output=OUTPUT)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), os.fdopen(os.dup(2), "w") as terminal:
        build(recipe, Store(default_cache()), Events(terminal))
    return recipe.image
