"""The image's own root tree, imported into Docker and running under qemu-user."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from image.disk import partitions
from image.disk.layout import LINUX, SECTOR_BYTES
from tests.container.binfmt import arm64_runs
from tests.container.daemon import docker

IMAGE = "appliance-under-test"
CONTAINER_S = 120


@dataclass(frozen=True)
class Answer:
    """What a program printed (stdout and stderr), and its exit code."""

    code: int
    output: str


@dataclass(frozen=True)
class Device:
    """A container with the image's root tree."""

    name: str

    def run(self, argv: Sequence[str], *, stdin: str = "") -> Answer:
        done = subprocess.run(
            ["docker", "exec", "-i", self.name, *argv],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=CONTAINER_S,
        )
        return Answer(done.returncode, done.stdout)


@pytest.fixture(scope="session")
def root_tree(gateway_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's second partition, copied out with debugfs: what is tested is what is on the card."""
    found = partitions.table(gateway_image)["partitions"]
    [start] = [partition["start"] for partition in found if int(partition["type"], 16) == LINUX]
    tree = tmp_path_factory.mktemp("root")
    filesystem = f"{gateway_image}?offset={start * SECTOR_BYTES}"
    subprocess.run(["debugfs", "-R", f"rdump / {tree}", filesystem], check=True, capture_output=True)
    assert (tree / "usr/bin/python3").is_symlink(), "debugfs copied nothing"
    return tree


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Docker daemon that runs arm64 containers; DOCKER_HOST leads to it."""
    if os.getuid() != 0:
        reason = "only root can start a Docker daemon and register qemu-user with the kernel"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("docker")
    with arm64_runs(), docker(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield


@pytest.fixture(scope="session")
def imported(docker_host: None, root_tree: Path) -> Iterator[None]:
    """The tree as a Docker image."""
    with subprocess.Popen(["tar", "-C", root_tree, "-c", "."], stdout=subprocess.PIPE) as tar:
        argv = ["docker", "import", "--platform", "linux/arm64", "-", IMAGE]
        subprocess.run(argv, stdin=tar.stdout, check=True, capture_output=True)
    assert tar.returncode == 0
    yield
    subprocess.run(["docker", "image", "rm", IMAGE], check=True, capture_output=True)


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Debian 12 has the first docker-compose; later ones have it as Docker's plugin."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "docker compose" if plugin.returncode == 0 else "docker-compose"


@pytest.fixture(scope="session")
def docker_compose_file() -> Path:
    return Path(__file__).parent / "docker-compose.yaml"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Without `--wait`, which the first docker-compose does not have."""
    return ["up --detach"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --timeout 1"]


@pytest.fixture(scope="session")
def device(imported: None, docker_services: object, docker_compose_project_name: str) -> Device:
    """The running container."""
    argv = ["docker", "ps", "--all", "--format", "{{.ID}} {{.Status}}"]
    label = f"label=com.docker.compose.project={docker_compose_project_name}"
    found = subprocess.run([*argv, "--filter", label], capture_output=True, text=True, check=True).stdout
    [(name, state)] = [line.split()[:2] for line in found.splitlines()]
    logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True)
    assert state == "Up", found + logs.stdout + logs.stderr
    return Device(name)
