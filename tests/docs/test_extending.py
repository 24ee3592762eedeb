"""docs/extending.md: what it says to write is written into a copy of the sources; what it says to run is run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from image.recipe import PROJECT
from tests.docs.blocks import Block, blocks, put
from tests.figures import Figure

PAGE = PROJECT / "docs/extending.md"
NOT_SOURCES = shutil.ignore_patterns(".*", "dist", "*.egg-info", "__pycache__")

ELSEWHERE = {"make lint": "it is tests/test_lint.py, over the sources as they are"}
"""Commands of the text that are not run here, and why."""

MAKE = "make -o .venv/.build-ready "
"""The tools are there: make would fetch them anew, as the copy's files are of another time."""

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with all that the text adds. Types that mypy knows already are known there."""
    tree = tmp_path_factory.mktemp("extended") / "sources"
    shutil.copytree(PROJECT, tree, ignore=NOT_SOURCES, symlinks=True)
    (tree / ".venv").symlink_to((PROJECT / ".venv").resolve())
    if (known := PROJECT / ".mypy_cache").exists():
        shutil.copytree(known, tree / ".mypy_cache")
    for block in blocks(PAGE):
        if block.file:
            put(block, tree)
    return tree


COMMANDS = list(dict.fromkeys(command for block in blocks(PAGE) if block.tag == "sh" for command in block.commands))


def test_there_is_a_kind_and_a_stage() -> None:
    files = [block.file for block in blocks(PAGE) if block.tag == "python"]
    assert [Path(file).parent.as_posix() for file in files] == [
        "firstboot/resources",
        "tests/firstboot",
        "image/stages",
        "tests/image",
    ]


def test_every_block_is_used() -> None:
    unused: list[Block] = [block for block in blocks(PAGE) if block.tag != "sh" and not block.file]
    assert not unused


def test_what_is_tried_elsewhere_is_told(figure: Figure) -> None:
    for command, why in ELSEWHERE.items():
        assert command in COMMANDS
        figure(f"`{command}` of docs/extending.md is not run for it: {why}")


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ELSEWHERE])
def test_what_the_text_says_to_run_is_run(command: str, tree: Path) -> None:
    argv = ["sh", "-c", re.sub("^make ", MAKE, command)]
    ours = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(argv, cwd=tree, env=ours, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
