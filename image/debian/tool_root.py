"""The tool root: native programs of the image's own Debian release, and how they stand in for the image's.

They are bound over the image's own programs, read-only, in the build's mount namespace. Their loader and
libraries are in /run there, which is a tmpfs of ours: wherever else they were, something would find them that
looks for libraries (the initrd's hooks do). dpkg runs in the tool root itself, with the image at /image, so that
it can replace every file of the image, its own program's too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from appliance.errors import PermanentError
from image.debian.native_tools import TOOLS, Tool
from image.inside.mounts import bind, bound
from image.run import run


@dataclass(frozen=True)
class Machine:
    """What a kind of build host calls its things."""

    debian: str
    """Its architecture, as Debian calls it."""
    loader: str
    """What the kernel loads its programs with (PT_INTERP)."""
    libraries: str
    """The folder of its libraries, whose name is compiled into its loader and its programs."""

    def place(self, name: str) -> str:
        """Where one of these two is in packages: the loader is among the libraries, and its own name a link."""
        return f"{self.libraries}/{name.rsplit('/', 1)[1]}" if name == self.loader else name

    @property
    def moved(self) -> dict[str, str]:
        """Both, and where they are instead: names of the same length, in /run."""
        folder, name = self.loader.rsplit("/", 1)
        return {self.loader: f"{'/run'.ljust(len(folder), '/')}/{name}", self.libraries: f"/run{self.libraries[4:]}"}


MACHINES = {
    "x86_64": Machine("amd64", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu"),
    "aarch64": Machine("arm64", "/lib/ld-linux-aarch64.so.1", "/usr/lib/aarch64-linux-gnu"),
}
"""By the kernel's name. The loaders' names are in the processors' ABI supplements, and compiled into every program."""

IMAGE = "image"
"""The folder of the tool root where dpkg finds the image."""
MERGED = ("bin", "lib", "lib64", "sbin")
"""Folders in which packages of bookworm have files; they are links into /usr."""
ELF = b"\x7fELF"
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
            for name, moved in self.machine.moved.items():
                source, target = self.tree / self.machine.place(name)[1:], root / moved[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.mkdir(exist_ok=True) if source.is_dir() else target.touch()
                stack.enter_context(bind(source, target))
            for tool in TOOLS:
                if not any(fnmatch(package, tool.package) for package in without):
                    for path in self._found(tool):
                        _lend(self.tree / path, root / path, stack, links=tool.links)
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
            run(["chroot", self.tree, "/usr/bin/env", "-i", *variables, *command], log=log, called=["dpkg", *arguments])


def make(tree: Path, packages: Sequence[Path], machine: Machine, architecture: str) -> None:
    """Make a tool root out of packages, whose scripts are not run, for images of `architecture`."""
    for package in packages:
        run(["dpkg-deb", "--extract", package, tree])
    _merge(tree)
    for name in (IMAGE, "dev", "etc/dpkg"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("etc/passwd", "etc/group"):
        (tree / name).touch()
    _move(tree, machine)
    _serve(tree, machine, architecture)
    for modules in tree.glob("usr/lib/python3.*/lib-dynload"):
        for settings in modules.parent.glob("_sysconfigdata_*.py"):
            shutil.copy(settings, modules)  # which is on Python's path, and is what gets lent


def _merge(tree: Path) -> None:
    """Have everything in /usr, as the image has it."""
    for folder in (tree / name for name in MERGED):
        (tree / "usr" / folder.name).mkdir(parents=True, exist_ok=True)
        if folder.is_dir() and not folder.is_symlink():
            run(["cp", "--archive", f"{folder}/.", tree / "usr" / folder.name])
            shutil.rmtree(folder)
        if not folder.is_symlink():
            folder.symlink_to(f"usr/{folder.name}")


def _move(tree: Path, machine: Machine) -> None:
    """Have every program look for its loader and libraries where they will be; here they are there as well."""
    names = {old.encode(): new.encode() for old, new in machine.moved.items()}
    for folder, _, files in os.walk(tree):
        for path in (Path(folder, name) for name in files):
            if path.is_symlink() or not path.read_bytes().startswith(ELF):
                continue
            content = before = path.read_bytes()
            for old, new in names.items():
                content = content.replace(old, new)
            if content != before:
                now = path.stat()
                path.write_bytes(content)
                os.utime(path, ns=(now.st_atime_ns, now.st_mtime_ns))  # update-alternatives gives it to its links
    for name, moved in machine.moved.items():
        link = tree / moved[1:]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(machine.place(name))


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


@contextmanager
def _undated(folder: Path) -> Iterator[None]:
    before = folder.stat()
    yield
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _accounts(root: Path, name: str) -> Path:
    """The image's users or groups; before there are any, those that every Debian begins with."""
    own = root / "etc" / name
    return own if own.is_file() else root / f"usr/share/base-passwd/{name}.master"
