"""The tool root: native programs of the image's own Debian release, and how they stand in for the image's.

They are bound over the image's own programs, read-only, in the build's mount namespace; so are their
loader and libraries, which have names of their own there. dpkg runs in the tool root itself, with the
image at /image, so that it can replace every file of the image, its own program's too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from appliance.errors import PermanentError
from image.mounts import bind, bound
from image.native_tools import TOOLS, Tool
from image.run import run


@dataclass(frozen=True)
class Machine:
    """What a kind of build host calls its things."""

    debian: str
    """Its architecture, as Debian calls it."""
    loader: str
    """What the kernel loads its programs with (PT_INTERP), relative to the root."""
    libraries: str
    """The folder that its loader looks in, which no other architecture has."""


MACHINES = {
    "x86_64": Machine("amd64", "lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
    "aarch64": Machine("arm64", "lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
}
"""By the kernel's name. The loaders' names are in the processors' ABI supplements, and compiled into every program."""

IMAGE = "image"
"""The folder of the tool root where dpkg finds the image."""
MERGED = ("bin", "lib", "lib64", "sbin")
"""Symbolic links into /usr, through which packages of bookworm have their files."""
DPKG = ("dpkg", "dpkg-deb", "dpkg-divert", "dpkg-query", "dpkg-split", "dpkg-statoverride", "dpkg-trigger")


def host() -> Machine | None:
    """What this machine is; None if there are no native tools for its kind."""
    return MACHINES.get(os.uname().machine)


@dataclass(frozen=True)
class ToolRoot:
    """A tool root that lies in `tree`."""

    tree: Path
    machine: Machine

    @contextmanager
    def lent(self, root: Path, without: Collection[str] = ()) -> Iterator[None]:
        """Native programs stand in for those of `root`, but for the packages `without`, whose files may change."""
        with ExitStack() as stack:
            stack.enter_context(bound(self.tree, self.tree, read_only=True))
            loader = (self.tree / self.machine.loader).resolve()
            _bind_extra(loader, root, self.machine.loader, stack)
            _bind_extra(self.tree / self.machine.libraries, root, self.machine.libraries, stack)
            for tool in TOOLS:
                if not any(fnmatch(package, tool.package) for package in without):
                    for name in self._found(tool):
                        _lend(self.tree / name, root / name, stack, links=tool.links)
            yield

    def _found(self, tool: Tool) -> list[Path]:
        """What the tool root has of a row of the table, relative."""
        return [
            path.relative_to(self.tree)
            for folder in self.tree.glob(tool.folder)
            for pattern in tool.names
            # "[" begins a set of characters in a pattern, and is a program's name.
            for path in ([folder / "["] if pattern == "[" else sorted(folder.glob(pattern)))
        ]

    def dpkg(self, arguments: Sequence[str], root: Path, environment: Mapping[str, str], log: Path) -> None:
        """Run dpkg on the image in `root`, where programs can run."""
        with ExitStack() as stack:
            stack.enter_context(bound(self.tree, self.tree, read_only=True))
            stack.enter_context(bind(root, self.tree / IMAGE, recursive=True))
            stack.enter_context(bind(root / "dev", self.tree / "dev", recursive=True))
            # The image's settings, users and groups count: archives say by name who owns a file.
            stack.enter_context(bind(root / "etc/dpkg", self.tree / "etc/dpkg"))
            for accounts in ("passwd", "group"):
                stack.enter_context(bind(_accounts(root, accounts), self.tree / "etc" / accounts))
            variables = [f"{name}={value}" for name, value in environment.items()]
            command = ["dpkg", f"--root=/{IMAGE}", f"--log=/{IMAGE}/var/log/dpkg.log", *arguments]
            run(["chroot", self.tree, "/usr/bin/env", "-i", *variables, *command], log=log)


def make(tree: Path, packages: Sequence[Path], machine: Machine, architecture: str) -> None:
    """Make a tool root out of packages, whose scripts are not run, for images of `architecture`."""
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for package in packages:
        run(["dpkg-deb", "--extract", package, tree])
    for name in (IMAGE, "dev", "etc/dpkg"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("etc/passwd", "etc/group"):
        (tree / name).touch()
    _serve(tree, machine, architecture)
    for modules in tree.glob("usr/lib/python3.*/lib-dynload"):
        for settings in modules.parent.glob("_sysconfigdata_*.py"):
            shutil.copy(settings, modules)  # which is on Python's path, and is what gets lent


def _serve(tree: Path, machine: Machine, architecture: str) -> None:
    """Tell dpkg that the image's architecture is its own.

    It is compiled in, and no setting changes it; but to a dpkg of another architecture dependencies of an `all`
    package mean another package, and the image's names are foreign ones, in its answers and in its database.
    """
    old, new = (b"\0" + name.encode() + b"\0" for name in (machine.debian, architecture))
    if len(old) != len(new):
        raise PermanentError(f"a dpkg of {machine.debian} cannot be made to serve {architecture}")
    for program in (tree / "usr/bin" / name for name in DPKG):
        content = program.read_bytes()
        program.write_bytes(content.replace(old, new))
    said = run(["chroot", tree, "/usr/bin/dpkg", "--print-architecture"]).strip()
    if said != architecture:
        raise PermanentError(f"the tool root's dpkg says that it is of {said}, not {architecture}")


def _lend(source: Path, target: Path, stack: ExitStack, *, links: bool) -> None:
    """Bind something over what the image has of that name; with `links`, over a symbolic link and not what it leads to.

    What the image does not have, or has as a link, it does without.
    """
    if links and target.is_symlink():
        _put_file_for_link(target, stack)
    elif target.is_symlink() or source.is_symlink() or not target.exists():
        return
    stack.enter_context(bind(source, target))


def _put_file_for_link(path: Path, stack: ExitStack) -> None:
    """Nothing can be bound to a symbolic link itself: a file has its place for the time."""
    leads_to, before = path.readlink(), path.lstat()

    def put_back() -> None:
        with _undated(path.parent):
            path.unlink()
            path.symlink_to(leads_to)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)

    with _undated(path.parent):
        path.unlink()
        path.touch()
    stack.callback(put_back)


def _bind_extra(source: Path, root: Path, name: str, stack: ExitStack) -> None:
    """Bind something at a name that the image may not have: then it is made for the time, and taken away again."""
    top = name.split("/", maxsplit=1)[0]
    if top in MERGED and not os.path.lexists(root / top):
        # base-files refuses to be installed where this is not a link.
        _make_name(root / "usr" / top, Path.mkdir, Path.rmdir, stack)
        _make_name(root / top, lambda path: path.symlink_to(f"usr/{top}"), Path.unlink, stack)
    if source.is_dir():
        _make_name(root / name, Path.mkdir, Path.rmdir, stack)
    else:
        _make_name(root / name, Path.touch, Path.unlink, stack)
    stack.enter_context(bind(source, root / name))


def _make_name(path: Path, make: Callable[[Path], None], unmake: Callable[[Path], None], stack: ExitStack) -> None:
    """Make `path` if it is not there, and unmake it at the end; the folder it is in does not look younger for it."""
    if os.path.lexists(path):
        return
    with _undated(path.parent):
        make(path)

    def remove() -> None:
        with _undated(path.parent):
            unmake(path)

    stack.callback(remove)


@contextmanager
def _undated(folder: Path) -> Iterator[None]:
    before = folder.stat()
    yield
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _accounts(root: Path, name: str) -> Path:
    """The image's users or groups; before there are any, those that every Debian begins with."""
    own = root / "etc" / name
    return own if own.is_file() else root / f"usr/share/base-passwd/{name}.master"
