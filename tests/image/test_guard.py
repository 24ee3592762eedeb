from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from image.inside.elf import Floats
from image.stages.guard import check, misfits
from tests.image.elves import AARCH64, ARMEL, ARMHF, Elf


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An armel system with what there is beside programs."""
    put(tmp_path, "usr/bin/true", bytes(Elf(ARMEL)))
    put(tmp_path, "usr/lib/firmware/radio.elf", bytes(Elf(ARMHF)))
    put(tmp_path, "usr/lib/modules/6.12-v8/vdso/vdso.so", bytes(Elf(machine=AARCH64)))
    put(tmp_path, "boot/firmware/start.elf", bytes(Elf(machine=AARCH64)))
    put(tmp_path, "usr/lib/arm/glibc-hwcaps/v7/libfast.so", bytes(Elf(ARMHF)))
    put(tmp_path, "usr/share/notes", b"\x7fEL")
    put(tmp_path, "etc/passwd", b"root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/elsewhere").symlink_to("/bin/sh")
    return tmp_path


def put(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def own(root: Path, package: str, *names: str) -> None:
    put(root, f"var/lib/dpkg/info/{package}.list", "".join(f"{name}\n" for name in ("/.", *names)).encode())


def test_what_can_run_and_what_never_runs_there_passes(root: Path) -> None:
    check(root, Floats.SOFT)


@pytest.mark.parametrize("listed", ["/usr/lib/libnew.so.1", "/lib/libnew.so.1"])
def test_the_file_and_its_package_are_named(listed: str, root: Path) -> None:
    put(root, "usr/lib/libnew.so.1", bytes(Elf(ARMHF)))
    put(root, "opt/tool", bytes(Elf(machine=AARCH64)))
    own(root, "true", "/usr/bin/true")
    own(root, "libnew1:armhf", "/usr/lib", listed)
    with pytest.raises(InputError) as caught:
        check(root, Floats.SOFT)
    assert caught.value.message.splitlines()[1:] == [
        "  /opt/tool (of no package): it is for AARCH64, not for ARM",
        "  /usr/lib/libnew.so.1 (package libnew1:armhf): it is compiled for ARMv7 with Thumb-2",
    ]
    assert caught.value.hint


def test_many_are_counted(root: Path) -> None:
    for number in range(12):
        put(root, f"usr/bin/new{number:02}", bytes(Elf(ARMHF)))
    with pytest.raises(InputError) as caught:
        check(root, Floats.SOFT)
    assert caught.value.message.splitlines()[-2:] == [
        "  /usr/bin/new09 (of no package): it is compiled for ARMv7 with Thumb-2",
        "  and 2 more",
    ]


def test_a_system_of_the_other_floats_is_wrong_as_a_whole(root: Path) -> None:
    assert [misfit.path for misfit in misfits(root, Floats.HARD)] == ["/usr/bin/true"]
