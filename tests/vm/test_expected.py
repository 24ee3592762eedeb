"""`appliance lab --headless --expect` as CI calls it, with the image: it is ready, or is not in time.

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
TOO_SHORT_S, ENDED_S = 30, 1800


def lab(image: Path, folder: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command until it ends by itself, by a user whose folder that is."""
    argv = begun(image, EXAMPLE.read_text(), Path(folder), "--expect", "ready", *words)
    return subprocess.run(argv, cwd=SOURCES, capture_output=True, text=True, check=False, timeout=ENDED_S)


def test_an_image_that_is_ready(gateway_image: Path) -> None:
    """It ends at once then, and before that it has told what had come so far."""
    with tempfile.TemporaryDirectory() as folder:
        done = lab(gateway_image, folder)
        assert done.returncode == 0, done.stdout + done.stderr
        *came, last = done.stdout.splitlines()
        assert last == "it is ready"
        assert came[1].endswith("power: on; QEMU plays virt")
        assert any(line.endswith("client, web server over IPv6: reached") for line in came)


def test_an_image_that_is_not_ready_in_time(gateway_image: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = lab(gateway_image, folder, "--timeout", str(TOO_SHORT_S))
        assert done.returncode == 1, done.stderr
        error, *reasons, hint = done.stderr.splitlines()
        assert error == "error: it is not ready:"
        assert reasons
        assert "power: on; QEMU plays virt" in done.stdout
        found = re.fullmatch(r"hint: the console is in (.*), other logs beside it", hint)
        assert found is not None
        assert "Linux version" in Path(found[1]).read_text()
