"""What fish and zsh complete, asked of a real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from appliance import cli
from image.cli.completion import SHELLS
from image.manual import fish, zsh
from image.manual.commands import EVERY_SIDE, Takes, commands_of
from tests.image.terminal import typed

pytestmark = pytest.mark.programs

EVERYTHING = commands_of(EVERY_SIDE)
NAMES = b"appliance() { printf '<%s>' \"$@\"; }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "appliance.fish").write_text(fish.written(EVERYTHING), encoding="utf-8")
    (tmp_path / "_appliance").write_text(zsh.written(EVERYTHING), encoding="utf-8")
    (tmp_path / "my house.yaml").touch()
    (tmp_path / "outward").mkdir()
    (tmp_path / "outer.txt").touch()
    return tmp_path


def asked_of_fish(folder: Path, *lines: str) -> list[list[str]]:
    """What is offered for each line, without what is said about it."""
    script = "source appliance.fish\n" + "".join(f"complete -C '{line}'; echo ----\n" for line in lines)
    environment = {**os.environ, "HOME": str(folder)}
    argv = ["fish", "--no-config", "-c", script]
    said = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert said.stderr == ""
    parts = said.stdout.split("----\n")[:-1]
    return [sorted(offer.split("\t")[0] for offer in part.splitlines()) for part in parts]


def test_fish(folder: Path) -> None:
    wanted = {
        "appliance fire": ["firewall"],
        "appliance firewall ": ["explain", "test"],
        "appliance firewall test --p": ["--port"],
        "appliance init g": ["gadget", "gateway"],
        "appliance init --o": ["--output"],
        "appliance build --profile gat": ["gateway"],
        "appliance build --profile=gat": ["--profile=gateway"],
        "appliance cache tr": ["trim"],
        "appliance check ou": ["outer.txt", "outward/"],
        "appliance build -o o": ["outward/"],
        "appliance explain o": [],
        "appliance lab st": ["status"],
        "appliance lab ou": ["outer.txt", "outward/"],
        "appliance lab outer.txt --expect wai": ["waiting"],
        "appliance lab fault pro": ["proto41", "provider"],
        "appliance lab unplug u": ["uplink", "usb"],
        "appliance lab shell la": ["laptop"],
    }
    assert dict(zip(wanted, asked_of_fish(folder, *wanted), strict=True)) == wanted


def test_fish_knows_every_option(folder: Path) -> None:
    options = [
        (f"appliance {' '.join(command.words)} {flag}", flag)
        for command in EVERYTHING.all()
        for argument in command.arguments
        for flag in argument.flags
        if flag.startswith("--") and argument.takes is not Takes.FOLDER
    ]
    for (line, flag), offered in zip(options, asked_of_fish(folder, *(line for line, _ in options)), strict=True):
        assert flag in offered, line


@pytest.mark.parametrize(
    "loaded", [b"source ./_appliance", b"fpath=(. $fpath); autoload -Uz _appliance; compdef _appliance appliance"]
)
def test_zsh(folder: Path, loaded: bytes) -> None:
    """Read by `source`, and found by its name in a folder."""
    for line, words in (
        (b"appliance che\tm\t", b"<check><my house.yaml>"),
        (b"appliance fire\tt\t--po\ttcp/1", b"<firewall><test><--port=tcp/1>"),
        (b"appliance build --profile gat\t--out\tou\t", b"<build><--profile><gateway><--output=outward>"),
        (b"appliance init gat\t", b"<init><gateway>"),
        (b"appliance lab my\t--expe\twai\t", b"<lab><my house.yaml><--expect=waiting>"),
        (b"appliance lab fau\tproto\t", b"<lab><fault><proto41>"),
        (b"appliance lab shell cli\t", b"<lab><shell><client>"),
    ):
        begin = b"PS1=; autoload -Uz compinit; compinit -u -D; " + loaded + b"\n" + NAMES
        assert words in typed(["zsh", "-f", "-i"], begin + line + b"\n", words, folder)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    assert capsys.readouterr().out == SHELLS[shell](EVERYTHING)
