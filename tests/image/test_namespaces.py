from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from image.inside import namespaces
from image.inside.mounts import bound, mounted, stacked
from image.run import run

pytestmark = pytest.mark.programs


def test_an_error_comes_out_as_it_is() -> None:
    def fail() -> None:
        raise InputError("what is wrong", hint="what to do")

    with pytest.raises(InputError) as caught:
        namespaces.inside(fail)
    assert (caught.value.message, caught.value.hint) == ("what is wrong", "what to do")


def test_a_bug_comes_out_with_its_trace() -> None:
    with pytest.raises(PermanentError, match="ZeroDivisionError"):
        namespaces.inside(lambda: print(1 // 0))


def test_that_they_cannot_be_made_comes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> bool:
        raise InputError("not here", hint="elsewhere")

    monkeypatch.setattr(namespaces, "_unshare", refuse)
    with pytest.raises(InputError, match="not here"):
        namespaces.inside(lambda: None)


def test_that_nothing_can_be_mounted_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where AppArmor lets namespaces be made, and nothing be done in them."""

    def refuse(argv: list[str]) -> str:
        raise PermanentError(f"{argv[0]} failed with exit code 32\n  permission denied")

    monkeypatch.setattr(namespaces, "run", refuse)
    monkeypatch.setattr(namespaces, "_unshare", lambda: False)
    with pytest.raises(InputError, match="nothing can be mounted here: permission denied") as caught:
        namespaces.inside(lambda: None)
    assert "apparmor=unconfined" in str(caught.value.hint)


def test_inside_we_are_root_and_process_1(tmp_path: Path) -> None:
    def write() -> None:
        (tmp_path / "who").write_text(f"{os.getuid()} {os.getgid()} {os.getpid()}")

    namespaces.inside(write)
    assert (tmp_path / "who").read_text() == "0 0 1"


def test_what_is_mounted_inside_is_not_seen_outside(tmp_path: Path) -> None:
    def mount() -> None:
        run(["mount", "-t", "tmpfs", "tmpfs", tmp_path])
        (tmp_path / "inside").touch()

    namespaces.inside(mount)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("victim", ["parent", "process 1"])
def test_killed_it_leaves_no_process_and_no_mount(victim: str, tmp_path: Path) -> None:
    started = tmp_path / "started"

    def work() -> None:
        run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "mount"])
        run(["sh", "-c", f"echo > {started}; exec sleep 1234.5"])

    (tmp_path / "mount").mkdir()
    child = os.fork()
    if child == 0:
        try:
            namespaces.inside(work)
        except PermanentError:
            os._exit(7)
        os._exit(0)
    while not started.exists():
        time.sleep(0.01)
    tree = descendants(child)
    assert len(tree) == 3  # who enters, process 1, sleep
    os.kill(child if victim == "parent" else tree[1], signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in tree) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in tree if alive(pid)]
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def descendants(pid: int) -> list[int]:
    children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [found for child in children for found in (child, *descendants(child))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_layers_keep_what_lies_below(tmp_path: Path) -> None:
    for name in ("low/a", "high/b", "upper", "work", "seen"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "low/a/file").write_text("low")

    def work() -> None:
        with stacked(tmp_path, ["low", "high"], tmp_path / "upper", tmp_path / "work", tmp_path / "seen") as seen:
            assert sorted(path.name for path in seen.iterdir()) == ["a", "b"]
            (seen / "a/file").write_text("changed")
            (seen / "new").touch()
            (seen / "b").rmdir()

    namespaces.inside(work)
    assert (tmp_path / "low/a/file").read_text() == "low"
    assert sorted(path.name for path in (tmp_path / "upper").iterdir()) == ["a", "b", "new"]


def test_a_folder_that_cannot_hold_layers_is_named(tmp_path: Path) -> None:
    def work() -> None:
        with stacked(tmp_path, ["missing"], tmp_path, tmp_path, tmp_path):
            pass

    with pytest.raises(InputError, match=f"cannot stack layers in {tmp_path}"):
        namespaces.inside(work)


def test_mounts_unwind_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "file").touch()

    def work() -> None:
        with pytest.raises(RuntimeError), mounted(tmp_path / "target", "-t", "tmpfs", "tmpfs"):
            (tmp_path / "target/file").touch()
            with bound(tmp_path / "file", tmp_path / "target/file"):
                raise RuntimeError
        assert not list((tmp_path / "target").iterdir())

    namespaces.inside(work)


def test_modes_do_not_follow_from_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        namespaces.inside((tmp_path / "hosts").touch)
    finally:
        os.umask(before)
    assert (tmp_path / "hosts").stat().st_mode & 0o777 == 0o644
