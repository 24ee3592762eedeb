"""Mounts, as context managers that unwind in reverse. Only used inside a mount namespace of our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.run import run


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
