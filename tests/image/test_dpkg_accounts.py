"""Unpacked files belong to the image's own users and groups, not to those of the machine that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from image import dpkg, namespaces
from image.chroot import ENVIRONMENT, Chroot
from image.run import run

pytestmark = pytest.mark.programs
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
    for folder in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"):
        (root / folder).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\n{GROUP}:x:{NUMBER}:\n")
    (root / "var/lib/dpkg/status").touch()
    (root / "var/lib/dpkg/statoverride").write_text(f"root {GROUP} 4754 /usr/lib/helper\n")
    return root


def test_a_group_of_the_image_owns_its_file(package: Path, root: Path, tmp_path: Path) -> None:
    def unpack() -> None:
        dpkg.unpack([package], Chroot(root, tmp_path / "log", ENVIRONMENT))
        status = (root / "usr/lib/helper").stat()
        assert (status.st_gid, status.st_mode & 0o7777) == (NUMBER, 0o4754)

    namespaces.inside(unpack)
