from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import parse
from appliance.model import Appliance
from image.lab.gateway import Lab, gateway_lab
from tests.lab.fake_gateway import fake_gateway

EXAMPLE = Path(__file__).parents[1] / "appliance" / "examples" / "gateway.yaml"

pytest.register_assert_rewrite("tests.lab.checks")


@pytest.fixture(scope="session")
def appliance() -> Appliance:
    return parse.load(EXAMPLE).appliance


@pytest.fixture(scope="module")
def lab(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    logs: Path = tmp_path_factory.mktemp("lab")
    with gateway_lab(appliance, logs) as made:
        yield made


@pytest.fixture(scope="module")
def faked(lab: Lab) -> Iterator[Lab]:
    """The lab with a gateway that is not a Pi."""
    with fake_gateway(lab):
        yield lab


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the lab's sockets and temporary files are; a socket's path is short."""
    with tempfile.TemporaryDirectory() as folder:
        for name, variable in (("run", "XDG_RUNTIME_DIR"), ("tmp", "TMPDIR")):
            Path(folder, name).mkdir()
            monkeypatch.setenv(variable, str(Path(folder, name)))
        monkeypatch.setattr(tempfile, "tempdir", None)  # it is looked up once
        yield Path(folder)
