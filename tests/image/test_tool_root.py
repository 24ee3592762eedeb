"""Native programs in an image: what is lent, and that nothing of it is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image.debian.native_tools import PACKAGES, PACKAGES_OF, TOOLS
from image.debian.tool_root import MACHINES, ToolRoot
from image.inside import namespaces
from image.inside.mounts import bind

AMD64 = MACHINES["x86_64"]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture
def tools(tmp_path: Path) -> ToolRoot:
    files = dict.fromkeys(("usr/bin/dash", "usr/bin/uname", "usr/bin/sed", "usr/bin/python3.13"), "native")
    files |= {
        AMD64.place(AMD64.loader)[1:]: "native",
        f"{AMD64.libraries[1:]}/libc.so.6": "native",
        "usr/bin/kmod": "native",
    }
    files |= {"usr/lib/python3.13/lib-dynload/a.so": "native"}
    tree = write(tmp_path / "tools", files)
    (tree / "usr/sbin").mkdir()
    (tree / "usr/sbin/depmod").symlink_to("../bin/kmod")
    return ToolRoot(tree, AMD64)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = dict.fromkeys(("usr/bin/dash", "usr/bin/uname", "usr/bin/python3.13", "usr/bin/kmod"), "foreign")
    files |= {"usr/lib/python3.13/lib-dynload/b.so": "foreign", "run/nothing": ""}
    root = write(tmp_path / "root", files)
    (root / "usr/sbin").mkdir()
    (root / "usr/bin/sh").symlink_to("dash")
    for name in ("depmod", "modprobe"):
        (root / "usr/sbin" / name).symlink_to("../bin/kmod")
        os.utime(root / "usr/sbin" / name, (2, 2), follow_symlinks=False)
    for folder in ("lib", "sbin"):
        (root / folder).symlink_to(f"usr/{folder}")
    for path in (root, root / "usr", root / "usr/lib"):
        os.utime(path, (1, 1))
    return root


def state(root: Path) -> list[tuple[str, int, int]]:
    """All but what is in /run, which is a tmpfs where programs run."""
    everything = [root, *sorted(path for path in root.rglob("*") if "run" not in path.relative_to(root).parts[:1])]
    return [(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in everything]


pytestmark = pytest.mark.programs


def test_what_is_in_the_table_is_lent_and_nothing_is_left(tools: ToolRoot, root: Path) -> None:
    before = state(root)

    def look() -> None:
        with tools.lent(root):
            assert (root / "usr/bin/sh").read_text() == "native"
            assert (root / "usr/bin/python3.13").read_text() == "native"
            assert (root / "run/ld-linux-x86-64.so.2").read_text() == "native"
            assert (root / "run/lib/x86_64-linux-gnu/libc.so.6").read_text() == "native"
            assert not (root / "lib64").exists(), "base-files and the initrd's maker would see it"
            assert not (root / "usr/lib/x86_64-linux-gnu").exists(), "hooks of the initrd would look in it"
            assert [path.name for path in (root / "usr/lib/python3.13/lib-dynload").iterdir()] == ["a.so"]
            assert (root / "usr/bin/uname").read_text() == "foreign", "it says which machine this is"
            assert not (root / "usr/bin/sed").exists(), "the image does not have it"
            assert (root / "usr/sbin/depmod").read_text() == "native"
            assert (root / "usr/sbin/modprobe").read_text() == "foreign", "the initrd has it as well"
            with pytest.raises(OSError, match="Read-only"):
                (root / "usr/bin/dash").write_text("changed")
        assert state(root) == before

    namespaces.inside(look)
    assert (root / "usr/bin/dash").read_text() == "foreign"


def test_what_is_being_unpacked_can_be_replaced(tools: ToolRoot, root: Path) -> None:
    def look() -> None:
        with tools.lent(root, without={"dash", "python3.13-minimal"}):
            (root / "usr/bin/dash.new").write_text("newer")
            (root / "usr/bin/dash.new").rename(root / "usr/bin/dash")
            assert (root / "usr/bin/python3.13").read_text() == "foreign"
            with pytest.raises(OSError, match="busy"):
                (root / "usr/lib/python3.13/lib-dynload").rename(root / "usr/lib/python3.13/other")

    namespaces.inside(look)
    assert (root / "usr/bin/dash").read_text() == "newer"


def test_what_cannot_be_mounted_says_so(tmp_path: Path) -> None:
    def look() -> None:
        with bind(tmp_path / "nothing", tmp_path):
            pass

    with pytest.raises(PermanentError, match="No such file or directory"):
        namespaces.inside(look)


def test_every_tool_s_package_is_fetched() -> None:
    fetched = {package.replace("python3", "python3.*-minimal") for package in (*PACKAGES, *PACKAGES_OF["trixie"])}
    fetched |= {"libpython3.*-stdlib"}
    assert {tool.package for tool in TOOLS} - fetched == set(), "python3 brings the two of its version"
    assert all(tool.why for tool in TOOLS)


def test_the_loader_and_the_libraries_are_moved_to_names_of_the_same_length() -> None:
    for machine in MACHINES.values():
        assert all(len(old) == len(new) for old, new in machine.moved.items())
        assert all(new.startswith("/run/") for new in machine.moved.values())
