"""The one door through which the build host starts programs: argv lists, `LC_ALL=C`, closed stdin.

Nothing else under `image/` imports `subprocess`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from appliance.errors import InputError, PermanentError
from image.environment import given

Child = subprocess.Popen[bytes]
"""A program that runs beside us: `pid`, `poll()`, `wait()`, `stdin`, `stdout`."""

Word = str | os.PathLike[str]

PACKAGES = {
    "apt-cache": "apt",
    "apt-config": "apt",
    "apt-get": "apt",
    "apt-helper": "apt",
    "chroot": "coreutils",
    "cp": "coreutils",
    "debugfs": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "dtc": "device-tree-compiler",
    "dumpe2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "fdtput": "device-tree-compiler",
    "ip": "iproute2",
    "mattrib": "mtools",
    "mcopy": "mtools",
    "mdel": "mtools",
    "mdir": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.fat": "dosfstools",
    "mmd": "mtools",
    "mount": "mount",
    "mshowfat": "mtools",
    "newgidmap": "uidmap",
    "newuidmap": "uidmap",
    "nft": "nftables",
    "openssl": "openssl",
    "ping": "iputils-ping",
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-arm-static": "qemu-user-static",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-arm": "qemu-system-arm",
    "sfdisk": "fdisk",
    "umount": "mount",
    "unshare": "util-linux",
    "xz": "xz-utils",
    "zstd": "zstd",
}
"""Program: the Debian package that has it, for the hint when it is missing."""

LAST_LINES = 15
"""How many lines of a failed program's output are shown."""

MOST_WORDS = 12
"""How many words of its command are: packages are installed by the hundred."""


def run(
    argv: Sequence[Word],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    called: Sequence[Word] = (),
) -> str:
    """Run a program to its end and return what it printed on stdout.

    `env` is added to the environment, `stdin` is the text it reads (none: closed). With `log`, stdout
    and stderr are appended to that file while it runs, and both are returned. `called`: the command as it is told if it
    fails, where `argv` begins with how it is started.

    Raises InputError if the program is not installed, PermanentError if it fails.
    """
    text = None if stdin is None else stdin.encode()
    if log is None:
        with os.fdopen(os.memfd_create("errors"), "w+b") as errors:  # that a disk is full is to be told, too
            child = start(argv, env=env, cwd=cwd, pipe_stdin=text is not None, stdout=subprocess.PIPE, stderr=errors)
            output = _finish(child, text)
            errors.seek(0)
            _check(called or argv, child.returncode, output + errors.read())
            return output.decode(errors="replace")
    with log.open("ab+") as file:
        begin = file.tell()
        child = start(argv, env=env, cwd=cwd, pipe_stdin=text is not None, stdout=file, stderr=file)
        _finish(child, text)
        file.seek(begin)
        output = file.read()
    _check(called or argv, child.returncode, output, log)
    return output.decode(errors="replace")


def start(
    argv: Sequence[Word],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pipe_stdin: bool = False,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start a program that runs beside us; the caller waits for it. Prefer `running`.

    Raises InputError if it is not installed.
    """
    environment = given(os.environ, env or {})
    environment["PATH"] = search_path(environment.get("PATH", ""))
    words = [os.fspath(word) for word in argv]
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise missing(words[0])
    return subprocess.Popen(
        words,
        executable=program,
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE if pipe_stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_fds,
    )


@contextmanager
def running(
    argv: Sequence[Word],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    pass_fds: Sequence[int] = (),
    grace_s: float = 5,
) -> Iterator[Child]:
    """A program that runs while the block runs; its output goes to `log`. Ended by SIGTERM, then SIGKILL."""
    with Path(log or os.devnull).open("ab") as file:
        child = start(argv, env=env, cwd=cwd, stdout=file, stderr=file, pass_fds=pass_fds)
        try:
            yield child
        finally:
            end(child, grace_s=grace_s)


def end(child: Child, *, grace_s: float = 5) -> None:
    """End a program that was started: SIGTERM, and SIGKILL after `grace_s` seconds."""
    if child.poll() is None:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    if child.poll() is None:
        child.kill()
        child.wait()


def search_path(path: str) -> str:
    """`path` with the system administrator's folders, which an ordinary user's lacks on Debian."""
    folders = [folder for folder in path.split(":") if folder]
    return ":".join([*folders, *(f for f in ("/usr/sbin", "/sbin", "/usr/bin", "/bin") if f not in folders)])


def require(*programs: str) -> None:
    """Raise InputError if one of them is not installed: before hours of work, not after."""
    path = search_path(os.environ.get("PATH", ""))
    for program in programs:
        if shutil.which(program, path=path) is None:
            raise missing(program)


def missing(program: str) -> InputError:
    """The error for a program that is not installed, with the package that has it."""
    name = Path(program).name
    package = PACKAGES.get(name)
    hint = f"sudo apt-get install {package}" if package else "install it, or add its folder to PATH"
    return InputError(f"the program {name} is not installed", hint=hint)


def _finish(child: Child, text: bytes | None) -> bytes:
    try:
        return child.communicate(text)[0] or b""
    except BaseException:
        end(child)
        raise


def _check(argv: Sequence[Word], code: int, output: bytes, log: Path | None = None) -> None:
    if code == 0:
        return
    how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
    last = output.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
    more = f" … ({len(argv) - MOST_WORDS} more)" if len(argv) > MOST_WORDS else ""
    command = shlex.join(os.fspath(word) for word in argv[:MOST_WORDS]) + more
    message = "\n".join([f"{command} {how}", *(f"  {line}" for line in last)])
    raise PermanentError(message, hint=f"all of its output is in {log}" if log else "")
