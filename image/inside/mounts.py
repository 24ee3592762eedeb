"""Mounts, as context managers that unwind in reverse. Only used inside a mount namespace of our own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.run import run

MS_BIND = 0x1000
MS_REC = 0x4000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def mounted(target: Path, *arguments: str | Path, cwd: Path | None = None) -> Iterator[Path]:
    """`mount ARGUMENTS TARGET` for the length of the block."""
    run(["mount", *arguments, target], cwd=cwd)
    try:
        yield target
    finally:
        run(["umount", "--lazy", target])


@contextmanager
def bound(source: Path, target: Path, *, read_only: bool = False) -> Iterator[Path]:
    """`source`, a file or a folder, seen at `target`."""
    with mounted(target, "--bind", source):
        if read_only:
            run(["mount", "-o", "remount,bind,ro", target])
        yield target


@contextmanager
def bind(source: Path, target: Path, *, recursive: bool = False) -> Iterator[Path]:
    """As `bound`, by system calls: for a hundred at once. With `recursive`, what is mounted below as well.

    What is mounted read-only stays so where it is bound to. See mount(2).
    """
    flags = MS_BIND | (MS_REC if recursive else 0)
    _checked(_libc.mount(bytes(source), bytes(target), None, flags, None), f"{source} at {target}")
    try:
        yield target
    finally:
        _checked(_libc.umount2(bytes(target), MNT_DETACH), f"nothing at {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise PermanentError(f"cannot mount {what}: {os.strerror(ctypes.get_errno())}")


@contextmanager
def stacked(store: Path, lowers: Sequence[str], upper: Path, work: Path, target: Path) -> Iterator[Path]:
    """The folders `lowers` of `store`, the first at the bottom, with what changes going to `upper`.

    The names are relative because mount options cannot hold every character that a path can, and at
    most a page. `userxattr`: the only way inside a user namespace, see the kernel's overlayfs.rst.
    """
    options = f"userxattr,lowerdir={':'.join(reversed(lowers))},upperdir={upper},workdir={work}"
    with ExitStack() as stack:
        try:
            stack.enter_context(mounted(target, "-t", "overlay", "-o", options, "overlay", cwd=store))
        except PermanentError as error:
            raise InputError(
                f"the kernel cannot stack layers in {store}: {error.message.splitlines()[-1].strip()}",
                hint="Linux 5.11 or later is needed, and a folder that is not itself on an overlay, as in a container",
            ) from error
        yield target
