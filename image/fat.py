"""Makes and reads FAT32 file systems in files, with mtools: no mounting, no kernel support."""

from __future__ import annotations

from pathlib import Path

from image.run import run


def make(file: Path, tree: Path, *, sectors: int, label: str, volume_id: int, cluster_sectors: int, epoch: int) -> None:
    """Make a file system of `sectors` of 512 bytes with the content of `tree` in `file`, which is made sparse."""
    with file.open("wb") as empty:
        empty.truncate(sectors * 512)
    environment = _environment(epoch)
    run(
        [
            *("mkfs.fat", "-F", "32", "--invariant", "-s", str(cluster_sectors)),
            *("-n", label, "-i", f"{volume_id:08x}", file),
        ],
        env=environment,
    )
    # In order, because what lies where on the card follows from it.
    folders = sorted(path for path in tree.rglob("*") if path.is_dir())
    if folders:
        run(["mmd", "-i", file, *(f"::{folder.relative_to(tree)}" for folder in folders)], env=environment)
    for folder in [tree, *folders]:
        if files := sorted(path for path in folder.iterdir() if path.is_file()):
            run(["mcopy", "-m", "-i", file, *files, f"::{folder.relative_to(tree)}"], env=environment)


def read(file: Path, offset_bytes: int, into: Path) -> None:
    """Copy everything in the file system at `offset_bytes` of `file` to the folder `into`, with times."""
    run(["mcopy", "-s", "-m", "-n", "-i", f"{file}@@{offset_bytes}", "::*", into], env=_environment())


def _environment(epoch: int | None = None) -> dict[str, str]:
    """FAT times are local times."""
    return {"TZ": "UTC"} | ({} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)})
