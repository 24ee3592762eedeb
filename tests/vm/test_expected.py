"""`appliance lab --headless --expect` as CI calls it, with the image, where it is not ready in time.

How else it can end is in tests/lab/test_expected.py, without QEMU.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from image.lab.world import SOURCES
from tests.vm.commanded import begun
from tests.vm.conftest import EXAMPLE

pytestmark = pytest.mark.vm
TOO_SHORT_S, ENDED_S = 30, 600


def test_an_image_that_is_not_ready_in_time(gateway_image: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        argv = begun(
            gateway_image, EXAMPLE.read_text(), Path(folder), "--expect", "ready", "--timeout", str(TOO_SHORT_S)
        )
        done = subprocess.run(argv, cwd=SOURCES, capture_output=True, text=True, check=False, timeout=ENDED_S)
        assert done.returncode == 1, done.stderr
        error, *reasons, hint = done.stderr.splitlines()
        assert error == "error: it is not ready:"
        assert reasons
        assert "power: on; QEMU plays virt" in done.stdout
        found = re.fullmatch(r"hint: the console is in (.*), other logs beside it", hint)
        assert found is not None
        assert "Linux version" in Path(found[1]).read_text()
