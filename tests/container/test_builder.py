"""The recipe of image/container, made into a container's image, and used as docs/install.md says: not --privileged."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image.cache.store import Store
from image.cli.build import default_cache
from image.deb import daemon
from image.debian import sources
from image.disk import decompress
from image.recipe import PROJECT, Recipe
from image.run import run
from tests.container import kept
from tests.debians import copied

pytestmark = pytest.mark.container

DEBIAN = "debian-under-test"
BUILDER = "appliance-builder-under-test"
OPTIONS = ["--security-opt", "seccomp=./image/container/seccomp.json", "--security-opt", "apparmor=unconfined"]
"""Of `docker run`, in the sources' folder."""

EXAMPLE = PROJECT / "tests/appliance/examples/gateway.yaml"
SLOW = ("index", "native", "bootstrap")
"""The stages whose results are there already: a whole Debian."""
CERTIFICATES = "etc/host-certificates.pem"
MINUTES_S = 900


def docker(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *argv], capture_output=True, text=True, check=False, timeout=MINUTES_S, cwd=PROJECT
    )


@pytest.fixture(scope="module")
def debian(docker_host: None, debian_root: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> None:
    """A plain Debian 13, which reaches archives as this machine does."""
    root = copied(debian_root("trixie"), tmp_path_factory.mktemp("debian") / "root")
    run(["chroot", root, "apt-get", "purge", "--yes", "--auto-remove", daemon.NAME])
    (root / "etc/apt/sources.list").unlink()
    (root / "etc/apt/sources.list.d/debian.sources").write_text(sources.deb822(sources.host_sources("trixie")))
    (root / "etc/apt/apt.conf.d/90host").write_text(sources.transport_settings())
    for file, place in (("/etc/ssl/certs/ca-certificates.crt", CERTIFICATES), ("/etc/pip.conf", "etc/pip.conf")):
        if Path(file).exists():
            shutil.copy(file, root / place)
    settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    changes = [f"--change=ENV {name}={value}" for name, value in {**settings, "PIP_CERT": f"/{CERTIFICATES}"}.items()]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "import", *changes, "-", DEBIAN], stdin=tar.stdout, check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(debian: None) -> Iterator[None]:
    """The container's image, by the recipe. Only the network is the machine's own, as our Docker has none."""
    recipe = ["--file", "image/container/Containerfile", "--build-arg", f"DEBIAN={DEBIAN}"]
    done = docker("build", "--network=host", *recipe, "--tag", BUILDER, ".")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    yield
    docker("image", "rm", "--force", BUILDER, DEBIAN)


def test_without_the_options_it_is_said_which_ones_there_are(made: None, tmp_path: Path) -> None:
    done = docker("run", "--rm", "--network=host", "--volume", f"{tmp_path}:/work", BUILDER, "build")
    assert done.returncode == 2 and "namespaces cannot be made here" in done.stderr
    told = (PROJECT / "docs/install.md").read_text()
    assert " ".join(OPTIONS) in " ".join(told.split())


def test_what_the_options_leave_forbidden_is_forbidden(made: None) -> None:
    """They are neither --privileged nor no profile at all."""
    code = "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))"
    done = docker("run", "--rm", "--network=none", *OPTIONS, "--entrypoint", "python3", BUILDER, "-c", code)
    assert done.stdout == "-1\n", "PTRACE_TRACEME, which is for everybody without a profile"
    outside = ["--entrypoint", "mount", BUILDER, "-t", "tmpfs", "none", "/mnt"]
    assert docker("run", "--rm", "--network=none", *OPTIONS, *outside).returncode != 0


def test_an_image_is_built(made: None, gateway_image: Path, tmp_path: Path) -> None:
    """Packages are unpacked and configured by native and by emulated programs, on a Debian that is there already."""
    shutil.copy(EXAMPLE, tmp_path / "appliance.yaml")
    recipe = Recipe(config=EXAMPLE.read_bytes(), output=tmp_path / "dist")
    kept.copied(Store(default_cache()), recipe, SLOW, tmp_path / "cache/appliance")
    volumes = ["--volume", f"{tmp_path}:/work", "--volume", f"{tmp_path}/cache:/cache"]
    for words in (["check", "appliance.yaml"], ["build", "--config", "appliance.yaml"]):
        done = docker("run", "--rm", "--network=host", *OPTIONS, *volumes, BUILDER, *words)
        assert done.returncode == 0, done.stderr[-4000:]
    assert "\nbootstrap: unchanged\n" in done.stderr and re.search(r"^packages: \d", done.stderr, re.MULTILINE)
    assert recipe.package_list.read_text() == gateway_image.with_suffix(".packages.txt").read_text()
    run(["sha256sum", "--check", recipe.checksums.name], cwd=recipe.output)
    assert sum(map(len, decompress.content(recipe.file("zst"), lambda *_: None))) == gateway_image.stat().st_size
