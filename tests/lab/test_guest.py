"""The line to a guest, with the agent on this machine at its other end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image.lab import agent, guest
from image.lab.guest import Guest, kernel_parameters
from tests.netns.namespace import Namespace


@contextmanager
def spoken_to(noise: bytes = b"") -> Iterator[Guest]:
    """A guest whose agent is the real one, started the way the unit in the guest does it, after some noise."""
    here, there = socket.socketpair()
    with here, there, there.makefile("rwb", buffering=0) as line:

        def bootstrap() -> None:
            line.write(noise + guest.HELLO)
            exec(line.readline(), {"line": line, "__name__": "agent"})  # as BOOTSTRAP does

        thread = threading.Thread(target=bootstrap)
        thread.start()
        spoken = Guest(here, lambda: None, Path("card.img"))
        spoken.wait(timeout_s=5)
        yield spoken
        here.shutdown(socket.SHUT_WR)
        thread.join()


def test_exit_code_and_output() -> None:
    with spoken_to() as there:
        assert there.ask(["sh", "-c", "echo one; echo two >&2; exit 3"]) == guest.Answer(3, "one\ntwo\n")
        assert there.ask(["cat"], stdin="Grüße\n") == guest.Answer(0, "Grüße\n")
        assert len(there.ask(["seq", "100000"]).output) == 588895


def test_noise_is_passed_over() -> None:
    with spoken_to(noise=b"\x00[  0.1] kernel says\nlab: something\n") as there:
        assert there.ask(["echo", "x"]).output == "x\n"


def test_what_cannot_start_or_end() -> None:
    with spoken_to() as there:
        assert there.ask(["/does/not/exist"]).code is None
        assert there.ask(["sleep", "9"], timeout_s=0.1).code is None


def test_python_runs_within_the_agent() -> None:
    with spoken_to() as there:
        own = there.python("import os, sys; print(os.getpid(), *sys.argv[1:])", "one", "two")
        assert own == guest.Answer(0, f"{os.getpid()} one two\n")
        assert there.python("print('before'); raise SystemExit(3)") == guest.Answer(3, "before\n")
        assert there.python("raise SystemExit('no such name')") == guest.Answer(1, "no such name")
        raised = there.python("print('before'); open('/does/not/exist')")
        assert raised.code == 1
        assert raised.output.startswith("before\nTraceback ")
        assert "FileNotFoundError" in raised.output
        assert there.python("import time; time.sleep(9)", timeout_s=0.1).code is None
        assert there.ask(["echo", "x"]).output == "x\n", "the line is still in step"


@pytest.mark.netns
def test_python_in_another_network() -> None:
    names = "import socket; print(*(name for _, name in socket.if_nameindex()))"
    with Namespace() as other, spoken_to() as there:
        before = there.python(names)
        other.program("ip", "link", "add", "beyond", "type", "veth", "peer", "name", "far")
        beyond = there.python(names, network=f"/proc/{other.thread_id}/ns/net")
        assert sorted(beyond.output.split()) == ["beyond", "far", "lo"]
        assert there.python(names) == before, "the agent itself stays where it is"
        assert "No such file" in there.python(names, network="nowhere").output


def test_an_answer_that_comes_too_late_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: float) -> bytes:
        raise TimeoutError

    with spoken_to() as there:
        with monkeypatch.context() as hasty, pytest.raises(TimeoutError):
            hasty.setattr(there, "read_line", silent)
            there.ask(["echo", "late"])
        assert there.ask(["echo", "x"]).output == "x\n"


def test_failure_is_an_error() -> None:
    with spoken_to() as there, pytest.raises(PermanentError, match="false ended with 1"):
        there.run("false")


def test_machine_that_ends() -> None:
    def dead() -> None:
        raise PermanentError("the machine ended")

    here, there = socket.socketpair()
    with here, there, pytest.raises(PermanentError, match="the machine ended"):
        Guest(here, dead, Path("card.img")).ask(["true"])


@pytest.mark.parametrize("is_found", [True, False])
def test_the_line_breaks_before_the_end_is_found(is_found: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the Pi reboots itself: QEMU closes the line, and ends a moment later."""
    looks: list[None] = []

    def ends() -> None:
        looks.append(None)
        if is_found and len(looks) == 3:
            raise PermanentError("its kernel has panicked")

    monkeypatch.setattr(guest, "GONE_S", 0.1)
    here, there = socket.socketpair()
    with here, pytest.raises(PermanentError) as caught:
        there.close()
        Guest(here, ends, Path("card.img")).ask(["true"])
    assert ("panicked" in caught.value.message) is is_found
    assert isinstance(caught.value, guest.MachineEndedError) is not is_found


def test_silence() -> None:
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        Guest(here, lambda: None, Path("card.img")).wait(timeout_s=0.1)


def test_agent_needs_only_the_standard_library() -> None:
    text = Path(agent.__file__).read_text()
    assert "from image" not in text
    assert "from appliance" not in text


def test_kernel_command_line_has_room() -> None:
    """arm64 takes 2048 bytes (COMMAND_LINE_SIZE), of which an image's cmdline.txt has a few hundred."""
    assert len(" ".join(kernel_parameters("/dev/virtio-ports/lab"))) < 1500
