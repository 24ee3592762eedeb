"""Each stage of a build says what it makes, where it is told of, and programs are not disturbed by that."""

from __future__ import annotations

import io
import json
from itertools import product
from pathlib import Path

import pytest

from image.boards import BOARDS
from image.build import stages
from image.cache.store import Store
from image.debian.packages import PROFILES
from image.events import Events
from image.lab import tools
from image.phrases import PHRASES
from image.recipe import ENDINGS, Recipe

COLUMNS = 80
LONG_S = 754.0
RECIPES = [
    Recipe(config=b"", profile=profile, board=board, base=base, formats=ENDINGS, mirror="https://192.0.2.1/debian")
    for profile, board, base in product(PROFILES, BOARDS, ("debian", "raspios.img.xz"))
]


def names(folder: Path) -> set[str]:
    store = Store(folder)
    all_of = [stages(recipe, store) for recipe in RECIPES]
    return {stage.name for each in (*all_of, tools.stages(RECIPES[0], store)) for stage in each}


def test_every_stage_says_what_it_makes_and_nobody_else(tmp_path: Path) -> None:
    assert set(PHRASES) == names(tmp_path)


@pytest.mark.parametrize("stage", PHRASES)
def test_a_line_is_not_wider_than_a_terminal(stage: str) -> None:
    told = io.StringIO()
    events = Events(told)
    events.planned(stage, LONG_S)
    events.finished(stage, LONG_S)
    planned, done = told.getvalue().splitlines()
    assert planned.endswith(f"  {PHRASES[stage]}") and done.endswith(f"  {PHRASES[stage]}")
    assert max(len(planned), len(done)) <= COLUMNS


def test_what_is_no_stage_is_told_as_it_is() -> None:
    told = io.StringIO()
    Events(told).finished("write", 1.0)
    Events(told).cached("bootstrap")
    assert told.getvalue() == "write: 1.0 s\nbootstrap: unchanged\n"


def test_programs_are_told_the_name() -> None:
    told = io.StringIO()
    Events(told, as_json=True).planned("bootstrap", None)
    Events(told, as_json=True).finished("bootstrap", 1.0)
    assert [json.loads(line) for line in told.getvalue().splitlines()] == [
        {"event": "planned", "stage": "bootstrap"},
        {"event": "done", "stage": "bootstrap", "seconds": 1.0},
    ]
