"""What the builder's package brings and asks Debian for, and what a container with it is allowed."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.deb import builder, wheel
from image.recipe import PROJECT

SIDES = ("appliance", "image", "firstboot")
LIBRARIES = {"elftools": "python3-pyelftools", "yaml": "python3-yaml", "zstandard": "python3-zstandard"}
"""By what is imported: Debian's package."""
NEEDED_BY_A_BUILD = {"clone", "clone3", "unshare", "mount", "umount", "umount2", "chroot", "open_tree", "move_mount"}


def imported() -> set[str]:
    """What the build host imports that is neither ours nor Python's own."""
    names: set[str] = set()
    for file in (file for side in ("appliance", "image") for file in (PROJECT / side).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - set(SIDES)


def test_every_library_is_debians_or_comes_along() -> None:
    assert imported() == {*LIBRARIES, builder.FROM_PYPI}
    assert set(LIBRARIES.values()) <= set(builder.LIBRARIES)


def test_every_program_of_a_build_host_is_asked_for() -> None:
    asked = builder._relations()["Depends"].split(", ")
    listed = [line for line in builder.PROGRAMS.read_text().splitlines() if not line.startswith("#")]
    assert set(listed) - set(asked) == {"python3", "python3-venv"}
    assert len(asked) == len(set(asked))


def test_what_comes_along_is_pinned() -> None:
    pinned = wheel._pinned(builder.FROM_PYPI, wheel.LOCK.read_text()).splitlines()
    assert pinned[0].startswith(f"{builder.FROM_PYPI}==")
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in pinned[1:])


def test_without_the_sources_it_is_said_what_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wheel, "LOCK", tmp_path / "requirements.lock")
    with pytest.raises(InputError, match="made from the sources"):
        builder.build(tmp_path)


def test_a_container_is_allowed_what_a_build_needs_and_no_more() -> None:
    profile = json.loads((PROJECT / "image/container/seccomp.json").read_text())
    [denied] = profile["syscalls"]
    assert (profile["defaultAction"], denied["action"]) == ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO")
    assert denied["names"] == sorted(set(denied["names"]))
    assert not NEEDED_BY_A_BUILD & set(denied["names"])
