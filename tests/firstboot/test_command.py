"""Programs that are waited for to their end, and those that are not."""

from __future__ import annotations

import threading
import time

import pytest

from appliance.errors import PermanentError, TemporaryError
from firstboot.command import run_until

pytestmark = pytest.mark.programs

LONG_S = 30.0


def ends() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "end of a program"]


def test_what_comes_after_the_line_is_not_waited_for() -> None:
    began = time.monotonic()
    run_until("# done", ["sh", "-c", "cat; sleep 0.5"], stdin="one\n# done\n")
    assert time.monotonic() - began < 0.4
    (end,) = ends()
    end.join(LONG_S)
    assert not end.is_alive()


def test_a_program_that_never_says_it_is_waited_for() -> None:
    began = time.monotonic()
    run_until("# done", ["sh", "-c", "cat; echo done; sleep 0.3"], stdin="a # done\n")
    assert time.monotonic() - began >= 0.3


def test_it_reads_all_that_there_is() -> None:
    many = "x" * (1 << 20)
    run_until("1048576", ["wc", "-c"], stdin=many)
    run_until("# done", ["cat"], stdin=f"{many}\n# done\n")


def test_a_program_that_fails_first_is_an_error_in_its_own_words() -> None:
    with pytest.raises(TemporaryError, match="exit code 3: one / what is wrong"):
        run_until("# done", ["sh", "-c", "echo one; echo what is wrong >&2; exit 3"], stdin="")


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TemporaryError, match="did not end within 0 s"):
        run_until("# done", ["sleep", "30"], stdin="", timeout_s=0.2)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(PermanentError, match="no-such-program is not installed"):
        run_until("# done", ["no-such-program"], stdin="")
