"""What bash completes, asked of a real bash: the function alone, and a line that somebody types."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from image import documents
from image.manual import bash
from image.manual.commands import EVERY_SIDE, Command, Takes, commands_of
from image.manual.pages import PAGES
from image.recipe import PROJECT
from tests.image.terminal import typed

pytestmark = pytest.mark.programs

BASH = "/bin/bash"
EVERYTHING = commands_of(EVERY_SIDE)
FILES, FOLDERS = "-o default", "-o dirnames"
SCRIPT = "appliance.bash"
"""The only file where it is asked."""
INTERACTIVE = [BASH, "--norc", "--noprofile", "-i"]
ASK = """\
source ./appliance.bash
compopt() { asked="$*"; } # what it would have told readline
while read -r line; do
    eval "COMP_WORDS=($line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=() asked=
    _appliance
    echo "${COMPREPLY[*]};$asked"
done
"""
"""Of words in quotes, the last of which is being typed."""

Answer = tuple[list[str], str]


def answers(script: str, lines: list[list[str]], folder: Path) -> list[Answer]:
    """What is offered, and what readline would be told, for each line."""
    (folder / SCRIPT).write_text(script, encoding="utf-8")
    asked = "".join(f"{shlex.join(line)}\n" for line in lines)
    # An empty PATH: nothing is started.
    argv = [BASH, "--norc", "--noprofile", "-uc", ASK]
    said = subprocess.run(argv, input=asked, cwd=folder, env={"PATH": ""}, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    found = [line.split(";") for line in said.stdout.splitlines()]
    return [(offered.split(), told) for offered, told in found]


def offered(line: str, folder: Path) -> Answer:
    [found] = answers(bash.written(EVERYTHING), [line.split(" ")], folder)
    return found


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("appliance fire", ["firewall"]),
        ("appliance firewall ", ["explain", "test"]),
        ("appliance firewall t", ["test"]),
        ("appliance firewall test --p", ["--port"]),
        ("appliance firewall test --from outside --t", ["--to"]),
        ("appliance firewall test --from ", []),
        ("appliance init ", ["gateway", "gadget"]),
        ("appliance init --force ga", ["gateway", "gadget"]),
        ("appliance init gateway ", []),
        ("appliance init -o x.yaml g", ["gateway", "gadget"]),
        ("appliance init --output = x.yaml g", ["gateway", "gadget"]),
        ("appliance build --profile ", ["gadget", "gateway"]),
        ("appliance build --profile =", ["gadget", "gateway"]),
        ("appliance build --profile = gat", ["gateway"]),
        ("appliance build --ref", ["--refresh"]),
        ("appliance build --refresh --pl", ["--plan"]),
        ("appliance cache t", ["trim"]),
        ("appliance explain st", []),
        ("appliance explain status --j", ["--json"]),
        ("appliance build.x ", []),
        ("appliance --h", ["--help"]),
        ("appliance status ", []),
        ("appliance cache --cache build v", ["verify"]),
        ("appliance completion b", ["bash"]),
        ("appliance lab dist/a.img --expect wai", ["waiting"]),
        ("appliance lab dist/a.img --head", ["--headless"]),
        ("appliance lab dist/a.img --config a.yaml --machine rasp", ["raspi3b", "raspi0"]),
        ("appliance lab shell --name a cl", ["client"]),
        ("appliance lab shell client ", []),
        ("appliance lab fault pro", ["proto41", "provider"]),
        ("appliance lab mend pro", ["proto41", "provider"]),
        ("appliance lab unplug ", ["uplink", "lan", "usb"]),
        ("appliance lab plug u", ["uplink", "usb"]),
    ],
)
def test_words(line: str, words: list[str], tmp_path: Path) -> None:
    assert offered(line, tmp_path) == (words, "")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("appliance check ", FILES),
        ("appliance check a", FILES),
        ("appliance plan --json ", FILES),
        ("appliance build --config ", FILES),
        ("appliance build --base = de", FILES),
        ("appliance stamp a.img --config a.yaml b", FILES),
        ("appliance stamp a.img --config a.yaml -o ", FOLDERS),
        ("appliance build -o ", FOLDERS),
        ("appliance daemon --custom /e", FOLDERS),
        ("appliance lab ./appliance", FILES),
        ("appliance lab run ", FILES),
        ("appliance lab a.img --config ", FILES),
        ("appliance lab a.img --logs ", FOLDERS),
    ],
)
def test_files_and_folders_are_left_to_bash(line: str, told: str, tmp_path: Path) -> None:
    assert offered(line, tmp_path) == ([], told)


def every_case(root: Command) -> Iterator[tuple[list[str], Answer]]:
    """A line that begins the last word with as little as makes its sort known, and what belongs there."""
    told = {Takes.FILE: FILES, Takes.FOLDER: FOLDERS, Takes.WORD: ""}
    for command in root.all():
        words = ["appliance", *command.words]
        yield [*words, "-"], ([flag for each in command.arguments for flag in each.flags], "")
        if command.commands:
            names = [below.words[-1] for below in command.commands]
            yield [*words, ""], ((names, "") if command.left_out is None else ([*names, SCRIPT], "-o filenames"))
        before: list[str] = []
        for argument in command.arguments:
            answer = (list(argument.offered), "") if argument.offered else ([], told.get(argument.takes, ""))
            if not argument.flags:
                yield [*words, *before, ""], answer
                before.append("some")
            elif argument.takes is not Takes.NOTHING:
                yield from (([*words, flag, ""], answer) for flag in argument.flags)


@pytest.mark.parametrize("name", ["device", "build host"])
def test_all_that_the_commands_take_is_completed(name: str, tmp_path: Path) -> None:
    root = EVERYTHING if name == "build host" else commands_of(("appliance", "firstboot"))
    script = bash.written(root) if name == "build host" else PAGES["appliance.bash"]()
    lines, wanted = zip(*every_case(root), strict=True)
    assert len(lines) > 25
    for line, found, answer in zip(lines, answers(script, list(lines), tmp_path), wanted, strict=True):
        assert found == answer, line


def test_somebody_types(tmp_path: Path) -> None:
    """A file's name with a space in it is quoted; where a folder is wanted, no file is offered."""
    (tmp_path / "appliance.bash").write_text(bash.written(EVERYTHING), encoding="utf-8")
    (tmp_path / "my house.yaml").touch()
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer.txt").touch()
    told = b"PS1=; source ./appliance.bash; appliance() { printf '<%s>' \"$@\"; }\n"
    assert b"<check><my house.yaml>" in typed(INTERACTIVE, told + b"appliance che\tm\t\n", b"<my house.yaml>", tmp_path)
    assert b"<build><--output><outer/>" in typed(
        INTERACTIVE, told + b"appliance bui\t--out\tout\t\n", b"<outer/>", tmp_path
    )
    assert b"<lab><my house.yaml><--expect><ready>" in typed(
        INTERACTIVE, told + b"appliance lab my\t--ex\trea\t\n", b"<ready>", tmp_path
    )
    assert b"<lab><fault><proto41>" in typed(INTERACTIVE, told + b"appliance lab fau\tproto\t\n", b"41>", tmp_path)
    assert b"<build><--output=outer/>" in typed(
        INTERACTIVE, told + b"appliance bui\t--output=out\t\n", b"<--output=outer/>", tmp_path
    )


def test_a_login_at_an_image_has_it(tmp_path: Path) -> None:
    """In bash; another shell does not read it at all."""
    (completion,) = documents.COMPLETION
    (tmp_path / completion).parent.mkdir(parents=True)
    (tmp_path / completion).write_text(PAGES["appliance.bash"]())
    profile = (PROJECT / "overlays/base/etc/profile.d/appliance-completion.sh").read_text()
    assert f"/{completion}\n" in profile
    login = f"set -e; PS1=x; {profile.replace(f'/{completion}', str(tmp_path / completion))}"
    asked = subprocess.run([BASH, "-c", f"{login} complete -p appliance"], capture_output=True, text=True, check=True)
    assert asked.stdout == "complete -F _appliance appliance\n"
    assert subprocess.run(["sh", "-c", login], capture_output=True, check=True).stderr == b""
