"""Every command of README.md and docs/: tried as somebody would who has just installed Debian, and has the sources."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from appliance import cli
from image.recipe import PROJECT
from image.stages import daemon
from tests.appliance.test_init import STANZA, filled
from tests.docs.blocks import blocks
from tests.docs.commands import CARD, PLACES, Elsewhere, Tried, way
from tests.docs.computer import Computer, installed
from tests.docs.test_extending import NOT_SOURCES
from tests.figures import Figure
from tests.image.built import Built
from tests.image.raspberry import TRIXIE
from tests.image.stamping import in_frames

PAGES = (
    "README.md",
    *(f"docs/{name}.md" for name in ("tutorial-gateway", "tutorial-gadget", "gateway", "gadget", "images", "debian")),
    "docs/how-it-works.md",
    "docs/install.md",
    "docs/lab.md",
)
INSTALLING = ("README.md", "docs/tutorial-gateway.md", "docs/tutorial-gadget.md")
"""These tell how; the others are read later."""
EXTENDING = "docs/extending.md"
"""Tried by test_extending.py."""

RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""The Debian that has this Python: for it, pip has what is locked here."""

EXAMPLE = PROJECT / "tests/appliance/examples/gateway.yaml"


@dataclass(frozen=True)
class Said:
    """A command, and where it stands."""

    page: str
    place: str
    command: str
    line: int


def said() -> Iterator[Said]:
    for page in PAGES:
        for block in blocks(PROJECT / page):
            if block.tag.split()[:1] == ["sh"]:
                yield from (Said(page, block.tag, command, block.line) for command in block.commands)


ALL = list(said())


def test_every_page_is_looked_at() -> None:
    with_commands = {
        str(page.relative_to(PROJECT))
        for page in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md"))
        if any(block.tag.startswith(("sh", "console", "bash")) for block in blocks(page))
    }
    assert with_commands == {*PAGES, EXTENDING}
    assert len(ALL) > 40


def test_no_command_stands_where_nobody_looks() -> None:
    """In a block that does not say where it is typed."""
    for page in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")):
        for block in blocks(page):
            if not block.tag.startswith("sh"):
                found = re.search(r"^(sudo )?(appliance|make|docker) .*", block.text, re.MULTILINE)
                assert found is None, f"{page.name}:{block.line}: {found and found[0]}"


def test_what_a_function_does_not_do_is_not_tried_there() -> None:
    words = ('"lab"', '"labyrinth"')
    assert Elsewhere("", "tests/vm/commanded.py::begun", words).lacking == ['"labyrinth"']
    assert Elsewhere("", "tests/vm/commanded.py::ended", words).lacking == list(words)


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.page}:{one.line}:{one.command}")
def test_it_is_known_how_it_is_tried(one: Said) -> None:
    assert one.place in PLACES, f"nobody knows where {one.place!r} is"
    found = way(one.place, one.command)
    assert found is not None, f"{one.page}:{one.line}: nobody knows how to try `{one.command}`"
    if isinstance(found, Elsewhere):
        assert not found.lacking, f"{found.test} tries it no more: {found.lacking} is not in there"
        assert found.is_run, f"{found.test} is no test, nor used by one that is not skipped"


def test_what_is_tried_elsewhere_is_told(figure: Figure) -> None:
    ways = {one.command: way(one.place, one.command) for one in ALL}
    for command, found in ways.items():
        if isinstance(found, Elsewhere):
            figure(f"`{command}` of the documentation is tried by {found.test}: {found.where}")


@pytest.mark.parametrize(
    "one", [one for one in ALL if re.match(r"(sudo )?appliance ", one.command)], ids=lambda one: one.command
)
def test_the_command_has_these_arguments(one: Said) -> None:
    packages = ("appliance", "image", "firstboot") if one.place in ("sh", "sh in the lab") else daemon.PACKAGES
    words = shlex.split(one.command, comments=True)
    words = words[words.index("appliance") + 1 :]
    assert cli.parser_of(packages).parse_args(words).command == words[0]


@pytest.fixture(scope="module")
def computer(tmp_path_factory: pytest.TempPathFactory) -> Computer:
    """With the sources."""
    release = RELEASES.get(sys.version_info[:2])
    if os.geteuid() != 0 or release is None:
        pytest.skip("another root needs root, and a Debian that has this Python")
    folder = tmp_path_factory.mktemp("computer")
    made = installed(release, folder / "root")
    shutil.copytree(PROJECT, made.home, ignore=NOT_SOURCES, symlinks=True)
    made.own(made.home)
    begin(made)
    return made


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What is quick to write, for the pages that are read when a card's image is there."""
    return in_frames(Built(tmp_path_factory.mktemp("image"), replace(TRIXIE, boot_sectors=50 * 2048)).make())


def put(image: bytes, computer: Computer) -> None:
    """Have it lie where a build would have left it, for both profiles."""
    shutil.rmtree(computer.home / "dist", ignore_errors=True)
    for profile in ("gateway", "gadget"):
        file = computer.home / f"dist/appliance-{profile}-arm64.img.zst"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(image)
    computer.own(file.parent)


def begin(computer: Computer) -> None:
    """What somebody has who begins with a configuration, and nothing that another one has left."""
    for name in ("appliance.yaml", "appliance.schema.json", CARD):
        (computer.home / name).unlink(missing_ok=True)
    shutil.rmtree(computer.home / "cards", ignore_errors=True)
    computer.give("he.txt", STANZA)
    computer.give("devices/ipv6gw.yaml", EXAMPLE.read_text())


@pytest.mark.container
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_it_says(page: str, computer: Computer, small_image: bytes) -> None:
    if page not in INSTALLING:
        put(small_image, computer)
        if not (computer.home / ".venv").exists():
            assert computer.type("sudo apt-get install --yes make && make tools").returncode == 0
    if not (computer.home / "appliance.yaml").exists():
        computer.give("appliance.yaml", EXAMPLE.read_text())
    for one in (one for one in ALL if one.page == page):
        found = way(one.place, one.command)
        if not isinstance(found, Tried):
            continue
        if one.command.startswith("appliance init"):
            begin(computer)
        done = computer.type(found.command)
        told = done.stdout + done.stderr
        assert done.returncode == 0, f"{page}:{one.line}: {found.command}\n{told}"
        assert re.search(found.says, told), f"{page}:{one.line}: {found.command}\n{told}"
        begun = computer.home / "appliance.yaml"
        if begun.exists() and "<" in begun.read_text():  # somebody fills it in
            computer.give("appliance.yaml", filled(begun.read_text()))
