"""A pass, on a machine in memory: how it ended is told in any case, and repairs do not depend on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import PermanentError, TemporaryError
from firstboot import files
from firstboot.management import Visits
from firstboot.status import Overall
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.passing import Site

OLD = (EXAMPLES / "gateway.yaml").read_bytes()
NEW = OLD.replace(b"ipv6gw", b"newname")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The old configuration works, and is in force."""
    made = Site(tmp_path, monkeypatch)
    made.card.write_bytes(OLD)
    made.make()
    assert made.kept.read_bytes() == OLD
    return made


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have every write into a folder refused, as on a full disk."""
    replace = files.replace

    def fill(folder: Path) -> None:
        def replacing(path: Path, content: bytes, mode: int = 0o644) -> None:
            if path.is_relative_to(folder):
                raise PermanentError(f"{path} cannot be written: {os.strerror(errno.ENOSPC)}")
            replace(path, content, mode)

        monkeypatch.setattr(files, "replace", replacing)

    return fill


def test_where_nothing_can_be_remembered_repairs_go_on(site: Site, full: Callable[[Path], None]) -> None:
    full(site.kept.parent)
    site.card.write_bytes(NEW)
    site.host.routes.clear()
    passed = site.make()
    assert site.host.kernel_name == "ipv6gw" and site.host.routes
    assert (passed.told, passed.settled) == (Overall.CONFIG_ERROR, False)
    told = site.status()
    assert told["state"] == site.told[-1].overall == "config-error"
    assert told["trouble"].startswith("it cannot be put on trial: ") and "No space left" in told["trouble"]
    assert "CHECK appliance.yaml: it cannot be put on trial" in site.report()


def test_it_is_tried_as_soon_as_that_can_be_remembered(
    site: Site, full: Callable[[Path], None], tmp_path: Path
) -> None:
    full(site.kept.parent)
    site.card.write_bytes(NEW)
    site.make()
    full(tmp_path / "nowhere")
    site.make()
    assert (site.host.kernel_name, site.kept.read_bytes()) == ("newname", NEW)
    assert site.status()["trouble"] == ""


def test_what_works_and_cannot_be_kept_is_said(site: Site, full: Callable[[Path], None], tmp_path: Path) -> None:
    site.card.write_bytes(NEW)
    configurations = site.passes.configurations
    configurations.current(site.host.facts())
    assert configurations.trials.under_way
    full(site.kept.parent)
    passed = site.make()
    assert (passed.told, passed.settled, site.host.kernel_name) == (Overall.FAILED, False, "newname")
    assert "No space left" in site.status()["failure"]
    assert "BROKEN: /" in site.report()
    site.due(1000)
    assert configurations.trials.due_in_s() > 1000, "the card wears out"
    full(tmp_path / "nowhere")
    assert site.make().told is Overall.READY
    assert (site.kept.read_bytes(), site.status()["failure"]) == (NEW, "")


def test_what_has_to_go_goes_though_that_cannot_be_remembered(
    site: Site, full: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.card.write_bytes(NEW)
    site.passes.configurations.current(site.host.facts())
    full(site.kept.parent)
    monkeypatch.setattr(site.host, "execute", refusing(site.host.execute))
    site.make()
    site.make(1000)
    assert (site.status()["configuration"], site.host.kernel_name) == ("last good configuration", "ipv6gw")
    assert "Read-only" in site.status()["refused"]


def refusing(execute: Callable[[Any], None]) -> Callable[[Any], None]:
    """A machine that refuses one name, for good."""

    def refuse(action: Any) -> None:
        if getattr(action, "name", "") == "newname":
            raise PermanentError("Read-only file system")
        execute(action)

    return refuse


def test_who_is_connected_cannot_be_told_and_nothing_stops(site: Site) -> None:
    def silent() -> Visits:
        raise TemporaryError("dnsmasq.leases cannot be read: Input/output error")

    site.host.visited = silent
    site.card.write_bytes(NEW)
    assert site.make().told is Overall.CONFIG_ERROR
    assert "Input/output error" in site.status()["trouble"]


def test_a_pass_that_failed_as_a_whole_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind() -> None:
        raise TemporaryError("looking at the network: No buffer space available")

    monkeypatch.setattr(site.host, "facts", blind)
    passed = site.make()
    assert (passed.told, passed.settled, passed.outcomes) == (Overall.FAILED, False, ())
    told = site.status()
    assert (told["state"], told["failure"]) == ("failed", "looking at the network: No buffer space available")
    assert site.told[-1].overall is Overall.FAILED
    assert "No buffer space" in site.report()


def test_a_bug_is_told_before_the_daemon_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.host, "facts", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        site.make()
    assert site.status()["failure"] == "a bug in the appliance: ZeroDivisionError: division by zero"


def test_a_status_that_cannot_be_written_is_told_on_the_bus(site: Site, full: Callable[[Path], None]) -> None:
    full(site.status_file.parent)
    count = len(site.told)
    assert site.make().told is Overall.READY
    assert len(site.told) == count + 1
