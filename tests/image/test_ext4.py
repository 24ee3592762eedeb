from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from image.disk import ext4

pytestmark = pytest.mark.programs

EPOCH = 1_700_000_000


def made(file: Path, tree: Path) -> bytes:
    ext4.make(
        file,
        tree,
        size_bytes=300 << 20,
        inodes=1000,
        label="rootfs",
        uuid="0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        epoch=EPOCH,
    )
    ext4.settle_times(file, EPOCH)
    return file.read_bytes()


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order_they_were_made(tmp_path: Path) -> None:
    names = [f"{folder}/{number}" for folder in ("etc", "usr") for number in range(60)]
    images = []
    for tree, order in ((tmp_path / "one", names), (tmp_path / "two", names[::-1])):
        time.sleep(1.1)  # mke2fs takes whole seconds
        for name in order:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(name)
        for path in (*tree.rglob("*"), tree):
            path.chmod(0o755)
            os.utime(path, (EPOCH, EPOCH))
        images.append(made(tmp_path / f"{tree.name}.ext4", tree))
    ctimes = {int((tmp_path / tree / names[0]).stat().st_ctime) for tree in ("one", "two")}
    assert len(ctimes) == 2, "which nobody can set"
    assert images[0] == images[1]
