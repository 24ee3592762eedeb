from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import DOORS


def test_a_unit_test_cannot_start_a_program() -> None:
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        subprocess.run([sys.executable, "--version"], check=False)


@pytest.mark.parametrize("door", DOORS)
def test_nor_by_another_door(door: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="started a program"):
        getattr(os, door)("true")


@pytest.mark.programs
def test_a_marked_test_can() -> None:
    assert subprocess.run([sys.executable, "--version"], check=False, capture_output=True).returncode == 0
