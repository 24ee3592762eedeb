from __future__ import annotations

from pathlib import Path

import pytest

from appliance.model import Appliance
from appliance.parse import load
from tests.firstboot.memory import MemoryMachine

EXAMPLES = Path(__file__).parent.parent / "appliance" / "examples"


@pytest.fixture
def gateway() -> Appliance:
    return load(EXAMPLES / "gateway.yaml").appliance


@pytest.fixture
def machine() -> MemoryMachine:
    return MemoryMachine()
