"""Runs a function inside user, mount and PID namespaces of its own.

Whatever it mounts and starts is gone when it ends, however it ends: the kernel takes the mounts with
the last process of the mount namespace, and all processes with the first one of the PID namespace.
See user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pwd
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn

from appliance.errors import ApplianceError, InputError, PermanentError, TemporaryError
from image.run import run

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1

ERRORS = {error.__name__: error for error in (ApplianceError, InputError, TemporaryError, PermanentError)}

IN_A_CONTAINER = (
    "in a container, start it with --security-opt seccomp=image/container/seccomp.json (or =unconfined) "
    "--security-opt apparmor=unconfined"
)
"""What it takes there."""

UMASK = 0o022
"""Whatever the user's is: modes of files that are made in an image follow from it."""

_libc = ctypes.CDLL(None, use_errno=True)


def inside(function: Callable[[], None]) -> None:
    """Run `function` as root of its own namespaces, and raise here what it raises there.

    An ordinary user needs a range of subordinate user ids; real root needs nothing.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    report_read, report_write = os.pipe()
    answer_read, answer_write = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until whoever gets it knows what to do
    child = os.fork()
    if child == 0:
        os.close(report_read)
        os.close(answer_write)
        _enter(function, os.fdopen(report_write, "w"), answer_read)
    os.close(report_write)
    os.close(answer_read)
    interrupt = _pass_interrupts_to(child)
    try:
        with os.fdopen(report_read) as reports, os.fdopen(answer_write, "w") as answer:
            ended = _next(reports)
            if "error" not in ended:
                if ended.get("own_user"):
                    _write_maps(child)
                answer.write("go\n")
                answer.flush()
                ended = _next(reports)
    finally:
        _, status = os.waitpid(child, 0)
        signal.signal(signal.SIGINT, interrupt)
    _raise(ended, os.waitstatus_to_exitcode(status))


def _enter(function: Callable[[], None], reports: IO[str], answer: int) -> NoReturn:
    """The process that enters the namespaces; its child is process 1 in them, and runs `function`."""
    parent = os.getppid()
    try:
        own_user = _unshare()
        _say(reports, {"own_user": own_user})
        if os.read(answer, 3) != b"go\n":
            os._exit(1)
        if own_user:
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        _end_with_parent()  # after the change of ids, which clears it
        if os.getppid() != parent:
            os._exit(1)
    except ApplianceError as error:
        _say(reports, _told(error))
        os._exit(1)
    first = os.fork()
    if first == 0:
        _end_with_parent()
        _first_process(function, reports)
    _pass_interrupts_to(first)
    reports.close()
    _, status = os.waitpid(first, 0)
    os._exit(min(abs(os.waitstatus_to_exitcode(status)), 255))


def _pass_interrupts_to(child: int) -> Any:
    """From now on Ctrl-C, or a SIGINT to us alone, is for the first process, which unwinds. Returns what it did."""

    def passed(_: int, __: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT)

    before = signal.signal(signal.SIGINT, passed)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return before


def _interrupt_once(_: int, __: FrameType | None) -> None:
    """What unwinds is not disturbed: of one Ctrl-C comes one signal from the terminal, and one from each parent."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _first_process(function: Callable[[], None], reports: IO[str]) -> NoReturn:
    try:
        for each in (signal.SIGINT, signal.SIGTERM):  # process 1 has no default actions
            signal.signal(each, _interrupt_once)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.umask(UMASK)
        _own_mounts()
        function()
        told: dict[str, object] = {"done": True}
    except ApplianceError as error:
        told = _told(error)
    except KeyboardInterrupt as error:
        told = {"interrupted": str(error)}
    except BaseException:
        told = {"error": "PermanentError", "message": traceback.format_exc(), "hint": "this is a bug: please report it"}
    sys.stdout.flush()
    sys.stderr.flush()
    _say(reports, told)
    os._exit(0)


def _own_mounts() -> None:
    """What is mounted from now on is seen by nobody outside."""
    try:
        run(["mount", "--make-rprivate", "/"])
    except PermanentError as error:
        raise InputError(
            f"nothing can be mounted here: {error.message.splitlines()[-1].strip()}",
            hint=f"{IN_A_CONTAINER}; on Ubuntu, sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ) from error


def _unshare() -> bool:
    """Enter new namespaces; whether a user namespace is among them (real root can do without one)."""
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) == 0:
        return True
    number = ctypes.get_errno()
    if os.geteuid() == 0 and _libc.unshare(CLONE_NEWNS | CLONE_NEWPID) == 0:
        return False
    raise InputError(
        f"namespaces cannot be made here: {os.strerror(number)}",
        hint=(IN_A_CONTAINER if number == errno.EPERM else "see `sysctl user.max_user_namespaces`"),
    )


def _write_maps(pid: int) -> None:
    """Map the ids of the user namespace that `pid` is in: root's as they are, a user's from its subordinate range."""
    if os.geteuid() == 0:
        for kind in ("uid", "gid"):
            own = [line.split() for line in Path(f"/proc/self/{kind}_map").read_text().splitlines()]
            same = "".join(f"{first} {first} {count}\n" for first, _, count in own)
            Path(f"/proc/{pid}/{kind}_map").write_text(same)
        return
    for kind, own_id in (("uid", os.getuid()), ("gid", os.getgid())):
        first, count = _subordinate_range(kind)
        run([f"new{kind}map", str(pid), "0", str(own_id), "1", "1", str(first), str(count)])


def _subordinate_range(kind: str) -> tuple[int, int]:
    """First id and count of the user's range in /etc/subuid or /etc/subgid, see subuid(5)."""
    user = pwd.getpwuid(os.getuid()).pw_name
    file = Path(f"/etc/sub{kind}")
    for line in file.read_text().splitlines() if file.exists() else ():
        owner, _, numbers = line.partition(":")
        if owner in (user, str(os.getuid())):
            first, _, count = numbers.partition(":")
            if int(count) >= 65536:
                return int(first), int(count)
    raise InputError(
        f"user {user} has no range of 65536 subordinate ids in {file}, which the files of an image need",
        hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
    )


def _end_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _say(reports: IO[str], report: dict[str, object]) -> None:
    reports.write(json.dumps(report) + "\n")
    reports.flush()


def _told(error: ApplianceError) -> dict[str, object]:
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def _next(reports: IO[str]) -> dict[str, str]:
    told: dict[str, str] = json.loads(reports.readline() or "{}")
    return told


def _raise(ended: dict[str, str], status: int) -> None:
    if "error" in ended:
        raise ERRORS.get(ended["error"], PermanentError)(ended["message"], hint=ended["hint"])
    if "interrupted" in ended:
        raise KeyboardInterrupt(*filter(None, [ended["interrupted"]]))
    if "done" not in ended:
        hint = "`sudo dmesg` tells if memory was short; call it again: what was complete is kept"
        raise PermanentError(f"the build's own process was ended from outside (status {status})", hint=hint)
