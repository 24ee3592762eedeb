"""Unit tests touch no system: those of the three packages may start no program.

A test that must start real programs says so: one of the markers of pyproject.toml, or `programs`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

UNIT_FOLDERS = ("appliance", "image", "firstboot")
MAY_START_PROGRAMS = ("programs", "netns", "container", "vm", "build")
DOORS = ("system", "posix_spawn", "posix_spawnp", "fork", "forkpty", "execv", "execve")


@pytest.fixture(autouse=True)
def forbid_programs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    if folder not in UNIT_FOLDERS or any(request.node.get_closest_marker(name) for name in MAY_START_PROGRAMS):
        return

    def refuse(*argv: Any, **_: Any) -> NoReturn:
        pytest.fail(f"a unit test started a program: {argv!r}; mark it, or keep the system out of it")

    monkeypatch.setattr(subprocess.Popen, "__init__", lambda _, *argv, **__: refuse(*argv))
    monkeypatch.setattr(subprocess.Popen, "__del__", lambda _: None)  # a half-made Popen cannot clean up
    for door in DOORS:
        monkeypatch.setattr(os, door, refuse)
