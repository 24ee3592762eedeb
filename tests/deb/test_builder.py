"""The builder's package on both Debians that it is for: beside the daemon's, and alone."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from image import documents
from image.deb import builder, daemon
from image.manual.pages import PAGES
from tests.debians import BUILDER, EPOCH, GADGET, GATEWAY, RELEASES, copied
from tests.roots import within

pytestmark = pytest.mark.container

APT = ("/usr/bin/env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes")
LIBRARY = f"/{builder.LIBRARY}"

IMPORT_ALL = f"""
import importlib, pkgutil, sys
sys.path.insert(0, "{LIBRARY}")
import image
alone = ("image.lab.agent", "image.lab.verdict", "image.manual.__main__")
names = [found.name for found in pkgutil.walk_packages(image.__path__, "image.") if found.name not in alone]
for name in names:
    importlib.import_module(name)
print(len(names))
"""

WHERE = """
import runpy, sys
sys.argv, sys.exit = ["appliance", "schema"], lambda code: None
sys.stdout = open("/dev/null", "w")
runpy.run_path("/usr/bin/appliance")
import appliance, image
print(appliance.__file__, image.__file__, file=sys.__stdout__)
"""

AS_A_USER = f"""
import sys
sys.path.insert(0, "{LIBRARY}")
from pathlib import Path
from image.inside import emulation, namespaces
def inside():
    assert len(Path("/proc/self/uid_map").read_text().splitlines()) == 2
    emulation.enable("arm")
    assert emulation._runs("arm")
namespaces.inside(inside)
"""


class Debian:
    """A root, and programs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *argv: str) -> str:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        given = {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8"}
        done = subprocess.run([*within(self.root), *argv], capture_output=True, text=True, check=False, env=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def has(self, path: str) -> bool:
        return os.path.lexists(self.root / path.lstrip("/"))


@pytest.fixture(scope="module", params=RELEASES)
def debian(
    request: pytest.FixtureRequest, debian_root: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Debian:
    """A Debian with both packages."""
    made = Debian(copied(debian_root(request.param), tmp_path_factory.mktemp("debian") / "root"))
    made.run(*APT, "install", "--no-install-recommends", f"/{BUILDER}")
    return made


def test_the_same_sources_give_the_same_package(builder_package: Path, tmp_path: Path) -> None:
    assert builder.build(tmp_path, epoch=EPOCH).read_bytes() == builder_package.read_bytes()


@pytest.mark.parametrize("name", ["package", "gateway_package", "gadget_package", "builder_package"])
def test_lintian_finds_nothing(name: str, request: pytest.FixtureRequest) -> None:
    """Neither errors nor warnings."""
    as_anybody = ["--allow-root"] if os.geteuid() == 0 else []
    argv = ["lintian", "--fail-on", "error,warning", *as_anybody, str(request.getfixturevalue(name))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_both_are_one_command(debian: Debian) -> None:
    """The builder's, which knows the daemon's commands as well; and so are the pages."""
    told = debian.run("appliance", "--help")
    assert "build an SD card image" in told and "keep a new configuration" in told
    for target, name in documents.OF_THE_BUILDER.items():
        content = (debian.root / target).read_bytes()
        assert (gzip.decompress(content) if target.endswith(".gz") else content).decode() == PAGES[name]()


def test_each_runs_its_own_modules(debian: Debian) -> None:
    """A daemon that runs must not lose its own when the builder goes."""
    own = ["/usr/lib/appliance/appliance/__init__.py", f"{LIBRARY}/image/__init__.py"]
    assert debian.run("python3", "-I", "-c", WHERE).split() == own


def test_alone_it_has_all_that_it_needs(debian: Debian) -> None:
    """The daemon's package goes, with what only that needed."""
    debian.run(*APT, "purge", daemon.NAME)
    debian.run(*APT, "autoremove", "--purge")
    assert not debian.has("usr/lib/appliance") and not debian.has("usr/bin/appliance.daemon")
    assert int(debian.run("python3", "-I", "-c", IMPORT_ALL)) > 100
    debian.run("appliance", "init", "gateway")
    assert "bootstrap: would run" in debian.run("sh", "-c", "appliance build --plan 2>&1")
    assert (debian.root / "appliance.yaml").exists()


def test_an_ordinary_user_has_namespaces_and_runs_programs_of_a_pi(debian: Debian) -> None:
    """What a build needs of the machine."""
    debian.run("useradd", "--create-home", "somebody")
    (debian.root / "as_a_user.py").write_text(AS_A_USER)
    debian.run("runuser", "--user", "somebody", "--", "python3", "-I", "/as_a_user.py")


def test_it_goes_as_it_came(debian: Debian) -> None:
    debian.run(*APT, "purge", builder.NAME)
    left = debian.run("find", "/", "-xdev", "-name", "*appliance*", "-not", "-path", "/proc/*").split()
    kept = {"/appliance.deb", f"/{GATEWAY}", f"/{GADGET}", "/appliance.yaml", "/appliance.schema.json"}
    assert set(left) <= kept, left
    assert debian.run("dpkg-divert", "--list", "*appliance*") == ""
