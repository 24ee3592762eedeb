"""Stamped images: what is in them, what they share, and what is left when one cannot be made."""

from __future__ import annotations

import json
import lzma
import os
import stat
import subprocess
from pathlib import Path

import pytest
import zstandard

from appliance import cli
from image.boards import ARM64
from image.disk import decompress, fat, partitions
from image.disk.layout import SECTOR_BYTES
from image.lab.card import Card
from image.run import run
from image.stages.inspect import recognise
from image.stamp.device import ALIGNMENT_BYTES, OWN, SHARED, SUMS
from image.stamp.frames import Frame, frames
from image.stamp.frames import content as content_before
from tests.image.built import EPOCH, EXAMPLE, OLD_SECRET, Built, config
from tests.image.stamping import boot_of, contents, in_frames, stamped, whole

pytestmark = pytest.mark.programs

LONG = config("long", "# a line that is only here to be long\n" * 500)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to."""
    return Built(tmp_path_factory.mktemp("image")).make()


@pytest.mark.parametrize("content", [config("pi", "# short"), LONG])
def test_its_fat_partition_is_what_a_build_would_have_made(content: bytes, image: Path, tmp_path: Path) -> None:
    assert stamped(image, tmp_path, content, config("other")) == 0
    [name] = [line.split()[1] for line in content.decode().splitlines() if line.startswith("hostname:")]
    made = boot_of(whole(tmp_path / "out" / name, tmp_path), tmp_path / "made")
    run(["fsck.fat", "-n", made])
    build = Built(tmp_path).boot(content)
    assert contents(made, tmp_path / "a") == contents(build, tmp_path / "b")
    assert (tmp_path / "a/appliance.yaml").read_bytes() == content
    assert (tmp_path / "a/appliance.yaml").stat().st_mtime == EPOCH
    assert fat.read_parameters(made, 0) == fat.read_parameters(build, 0)
    listed = [
        sorted(run(["mdir", "-/", "-a", "-i", file, "::"], env={"TZ": "UTC"}).splitlines()) for file in (made, build)
    ]
    assert listed[0] == listed[1], "with short names, attributes and what is free"


def test_everything_else_is_as_it_was(image: Path, tmp_path: Path) -> None:
    assert stamped(image, tmp_path, config("pi")) == 0
    made = whole(tmp_path / "out/pi", tmp_path)
    assert recognise(made, ARM64) == recognise(image, ARM64)
    table = partitions.read_table(image)
    assert partitions.read_table(made) == table
    before, after = image.read_bytes(), made.read_bytes()
    assert len(before) == len(after)
    assert before[: table.boot_start * SECTOR_BYTES] == after[: table.boot_start * SECTOR_BYTES]
    assert before[table.root_start * SECTOR_BYTES :] == after[table.root_start * SECTOR_BYTES :]
    assert Card(made).read("appliance.yaml").encode() == config("pi"), "as the lab reads it"


def test_devices_share_what_they_have_in_common(image: Path, tmp_path: Path) -> None:
    names = [f"pi{number}" for number in range(5)]
    assert stamped(image, tmp_path, *(config(name) for name in names)) == 0
    folders = [tmp_path / "out" / name for name in names]
    assert sorted((tmp_path / "out").iterdir()) == folders
    assert len({(folder / SHARED).stat().st_ino for folder in folders}) == 1
    assert {(folder / SHARED).stat().st_nlink for folder in folders} == {5}
    for folder in folders:
        assert sorted(file.name for file in folder.iterdir()) == [OWN, SHARED, SUMS]
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)
        assert Card(whole(folder, tmp_path)).read("appliance.yaml").encode() == config(folder.name)


def test_what_a_device_has_of_its_own_does_not_grow_with_the_image(tmp_path: Path) -> None:
    own = []
    for mebibytes in (40, 80):
        folder = tmp_path / str(mebibytes)
        folder.mkdir()
        small = Built(folder).make()
        with small.open("r+b") as file:  # the end of the root partition, where nothing is yet
            file.seek(-(mebibytes << 20), os.SEEK_END)
            file.write(os.urandom(mebibytes << 20))
        assert stamped(small, folder, config("pi")) == 0
        own.append((folder / "out/pi" / OWN).stat().st_size)
        assert (folder / "out/pi" / SHARED).stat().st_size > mebibytes << 20
    assert own[0] == own[1] < 100_000


def test_secrets_are_for_their_owner_alone_and_for_no_other_device(image: Path, tmp_path: Path) -> None:
    secret = "correct horse battery staple"
    assert stamped(image, tmp_path, config("one", f"# {secret}\n" * 500), config("two")) == 0
    for name in ("one", "two"):
        folder = tmp_path / "out" / name
        assert {stat.S_IMODE((folder / file).stat().st_mode) for file in (OWN, SHARED)} == {0o600}
        content = whole(folder, tmp_path).read_bytes()
        assert OLD_SECRET.encode() not in content, "what was in the image's own appliance.yaml"
        assert (secret.encode() in content) == (name == "one")


@pytest.mark.parametrize("kind", ["zst", "xz"])
def test_the_image_may_be_compressed(kind: str, image: Path, tmp_path: Path) -> None:
    packed = tmp_path / f"image.img.{kind}"
    content = image.read_bytes()
    packed.write_bytes(zstandard.compress(content, 1) if kind == "zst" else lzma.compress(content, preset=0))
    assert stamped(packed, tmp_path, config("pi")) == 0
    assert stamped(image, tmp_path, config("other")) == 0
    made = [whole(tmp_path / "out" / name, tmp_path) for name in ("pi", "other")]
    files = [contents(boot_of(file, tmp_path / "boot"), tmp_path / f"{file.stem}-files") for file in made]
    assert files[0].pop("appliance.yaml") != files[1].pop("appliance.yaml")
    assert files[0] == files[1]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["other", "pi"]


def test_frames_behind_the_fat_partition_are_taken_as_they_are(image: Path, tmp_path: Path) -> None:
    packed = tmp_path / "image.img.zst"
    packed.write_bytes(in_frames(image))
    assert stamped(packed, tmp_path, config("pi")) == 0
    assert stamped(image, tmp_path, config("other")) == 0
    shared = (tmp_path / "out/pi" / SHARED).read_bytes()
    found = frames(packed)
    table = partitions.read_table(image)
    boot_end = (table.boot_start + table.boot_sectors) * SECTOR_BYTES
    first = next(frame for frame in found if frame.begins >= boot_end)
    assert shared.endswith(packed.read_bytes()[first.at :])
    parts = [whole(tmp_path / "out" / name, tmp_path).read_bytes() for name in ("pi", "other")]
    assert parts[0][boot_end:] == parts[1][boot_end:] == image.read_bytes()[boot_end:]
    files = [
        contents(boot_of(tmp_path / f"{name}.img", tmp_path / "boot"), tmp_path / name) for name in ("pi", "other")
    ]
    assert files[0].pop("appliance.yaml") != files[1].pop("appliance.yaml")
    assert files[0] == files[1]


def test_the_frames_of_a_file_are_found_where_they_are(tmp_path: Path) -> None:
    contents = [os.urandom(300_000), bytes(500_000), b"text " * 70_000, b"x", os.urandom(10)]
    packed, expected, begins = b"", [], 0
    for content in contents:
        expected.append(Frame(len(packed), begins, len(content)))
        begins += len(content)
        packed += zstandard.ZstdCompressor(write_checksum=len(content) % 3 == 0).compress(content)
        packed += b"\x53\x2a\x4d\x18\x05\0\0\0 skip"
    file = tmp_path / "file"
    file.write_bytes(packed)
    assert frames(file) == expected
    assert b"".join(content_before(file, expected[3].at)) == b"".join(contents[:3])
    for broken in (packed[:-20], packed + b"more", zstandard.ZstdCompressor(write_content_size=False).compress(b"x")):
        file.write_bytes(broken)
        assert frames(file) == []


def test_single_is_one_file_of_the_same_image(image: Path, tmp_path: Path) -> None:
    assert stamped(image, tmp_path, config("pi"), config("other")) == 0
    assert stamped(image, tmp_path, config("pi"), config("other"), options=("--single",)) == 0
    parts, out = whole(tmp_path / "out/pi", tmp_path), tmp_path / "out"
    assert sorted(file.name for file in out.iterdir() if file.is_file()) == [
        "other.img.zst",
        "other.sha256",
        "pi.img.zst",
        "pi.sha256",
    ]
    run(["zstd", "-q", "-d", out / "pi.img.zst", "-o", tmp_path / "single.img"])
    run(["cmp", tmp_path / "single.img", parts])
    decompress.decompress(out / "pi.img.zst", tmp_path / "again.img", lambda *_: None)
    run(["cmp", tmp_path / "again.img", parts])
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "pi.sha256"], cwd=out, check=True)
    assert stat.S_IMODE((out / "pi.img.zst").stat().st_mode) == 0o600
    shared = (out / "pi" / SHARED).read_bytes()
    assert (out / "pi.img.zst").read_bytes().index(shared) % ALIGNMENT_BYTES == 0, "or no file system can share it"


def test_a_device_is_called_as_its_configuration_or_else_its_file_says(image: Path, tmp_path: Path) -> None:
    nameless = EXAMPLE.replace("hostname: ipv6gw\n", "").encode()
    assert stamped(image, tmp_path, nameless, config("named")) == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["config-0", "named"]


def test_progress_as_json_is_one_object_a_line(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stamped(image, tmp_path, config("one"), config("two"), options=("--json",)) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == [*["start", "done"] * 2, "stamped", "stamped", "result"]
    assert [event["device"] for event in events[4:6]] == ["one", "two"]
    taken = [event["new_bytes"] for event in events[4:]]
    files = [file for name in ("one", "two") for file in (tmp_path / "out" / name).iterdir()]
    assert taken[-1] == sum({file.stat().st_ino: file.stat().st_blocks * 512 for file in files}.values())
    assert taken[0] == sum((tmp_path / "out/one" / name).stat().st_blocks * 512 for name in (OWN, SUMS))


def test_the_help_teaches_by_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["stamp", "--help"])
    text = capsys.readouterr().out
    for word in ("examples:", OWN, SHARED, SUMS, "--single", "sha256sum --check"):
        assert word in text
