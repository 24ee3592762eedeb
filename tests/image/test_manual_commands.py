"""appliance(1): all that the commands take, nothing that is not installed, and no fault for those who show it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from appliance import cli
from appliance.errors import InputError
from firstboot import paths
from firstboot.privileges import NotAllowedError
from image import documents
from image.manual import command_page, prose, roff
from image.manual.blocks import Block, Code, Paragraph, Table
from image.manual.commands import EVERY_SIDE, Argument, Command, Takes, commands_of
from image.manual.pages import PAGES
from image.stages import daemon

EVERYTHING = commands_of(EVERY_SIDE)
LEAVES = [each for each in EVERYTHING.all() if not each.commands]
DEVICE = commands_of(daemon.PACKAGES)
ROFF = [name for name in PAGES if name.endswith((".1", ".5"))]
VALUES = {"FORMAT": "img", "DAYS": "1", "N": "1", "S": "1"}
"""Of what does not take just any word."""


def sample(argument: Argument) -> list[str]:
    if argument.takes is Takes.NOTHING:
        return [argument.flags[-1]]
    value = argument.choices[0] if argument.choices else VALUES.get(argument.value, "a")
    return [*argument.flags[-1:], value, *[value] * argument.repeated]


@pytest.mark.parametrize("command", LEAVES, ids=lambda command: " ".join(command.words))
def test_what_is_described_is_taken(command: Command) -> None:
    parser = cli.parser_of(EVERY_SIDE)
    needed = [word for each in command.arguments if each.required and not each.flags for word in sample(each)]
    options = [word for each in command.arguments if each.required and each.flags for word in sample(each)]
    for argument in command.arguments:
        if "--help" not in argument.flags:
            given = [*command.words, *needed, *options, *([] if argument.required else sample(argument))]
            assert parser.parse_args(given).command == command.words[0]


@pytest.mark.parametrize("command", LEAVES, ids=lambda command: " ".join(command.words))
def test_what_is_required_is_described_so(command: Command) -> None:
    parser = cli.parser_of(EVERY_SIDE)
    for missing in (each for each in command.arguments if each.required):
        others = [each for each in command.arguments if each.required and each is not missing]
        with pytest.raises(InputError):
            parser.parse_args([*command.words, *(word for each in others for word in sample(each))])


def test_every_command_is_described() -> None:
    assert [each.words for each in EVERYTHING.commands] == [(each.name,) for each in cli.COMMANDS]
    assert all(each.description or each.summary for each in EVERYTHING.all())


def test_no_description_knows_the_machine_that_it_is_made_on() -> None:
    assert str(Path.home()) not in "".join(page() for page in PAGES.values())


def test_the_page_tells_all_that_is_on_the_device_and_nothing_else() -> None:
    page = PAGES["appliance.1"]().replace("\\-", "-")
    assert all(flag in page for each in DEVICE.all() for argument in each.arguments for flag in argument.flags)
    told = set(re.findall(r'^\.SS "(.+)"$', page, re.MULTILINE))
    assert told == {" ".join(each.words) for each in DEVICE.all() if each.words}
    elsewhere = {each.name for each in cli.COMMANDS} - {words[0] for words in (each.words for each in DEVICE.commands)}
    assert elsewhere == {"build", "cache", "flash", "lab", "stamp", "deb", "completion"}
    assert not re.search(rf"appliance ({'|'.join(elsewhere)})\b", page.replace("\\fP", ""))


def test_codes_and_files_are_those_that_there_are() -> None:
    codes = [row[0].strip("`") for row in command_page.EXIT_CODES]
    assert codes == [
        *map(str, (cli.DONE, cli.FAILED, cli.WRONG_INPUT, cli.INTERRUPTED)),
        str(NotAllowedError.exit_code),
    ]
    files = {row[0].strip("`") for row in command_page.FILES}
    assert {str(path) for path in (paths.STATUS, paths.STATUS_TEXT, paths.STATE)} <= files
    assert {f"{place}/{paths.CONFIG_NAME}" for place in ("/boot", "/etc/appliance")} <= files


@pytest.mark.programs
@pytest.mark.parametrize("name", ROFF)
@pytest.mark.parametrize(
    "program", [["groff", "-ww", "-man", "-Tutf8", "-rLL=72n"], ["mandoc", "-T", "lint", "-W", "warning"]]
)
def test_who_shows_a_page_has_nothing_to_say_against_it(name: str, program: list[str], tmp_path: Path) -> None:
    page = tmp_path / Path(name).name
    page.write_text(PAGES[name](), encoding="ascii")
    said = subprocess.run([*program, page], capture_output=True, text=True, check=False)
    complaints = said.stderr if program[0] == "groff" else said.stdout
    assert [line for line in complaints.splitlines() if "missing date" not in line] == []  # as systemd's have none


@pytest.mark.programs
def test_a_page_is_read_as_it_was_meant(tmp_path: Path) -> None:
    blocks: list[Block] = [
        Paragraph(".it begins as a request does, with `a\\b` 'and' … *FILE*"),
        Code(".x\n\n  'y  z-1 ~^`"),
        Table(("a", "b", "c"), (("`-o`", "writes. it", "`1`"), ("`alone`", "", ""))),
    ]
    (tmp_path / "x.1").write_text(roff.written("x", 1, "what - it is", "1", blocks), encoding="ascii")
    shown = subprocess.run(
        ["mandoc", "-T", "utf8", "x.1"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    lines = [re.sub(".\b", "", line) for line in shown.splitlines()]
    assert any("what - it is" in line for line in lines)
    assert any(".it begins as a request does, with a\\b 'and' … FILE" in line for line in lines)
    assert any(line.strip() == ".x" for line in lines) and any("  'y  z-1 ~^`" in line for line in lines)
    assert any(re.fullmatch(r" +-o +writes\. it\. c: 1\.", line) for line in lines)
    assert any(line.strip() == "alone" for line in lines)


def test_help_for_a_terminal_becomes_blocks() -> None:
    examples = "examples:\n  a b   does c\n  d\n      does\n      e\n"
    text = f"One\ntwo.\n\n{examples}\nSave it:\n  x > y\n\nA thing is\n  this;\n  that"
    assert list(prose.blocks_of(text)) == [
        Paragraph("One two."),
        Paragraph("examples:"),
        Table(("Command", "What it does"), (("`a b`", "does c"), ("`d`", "does e"))),
        Paragraph("Save it:"),
        Code("x > y"),
        Paragraph("A thing is"),
        Paragraph("this; that"),
    ]


def test_an_image_gets_pages_where_they_can_be_read(tmp_path: Path) -> None:
    assert documents.wanted_in(tmp_path) == documents.COMPLETION
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / documents.MAN).touch()
    assert documents.wanted_in(tmp_path) == documents.COMPLETION | documents.PAGES


def test_every_source_of_the_documents_is_known() -> None:
    found = set(documents.sources()) | set(daemon.sources())
    assert {
        Path("image/manual/roff.py"),
        Path("tests/appliance/examples/gateway.yaml"),
        Path("appliance/cli.py"),
    } <= found
