from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from image.cache.store import Store
from image.recipe import Recipe


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "cache")
    made.prepare()
    return made


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    return lambda **fields: Recipe(**{"config": b"profile: gateway\n", "output": tmp_path / "out", **fields})


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Plays a build host of another kind."""

    def play(machine: str) -> None:
        played = os.uname_result((*os.uname()[:4], machine))
        monkeypatch.setattr(os, "uname", lambda: played)

    return play
