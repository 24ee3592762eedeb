"""Unpacked files belong to the image's own users and groups, not to those of the machine that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.cache.store import Store
from image.cli.build import default_cache
from image.debian import dpkg, tool_root
from image.debian.tool_root import ToolRoot
from image.events import Events
from image.inside import namespaces
from image.inside.chroot import ENVIRONMENT, Chroot
from image.recipe import Recipe
from image.run import run
from image.stages import native
from tests.image.both_ways import foundations

pytestmark = pytest.mark.build
GROUP, NUMBER = "only-in-the-image", 4321
CONTROL = (
    "Package: helper\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.net>\nDescription: a test\n"
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(CONTROL)
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/lib/helper").write_text("#!/bin/sh\n")
    run(["dpkg-deb", "--root-owner-group", "--build", tree, tmp_path / "helper_1_all.deb"])
    return tmp_path / "helper_1_all.deb"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose dpkg has been told to give the file to a group that the host does not have."""
    root = tmp_path / "root"
    for folder in ("dev", "etc/dpkg", "lib", "run", "usr/lib", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\n{GROUP}:x:{NUMBER}:\n")
    (root / "var/lib/dpkg/status").touch()
    (root / "var/lib/dpkg/statoverride").write_text(f"root {GROUP} 4754 /usr/lib/helper\n")
    return root


@pytest.fixture
def tools() -> ToolRoot:
    machine, found = tool_root.host(), foundations(Recipe(config=b""), Store(default_cache()), Events())
    if machine is None or native.NAME not in found:
        pytest.skip("this machine has no native tools for an image of arm64: its own programs are like them")
    return ToolRoot(found[native.NAME], machine)


def test_a_group_of_the_image_owns_its_file(package: Path, root: Path, tools: ToolRoot, tmp_path: Path) -> None:
    def unpack() -> None:
        dpkg.unpack([package], Chroot(root, tmp_path / "log", ENVIRONMENT, tools))
        status = (root / "usr/lib/helper").stat()
        assert (status.st_gid, status.st_mode & 0o7777) == (NUMBER, 0o4754)

    namespaces.inside(unpack)
