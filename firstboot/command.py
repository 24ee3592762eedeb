"""The one door through which the device starts programs: argv lists, fixed locale, closed stdin.

Nothing secret may be in an argv: any user of the machine can read it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from shlex import join
from tempfile import TemporaryFile
from threading import Thread
from typing import NoReturn

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from firstboot.readable import readable

Ended = Callable[[ApplianceError | None], None]
"""To be told why something failed that was begun, or None; from another thread."""

TIMEOUT_S = 60.0
_LAST_LINES = 10
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_READ_BYTES = 1 << 16
_OF_THE_TERMINAL = ("TERM", "NO_COLOR", "SYSTEMD_COLORS", "COLUMNS", "LANG")


def run(argv: Sequence[str], *, stdin: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a program to its end and return what it printed.

    Raises `PermanentError` if it is not there, `TemporaryError` if it fails or takes too long.
    """
    try:
        finished = subprocess.run(
            argv, input=stdin.encode(), capture_output=True, timeout=timeout_s, check=False, env=_ENVIRONMENT
        )
    except FileNotFoundError as error:
        raise _missing(argv) from error
    except subprocess.TimeoutExpired as error:
        raise _late(argv, timeout_s) from error
    if finished.returncode != 0:
        raise _failed(argv, finished.returncode, finished.stderr or finished.stdout)
    return finished.stdout.decode(errors="replace")


def run_until(line: str, argv: Sequence[str], *, stdin: str, timeout_s: float = TIMEOUT_S) -> None:
    """Run a program until it prints this line, or to its end; what it does after that line is waited for by nobody.

    Raises what `run` does.
    """
    with TemporaryFile() as text:
        text.write(stdin.encode())
        text.seek(0)
        try:
            process = subprocess.Popen(
                argv, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_ENVIRONMENT
            )
        except FileNotFoundError as error:
            raise _missing(argv) from error
    said, until = b"", time.monotonic() + timeout_s
    while line.encode() not in said.splitlines():
        data = _read(process, until)
        if data is None:
            process.kill()
            process.communicate()
            raise _late(argv, timeout_s)
        said += data
        if not data:
            if process.wait() != 0:
                raise _failed(argv, process.returncode, said)
            break
    Thread(target=process.communicate, name="end of a program", daemon=True).start()


def begin(argv: Sequence[str], ended: Ended) -> None:
    """Start a program whose output goes where ours does, and do not wait for it.

    `ended` is told, in a thread of its own, why it failed. Raises `PermanentError` if it cannot be started.
    """
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=_ENVIRONMENT)
    except OSError as error:
        raise PermanentError(f"{argv[0]} cannot be started: {error.strerror}") from error

    def wait() -> None:
        code = process.wait()
        ended(TemporaryError(f"{join(argv)} failed with exit code {code}") if code != 0 else None)

    Thread(target=wait, name="end of a program", daemon=True).start()


def become(argv: Sequence[str]) -> NoReturn:
    """Let a program take our place, with the terminal that we have. Raises `PermanentError` if it is not there."""
    kept = {name: os.environ[name] for name in _OF_THE_TERMINAL if name in os.environ}
    try:
        os.execvpe(argv[0], [*argv], {**_ENVIRONMENT, "LC_ALL": "C.UTF-8", **kept})  # noqa: S606 - there is no shell
    except FileNotFoundError as error:
        raise _missing(argv) from error


def _read(process: subprocess.Popen[bytes], until: float) -> bytes | None:
    """What comes next; b"" at the end, None once it is too late."""
    assert process.stdout is not None
    ready = readable([process.stdout], until - time.monotonic())
    return os.read(process.stdout.fileno(), _READ_BYTES) if ready else None


def _missing(argv: Sequence[str]) -> PermanentError:
    return PermanentError(f"{argv[0]} is not installed", hint="install the Debian package that has it")


def _late(argv: Sequence[str], timeout_s: float) -> TemporaryError:
    return TemporaryError(f"{join(argv)} did not end within {timeout_s:.0f} s")


def _failed(argv: Sequence[str], code: int, said: bytes) -> TemporaryError:
    last = said.decode(errors="replace").splitlines()[-_LAST_LINES:]
    return TemporaryError(f"{join(argv)} failed with exit code {code}: " + " / ".join(last))
