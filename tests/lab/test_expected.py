"""`appliance lab --headless --expect`, as CI calls it: how it ends, and what it says then.

No QEMU: the whole lab is laid around a program that plays the machine (`played_machine.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from appliance import cli
from appliance.errors import InputError
from appliance.model import Profile
from image.lab.machine import VIRT
from image.lab.session import places
from image.lab.session.door import Request, ask
from image.lab.session.examples import EXAMPLES
from image.lab.session.playing import MACHINES
from image.lab.waiting import until
from tests.lab import played_machine
from tests.lab.images import partitioned
from tests.lab.test_session import BY_DHCP

pytestmark = pytest.mark.netns
FAILED, LONGEST_S = 1, 240
CONFIG = f"{BY_DHCP}lan: {{interface: eth1, address: 192.168.2.1/24}}\n"
"""By it no client is given an IPv4 address, which it would wait for."""
LINUX = "[    0.000000] Linux version 6.12.118+deb13-arm64 (debian-kernel@lists.debian.org)\n"


@dataclass(frozen=True)
class Ended:
    """The exit code, and what was printed on both streams."""

    code: int
    out: str
    err: str


Lab = Callable[..., Ended]


@pytest.fixture
def lab(scratch: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lab:
    """The command, for a machine that shows this on its console, and whose daemon tells this status."""
    monkeypatch.setitem(MACHINES, VIRT.name, replace(VIRT, program=played_machine.__file__))

    def called(
        *words: str,
        console: str = LINUX,
        status: dict[str, Any] | None = None,
        ends: bool = False,
        config: str = CONFIG,
    ) -> Ended:
        kernel = json.dumps({"console": console, "status": status, "ends": ends}).ljust(64)
        files = {"kernel8.img": kernel, "initramfs8": "", "config.txt": "", "cmdline.txt": "\n"}
        image = partitioned(scratch, {**files, "appliance.yaml": config})
        code = cli.main(["lab", str(image), "--headless", *words])
        return Ended(code, *capfd.readouterr())

    return called


def says(state: str, **errors: str) -> dict[str, Any]:
    kinds = [{"kind": kind, "state": "waiting", "error": error} for kind, error in errors.items()]
    return {"state": state, "kinds": kinds}


def left(scratch: Path) -> Sequence[Path]:
    """The files that are there now."""
    return [path for name in ("run", "tmp") for path in (scratch / name).rglob("*") if not path.is_dir()]


def test_it_is_as_expected(lab: Lab, scratch: Path) -> None:
    done = lab("--expect", "waiting", status=says("waiting", tunnel="no answer"))
    assert (done.code, done.err) == (0, "")
    assert "kernel: Linux 6.12.118+deb13-arm64\n" in done.out
    assert "  tunnel: waiting: no answer\n" in done.out
    assert done.out.splitlines()[-1] == "it is waiting"
    assert "another terminal" not in done.out
    assert not left(scratch)


def test_what_a_board_has_not_is_told_before_anything_is_copied(lab: Lab, scratch: Path) -> None:
    done = lab("--expect", "waiting", status=says("waiting"), config=EXAMPLES[Profile.GADGET])
    assert (done.code, done.err) == (0, "")
    lacks, card, *_ = done.out.splitlines()
    assert lacks.endswith("there is no laptop (there is one with virt, which 64-bit images run on)")
    assert card.startswith("card: a copy of ")
    assert not left(scratch)


def test_an_uplink_that_the_machine_has_not_is_told_before_anything_is_copied(lab: Lab, scratch: Path) -> None:
    done = lab(config=EXAMPLES[Profile.GADGET].replace("interface: eth0", "interface: eth7"))
    assert (done.code, done.out) == (InputError.exit_code, "")
    assert "the lab's Pi has eth0, and wlan0 with wifi, and not eth7" in done.err
    assert not left(scratch)


def test_it_says_something_else(lab: Lab, scratch: Path) -> None:
    with ended_at(scratch, "tunnel: no answer"):
        done = lab("--expect", "ready", status=says("waiting", tunnel="no answer"))
    assert done.code == FAILED
    error, says_what, why, hint = done.err.splitlines()
    assert (error, says_what, why) == (
        "error: it is not ready:",
        "the appliance says waiting, not ready",
        "tunnel: no answer",
    )
    assert_logs_stay(hint, scratch)


def test_its_client_does_not_get_out(lab: Lab, scratch: Path) -> None:
    with ended_at(scratch, "client, web server over IPv6: not reached"):
        done = lab("--expect", "ready", status=says("ready"))
    assert done.code == FAILED
    error, *reasons, hint = done.err.splitlines()
    assert error == "error: it is not ready:"
    assert "client, web server over IPv6: not reached" in reasons
    assert_logs_stay(hint, scratch)


def test_it_does_not_come_up(lab: Lab, scratch: Path) -> None:
    with ended_at(scratch, "it boots: kernel: Linux 6.12"):
        done = lab("--expect", "ready")
    assert done.code == FAILED
    error, reason, hint = done.err.splitlines()
    assert (error, reason) == ("error: it is not ready:", "it boots: kernel: Linux 6.12.118+deb13-arm64")
    assert_logs_stay(hint, scratch)


def test_its_time_is_over(lab: Lab, scratch: Path) -> None:
    done = lab("--expect", "ready", "--timeout", "1", console="")
    assert done.code == FAILED
    error, reason, hint = done.err.splitlines()
    assert (error, reason) == ("error: it is not ready:", "it has no power yet")
    assert_logs_stay(hint, scratch, console="")


def test_it_ends(lab: Lab, scratch: Path) -> None:
    done = lab("--expect", "ready", ends=True)
    assert done.code == FAILED
    error, *last, hint = done.err.splitlines()
    assert error == "error: the machine ended"
    assert last == ["the machine is off", "", LINUX.rstrip()]
    assert_logs_stay(hint, scratch)


def test_logs_are_where_they_were_asked_for(lab: Lab, scratch: Path) -> None:
    done = lab("--expect", "ready", "--timeout", "1", "--logs", str(scratch / "logs"))
    assert done.err.splitlines()[-1] == f"hint: the console is in {scratch}/logs/console.log, other logs beside it"
    assert (scratch / "logs/console.log").read_text() == LINUX
    assert (scratch / "logs/qemu.log").exists()
    assert not left(scratch)


@contextmanager
def ended_at(scratch: Path, lacking: str) -> Iterator[None]:
    """While the block runs, somebody in another terminal ends the lab once this is what is lacking: how soon that is,
    the computer says.
    """
    door = scratch / "run/appliance-lab" / places.DEFAULT / places.CONTROL

    def end() -> None:
        until(door.exists, "the door is open", timeout_s=LONGEST_S)
        until(lambda: lacking in ask(door, Request("wait", ("ready", "0"))).output, lacking, timeout_s=LONGEST_S)
        ask(door, Request("end"))

    with ThreadPoolExecutor(1) as terminal:
        ended = terminal.submit(end)
        yield
        ended.result()


def assert_logs_stay(hint: str, scratch: Path, console: str = LINUX) -> None:
    """Where the hint says, and nothing else."""
    beginning, end = "hint: the console is in ", ", other logs beside it"
    assert hint.startswith(beginning) and hint.endswith(end)
    log = Path(hint.removeprefix(beginning).removesuffix(end))
    assert log.read_text() == console
    assert all(path.is_relative_to(log.parent) for path in left(scratch))
