"""The command line's contract: exit codes, messages, and what is imported when."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import cli, validate
from appliance.cli import main
from tests.appliance.conftest import EXAMPLES

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


def test_check_says_what_the_box_would_be(capsys: Capture) -> None:
    assert main(["check", str(EXAMPLES / "gateway.yaml")]) == 0
    assert capsys.readouterr() == (
        "fine: ipv6gw, an IPv6 gateway, uplink eth0 (192.168.1.252/24), 2001:db8:123d:abc::/64 through a tunnel to "
        "198.51.100.100, serving IPv6 and DHCP (192.168.1.10-192.168.1.210) on eth0, 1 service open to the outside\n"
        f"next: appliance build --config {EXAMPLES / 'gateway.yaml'}\n",
        "",
    )


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (
            "gadget",
            "fine: pigadget, a USB gadget, ecm/rndis at 10.55.0.1/28, share route, uplink wlan0 on Home (DHCP)\n",
        ),
        ("gadget-offline", "fine: sidecar, a USB gadget, ecm/rndis/acm at an address of its own choice, share local\n"),
        ("policies", "fine: any machine, 3 routing policies\n"),
        ("uplinks", "fine: any machine, 4 uplinks\n"),
    ],
)
def test_check_of_the_other_profiles(example: str, expected: str, capsys: Capture) -> None:
    assert main(["check", str(EXAMPLES / f"{example}.yaml")]) == 0
    assert capsys.readouterr().out.splitlines(keepends=True)[0] == expected


def test_check_tells_how_to_go_on_where_an_image_can_be_made(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on a Pi; and none is made for any machine."""
    file = tmp_path / "my gadget.yaml"
    shutil.copy(EXAMPLES / "gadget.yaml", file)
    assert main(["check", str(file)]) == main(["check", str(EXAMPLES / "uplinks.yaml")]) == 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if "next" in line] == [f"next: appliance build --config '{file}'"]
    monkeypatch.setattr(validate, "BUILD", "no_such_package.cli.build")
    assert main(["check", str(file)]) == 0
    assert "next" not in capsys.readouterr().out


def test_check_prints_problems_where_editors_look_for_them(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("profile: router\nhostname: a.b\n")
    assert main(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f'{file}:1:10: profile: "router" is not one of the choices (gateway, gadget, custom)\n'
        f'{file}:2:11: hostname: "a.b" has a domain in it; here only the first part is wanted '
        "(1 to 63 letters, digits and hyphens, no hyphen at either end)\n"
        "2 problems\n"
    )


def test_check_marks_warnings(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("profile: custom\n")
    assert main(["check", str(file)]) == 0
    assert capsys.readouterr() == (
        "fine: any machine, nothing configured\n",
        f"{file}:1:10: warning: profile custom does nothing without routing or uplinks\n",
    )


def test_a_file_that_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    assert main(["check", str(tmp_path / "a.yaml")]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}/a.yaml: No such file or directory\n"
        "hint: `appliance init gateway -o FILE` writes a file to start from\n"
    )


def test_schema(capsys: Capture) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


def test_no_command_shows_the_help(capsys: Capture) -> None:
    assert main([]) == 2
    assert "appliance init gateway" in capsys.readouterr().out


def test_help_lists_what_is_installed(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "examples:" in out and "write an appliance.yaml to start from" in out


@pytest.mark.parametrize("command", ["init", "check", "schema"])
def test_help_of_a_command(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "appliance " + command in capsys.readouterr().out


def test_an_unknown_command(capsys: Capture) -> None:
    assert main(["chekc", "x"]) == 2
    assert capsys.readouterr().err == "error: there is no command 'chekc'\nhint: did you mean `appliance check`?\n"


@pytest.mark.parametrize(
    ("words", "said", "told"),
    [
        (["check"], "check: the following arguments are required: FILE", ""),
        (["check", "--quickly", "x"], "check: --quickly is not expected here", ""),
        (["init", "router"], "init: profile: invalid choice: 'router' (choose from", ""),
        (["init"], "init: the following arguments are required: profile", "profile is one of gateway, gadget; "),
        (["completion"], "completion: the following arguments", "shell is one of bash, fish, zsh; "),
        (["firewall"], "firewall: the following arguments", "COMMAND is one of explain, test; "),
        (
            ["--quickly"],
            ": the following arguments are required: COMMAND",
            r"COMMAND is one of init, check, .*, daemon; ",
        ),
    ],
)
def test_whoever_calls_it_wrongly_hears_how_it_is_called(
    words: list[str], said: str, told: str, capsys: Capture
) -> None:
    assert main(words) == 2
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith(f"error: appliance{'' if said.startswith(':') else ' '}{said}")
    assert re.fullmatch(f"hint: {told}`appliance( [a-z]+)? --help` shows how it is called", hint)


def test_a_full_disk_is_no_bug(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("appliance.schema.run", full)
    assert main(["schema"]) == 1
    assert capsys.readouterr().err == (
        "error: the disk is full\nhint: make room where the output goes, and call it again\n"
    )


def test_a_command_that_is_not_installed(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    there = cli.Command("there", "appliance.schema", "is installed")
    device = cli.Command("gone", "firstboot.cli.no_such_command", "is not")
    builder = cli.Command("away", "no_such_package.cli.build", "is not")
    monkeypatch.setattr(cli, "COMMANDS", (there, device, builder))
    assert main(["gone"]) == 2
    assert main(["away"]) == 2
    assert capsys.readouterr().err == (
        "error: `appliance gone` is not installed here\nhint: it is a command for the Pi\n"
        "error: `appliance away` is not installed here\nhint: it is a command for the machine that builds images\n"
    )
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert "is installed" in out and "gone" not in out and "away" not in out


def test_errors_become_messages(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError("division by zero")

    monkeypatch.delenv("APPLIANCE_TRACEBACK", raising=False)
    monkeypatch.setattr("appliance.schema.run", broken)
    assert main(["schema"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ZeroDivisionError: division by zero\nhint: this is a bug")
    monkeypatch.setenv("APPLIANCE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["schema"])


@pytest.mark.parametrize(
    ("words", "said"), [((), "interrupted\n"), (("stopped; begin anew",), "stopped; begin anew\n")]
)
def test_who_interrupts_it_is_told_so_in_a_line(
    words: tuple[str, ...], said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt(*words)

    monkeypatch.setattr("appliance.schema.run", interrupted)
    assert main(["schema"]) == 130
    assert capsys.readouterr().err == said


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.programs
def test_a_closed_pipe_is_no_traceback() -> None:
    argv = [sys.executable, "-m", "appliance", "schema"]
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), errors) == (1, b"")


@pytest.mark.programs
def test_colour_only_on_a_terminal_and_only_without_no_color() -> None:
    script = (
        "import os, pty, sys\n"
        "pid, fd = pty.fork()\n"
        "if pid == 0: os.execv(sys.executable, [sys.executable, '-m', 'appliance', 'check', '/nonexistent'])\n"
        "try:\n"
        "    while data := os.read(fd, 4096): sys.stdout.write(data.decode())\n"
        "except OSError: pass\n"
        "os.waitpid(pid, 0)\n"
    )
    terminal = {"TERM": "xterm", "NO_COLOR": ""}
    assert "\x1b[31merror:\x1b[0m /nonexistent" in run("-c", script, **terminal).stdout
    assert "\x1b" not in run("-c", script, **{**terminal, "NO_COLOR": "1"}).stdout
    assert "\x1b" not in run("-m", "appliance", "check", "/nonexistent", **terminal).stderr


# What the interpreter loads by itself, an editable installation's finder for one, is not ours.
IMPORTED = (
    "import sys; before = set(sys.modules); from appliance import cli; cli.main({argv!r}); "
    "print(*set(sys.modules) - before, file=sys.stderr)"
)


def imported(*argv: str) -> set[str]:
    """Give the modules that a command line imports, in a process of its own."""
    finished = run("-c", IMPORTED.format(argv=list(argv)))
    return set(finished.stderr.splitlines()[-1].split())


@pytest.mark.programs
def test_what_is_imported() -> None:
    """Each module costs a Pi Zero milliseconds: YAML and the model are for those who need them."""
    nothing = imported()
    assert {
        name for name in nothing if name.split(".")[0] in ("yaml", "image", "firstboot", "json", "ipaddress")
    } == set()
    assert {name for name in nothing if name.startswith("appliance.")} == {
        "appliance.cli",
        "appliance.errors",
        "appliance.terminal",
    }
    check = imported("check", str(EXAMPLES / "gateway.yaml"))
    assert "yaml.parser" in check
    ours = {name.split(".")[0] for name in check} - {name.split(".")[0] for name in nothing}
    ours = {name for name in ours if "cython" not in name}  # of PyYAML's C part
    assert ours <= {"yaml", "_yaml"} | sys.stdlib_module_names
    assert not {
        name for name in check if name.split(".")[0] in ("image", "firstboot", "jinja2", "pyroute2", "subprocess")
    }
