"""Settings that somebody has made on the build host for other work do not change what is in an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.disk import ext4, fat
from image.environment import given
from image.run import run

UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
EPOCH = 1_700_000_000


def test_what_is_meant_for_other_work_is_left_out_and_what_is_meant_by_us_is_not() -> None:
    host = {"PATH": "/bin", "LD_PRELOAD": "faketime.so", "TAR_OPTIONS": "--owner=me", "XZ_OPT": "-9", "LC_ALL": "no_NO"}
    assert given(host, {"MKE2FS_CONFIG": "ours"}) == {
        "PATH": "/bin",
        "LD_PRELOAD": "faketime.so",
        "LC_ALL": "C",
        "MKE2FS_CONFIG": "ours",
    }


@pytest.mark.programs
def test_programs_do_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZSTD_CLEVEL", "1")
    assert "ZSTD_CLEVEL" not in run(["env"])


@pytest.mark.programs
def test_the_hosts_mke2fs_conf_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir(mode=0o755)
    whole = _ext4(tmp_path)
    conf = tmp_path / "mke2fs.conf"
    conf.write_text("[defaults]\n hash_alg = tea\n errors = panic\n reserved_ratio = 1\n default_mntopts = nobarrier\n")
    monkeypatch.setenv("MKE2FS_CONFIG", str(conf))
    assert _ext4(tmp_path) == whole


@pytest.mark.programs
def test_nor_has_mtoolsrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a long name.text").touch()
    whole = _fat(tmp_path)
    (tmp_path / ".mtoolsrc").write_text("MTOOLS_NAME_NUMERIC_TAIL=0\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _fat(tmp_path) == whole
    monkeypatch.setenv("MTOOLS_NAME_NUMERIC_TAIL", "0")
    assert _fat(tmp_path) == whole


def _ext4(folder: Path) -> str:
    file = folder / "ext4"
    ext4.make(file, folder / "tree", size_bytes=300 << 20, inodes=1000, label="rootfs", uuid=UUID, epoch=EPOCH)
    return run(["dumpe2fs", file])


def _fat(folder: Path) -> bytes:
    file = folder / "fat"
    fat.make(file, folder / "tree", sectors=70_000, label="bootfs", volume_id=1, cluster_sectors=1, epoch=EPOCH)
    return file.read_bytes()
