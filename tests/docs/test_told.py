"""What README.md and docs/ tell in passing, and nobody types: names of images, options, minutes."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from image import build
from image.boards import BOARDS
from image.debian.packages import PROFILES
from image.recipe import PROJECT, Recipe
from tests.docs.blocks import blocks

PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
FOR_THOSE_WHO_CHANGE_IT = ("architecture.md", "extending.md")
HELP = sorted((PROJECT / "image/cli").glob("*.py"))
IMAGE = re.compile(r"appliance-(?:[a-z]+|PROFILE)-[a-z0-9]+\.img(?:\.[a-z]+)?")
STAGE = re.compile(r"\b\w+: ([\d.]+) s\b")
MINUTES = re.compile(r"Make the image \((\d+) to (\d+) minutes, the first time\)")


@pytest.mark.parametrize("file", [*PAGES, *HELP], ids=lambda file: file.name)
def test_images_are_called_as_a_build_calls_them(file: Path) -> None:
    """Where nobody asks for another format."""
    recipes = [Recipe(profile=profile, board=board, config=b"") for profile, board in product(PROFILES, BOARDS)]
    made = {recipe.file(ending).name for recipe in recipes for ending in recipe.formats}
    named = {name.replace("PROFILE", "gateway") for name in IMAGE.findall(file.read_text(encoding="utf-8"))}
    assert named <= made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_there_is_one_way_to_make_an_image(page: Path) -> None:
    assert page.name in FOR_THOSE_WHO_CHANGE_IT or "make image" not in page.read_text(encoding="utf-8")


def test_a_build_takes_no_longer_in_its_picture_than_is_told() -> None:
    text = (PROJECT / "docs/pictures/build.svg").read_text(encoding="utf-8")
    minutes = sum(float(seconds) for seconds in STAGE.findall(text)) / 60
    for page in ("tutorial-gateway.md", "tutorial-gadget.md"):
        told = MINUTES.search((PROJECT / "docs" / page).read_text(encoding="utf-8"))
        assert told is not None
        assert int(told[1]) <= round(minutes) <= int(told[2])


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial-gateway.md", "docs/tutorial-gadget.md"])
def test_whoever_begins_is_told_what_room_a_build_takes(page: str) -> None:
    assert f" {build.ROOM_GB} GB of room on its disk" in " ".join((PROJECT / page).read_text(encoding="utf-8").split())


def test_the_room_that_a_build_takes_is_the_same_everywhere() -> None:
    told = (PROJECT / "docs/images.md").read_text(encoding="utf-8")
    assert f"The first image takes about {build.ROOM_GB} GB of disk" in told
    assert f"the first on Raspberry Pi OS about {build.ROOM_ON_A_BASE_GB} GB" in told


def test_the_command_for_powershell_is_that_for_other_shells() -> None:
    commands = [line for block in blocks(PROJECT / "docs/install.md") for line in block.commands]
    [alias] = [re.fullmatch("alias appliance='(.*)'", line) for line in commands if line.startswith("alias ")]
    [function] = [
        re.fullmatch(r"function appliance \{ (.*) @args \}", line) for line in commands if line.startswith("function ")
    ]
    assert alias is not None and function is not None
    assert alias[1].replace("$PWD", "${PWD}") == function[1]
