from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from image.recipe import Recipe
from image.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "cache")
    made.prepare()
    return made


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    return lambda **fields: Recipe(**{"config": b"profile: gateway\n", "output": tmp_path / "out", **fields})
