"""Programs of another machine: whether this one's kernel runs them is asked with the smallest there is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.inside import emulation

MACHINES = tuple(emulation.MAGIC)


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bool], None]:
    """A container: it has qemu, but sees no table and gets none, whatever is in the machine's."""

    def set_up(runs: bool) -> None:
        monkeypatch.setattr(emulation, "is_native", lambda _: False)
        monkeypatch.setattr(emulation, "BINFMT", tmp_path)
        monkeypatch.setattr(emulation, "_own_table", lambda: False)
        monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(emulation, "_runs", lambda _: runs)

    return set_up


@pytest.mark.programs
@pytest.mark.parametrize("machine", MACHINES)
def test_the_smallest_program_ends_well(machine: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(emulation.program(machine))
    program.chmod(0o755)
    emulator = [] if emulation.is_native(machine) else [f"qemu-{machine}-static"]
    assert subprocess.run([*emulator, program], check=False).returncode == 0


@pytest.mark.programs
@pytest.mark.parametrize("machine", MACHINES)
def test_a_kernel_without_an_entry_does_not_run_it(machine: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may change its root folder")
    other = emulation.program(machine).replace(bytes.fromhex(emulation.MAGIC[machine])[-2:], b"\xfe\xed", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulation, "program", lambda _: other)
        assert not emulation._runs(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_an_entry_that_is_not_seen_will_do(machine: str, no_table: Callable[[bool], None]) -> None:
    no_table(True)
    emulation.enable(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_without_an_entry_it_is_said_what_to_do(machine: str, no_table: Callable[[bool], None]) -> None:
    no_table(False)
    with pytest.raises(InputError, match=f"cannot run programs for {machine}") as error:
        emulation.enable(machine)
    assert "qemu-user-static" in str(error.value.hint)
