from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstboot import daemon, observed_host, passes
from tests.netns.brokers import Line, hasty, line
from tests.netns.namespace import Namespace

MEMORY = {
    observed_host: ("REACTIONS", "CHANGED_SETTINGS"),
    daemon: ("SIX_RD",),
    passes: ("LEDS", "LED_BEFORE"),
}
"""By who keeps it: where."""


@pytest.fixture(autouse=True)
def memory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a daemon remembers in /run is no other test's, and not this machine's; nor is its LED."""
    folder = tmp_path / "memory"
    for module, names in MEMORY.items():
        for name in names:
            monkeypatch.setattr(module, name, folder / name)
    for name, stem in (("RECORDS", "BROKER"), ("DESCRIPTIONS", "DESCRIPTION")):
        of_each = tuple((folder / f"{stem}{end}", folder / f"{stem}_NOW{end}") for end in ("", "_FALLBACK"))
        monkeypatch.setattr(observed_host, name, of_each)
    return folder


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as made:
        yield made


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Line]:
    """A Pi and the broker that it has an account at."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    folder = tmp_path / "authority"
    folder.mkdir()
    with hasty(), line(folder) as made:
        yield made
