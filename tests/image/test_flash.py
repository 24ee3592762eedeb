"""`appliance flash` as its user has it: a small image of a build's own stages, into a file in place of a card."""

from __future__ import annotations

import errno
import json
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from appliance import cli
from image.disk import bmap, partitions, pieces
from image.disk.layout import SECTOR_BYTES
from image.flash import target
from image.flash.medium import CHUNK_BYTES, Opened, opened
from image.run import run
from tests.image.built import EXAMPLES, OLD_SECRET, Built, config
from tests.image.flashing import MIB, MadeUp, card
from tests.image.stamping import boot_of, contents, in_frames

pytestmark = pytest.mark.programs

SIZE = 1 << 30
SECRET = "Geheimnis-ohne-Ende"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be written to; it is called as a build calls it."""
    folder = tmp_path_factory.mktemp("image")
    return Built(folder).make().rename(folder / "appliance-gateway-arm64.img")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return card(tmp_path, SIZE)


def with_a_map(image: Path, folder: Path, packed: bytes) -> Path:
    """The image compressed, and its block map, as a build leaves them."""
    file = folder / f"{image.name}.zst"
    file.write_bytes(packed)
    file.with_name("appliance-gateway-arm64.bmap").write_text(bmap.of([pieces.region(image)]))
    return file


def appliance(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The command as its user calls it."""
    argv = [sys.executable, "-m", "appliance", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def given(folder: Path, extra: str = "") -> Path:
    """A configuration with a secret, longer than the image's own."""
    file = folder / "mine.yaml"
    file.write_bytes(config("mine", f"# {SECRET}\n{extra}" + "# more\n" * 3000))
    return file


def test_a_card_has_the_image_and_the_configuration(image: Path, disk: Path, tmp_path: Path) -> None:
    mine = given(tmp_path)
    done = appliance("flash", with_a_map(image, tmp_path, in_frames(image)), disk, "--config", mine, "--force")
    assert done.returncode == 0, done.stderr
    assert partitions.read_table(disk) == partitions.read_table(image)
    boots = [boot_of(file, tmp_path / f"{file.name}.fat") for file in (image, disk)]
    run(["fsck.fat", "-n", boots[1]])
    before, after = (contents(boot, tmp_path / f"{boot.name}.files") for boot in boots)
    assert after.pop("appliance.yaml")[0] == mine.read_bytes()
    before.pop("appliance.yaml")
    assert after == before
    assert OLD_SECRET.encode() not in boots[1].read_bytes()
    root = partitions.read_table(image).root_start * SECTOR_BYTES
    run(["cmp", f"--bytes={image.stat().st_size - root}", f"--ignore-initial={root}", image, disk])
    assert SECRET not in done.stdout + done.stderr
    assert f"--force: {disk} is a file, not a disk; its content is replaced" in done.stderr
    assert "ssh pi@mine.local" in done.stderr
    assert "edit appliance.yaml" not in done.stderr


@pytest.mark.parametrize("kind", ["zst", "xz"])
def test_a_card_has_the_image_however_it_is_packed(kind: str, image: Path, disk: Path, tmp_path: Path) -> None:
    file, content = tmp_path / f"appliance-gateway-arm64.img.{kind}", image.read_bytes()
    file.write_bytes(zstandard.compress(content, 1) if kind == "zst" else lzma.compress(content, preset=0))
    done = appliance("flash", file, disk, "--force")
    assert done.returncode == 0, done.stderr
    run(["cmp", f"--bytes={image.stat().st_size}", image, disk])
    assert disk.stat().st_size == SIZE
    assert "edit appliance.yaml on its small partition, bootfs" in done.stderr


def test_progress_as_json_is_one_object_a_line(image: Path, disk: Path) -> None:
    done = appliance("flash", image, disk, "--force", "--json")
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [(event["event"], event.get("stage")) for event in events if event["event"] != "progress"]
    steps = [(what, stage) for stage in ("write", "verify", "finish") for what in ("start", "done")]
    assert kinds == [("note", None), *steps, ("result", None), ("note", None)]
    progress = [event for event in events if event["event"] == "progress" and event["stage"] == "write"]
    assert [event["done_bytes"] * 10 // event["total_bytes"] for event in progress] == list(range(1, 11))
    result = next(event for event in events if event["event"] == "result")
    assert (result["device"], result["written_bytes"]) == (str(disk), image.stat().st_size)
    run(["cmp", f"--bytes={image.stat().st_size}", image, disk])


@pytest.mark.parametrize("text", ["profile: gateway\nuplnk: {}\n", None])
def test_a_configuration_with_a_mistake_writes_nothing(text: str | None, image: Path, disk: Path) -> None:
    wrong = disk.with_name("wrong.yaml")
    if text is not None:
        wrong.write_text(text)
    done = appliance("flash", image, disk, "--config", wrong, "--force")
    assert done.returncode == 2
    assert (f"{wrong}:2:1: " if text is not None else f"{wrong}: No such file") in done.stderr
    assert disk.stat().st_blocks == 0


def test_a_configuration_for_another_profile_writes_nothing(image: Path, disk: Path) -> None:
    done = appliance("flash", image, disk, "--config", EXAMPLES / "gadget.yaml", "--force")
    assert done.returncode == 2
    assert f"gadget.yaml is for the profile gadget, and {image} was built for gateway" in done.stderr
    assert "--profile gadget" in done.stderr
    assert disk.stat().st_blocks == 0


def test_a_profile_that_only_the_images_own_configuration_tells(image: Path, disk: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed.img").symlink_to(image)
    done = appliance("flash", tmp_path / "renamed.img", disk, "--config", EXAMPLES / "gadget.yaml", "--force")
    assert done.returncode == 2
    assert "was built for gateway; what is on" in done.stderr
    with disk.open("rb") as reader:
        assert reader.read(4096) == bytes(4096)


def test_an_image_that_is_not_what_its_checksum_says_writes_nothing(image: Path, disk: Path, tmp_path: Path) -> None:
    (tmp_path / "a.img").symlink_to(image)
    (tmp_path / "a.sha256").write_text(f"{'0' * 64}  a.img\n")
    done = appliance("flash", tmp_path / "a.img", disk, "--force")
    assert done.returncode == 2
    assert "is not what a.sha256 beside it says" in done.stderr
    assert disk.stat().st_blocks == 0


def test_who_interrupts_it_is_told_how_to_go_on(image: Path, disk: Path) -> None:
    argv = [sys.executable, "-m", "appliance", "flash", str(image), str(disk), "--force", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        next(line for line in child.stdout if json.loads(line)["event"] == "progress")
        child.send_signal(signal.SIGINT)
        _, told = child.communicate()
    assert child.returncode == 1
    assert told == (
        f"error: interrupted: what is on {disk} now cannot be used\nhint: the same command again begins anew\n"
    )
    with disk.open("rb") as reader:
        assert reader.read(4096) == bytes(4096)
    assert appliance("flash", image, disk, "--force").returncode == 0


def test_a_file_is_refused_without_force(image: Path, disk: Path) -> None:
    done = appliance("flash", image, disk)
    assert done.returncode == 2
    assert f"error: {disk} is a file, not a disk\nhint: --force, if you mean it" in done.stderr
    assert disk.stat().st_blocks == 0


def test_two_at_once_on_one_file_are_refused(image: Path, disk: Path) -> None:
    with opened(disk):
        done = appliance("flash", image, disk, "--force")
    assert done.returncode == 2
    assert "is in use by another program" in done.stderr
    assert disk.stat().st_blocks == 0


def test_without_a_device_the_disks_are_listed(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = MadeUp(tmp_path / "machine")
    found = target.cards
    monkeypatch.setattr(target, "cards", lambda: found(machine.root))
    monkeypatch.setattr(sys, "argv", ["/x/appliance"])
    assert cli.main(["flash", str(image)]) == 2
    assert "there is no disk that can be taken out\nhint: put the card in" in capsys.readouterr().err
    machine.disk("sdb", "usb1", 32 * 10**9, device__model="SD/MMC")
    machine.mount(machine.numbers["sdb1"], "/media/bootfs")
    assert cli.main(["flash", str(image)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "/dev/sdb         32.0 GB  SD/MMC  (USB)  mounted at /media/bootfs"
    assert told[-1] == f"  sudo /x/appliance flash {image} /dev/sdb"
    assert cli.main(["flash", str(image), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]) == {
        "event": "disk",
        "path": "/dev/sdb",
        "size_bytes": 32 * 10**9,
        "transport": "USB",
        "model": "SD/MMC",
        "mounts": ["/media/bootfs"],
    }


def test_past_the_page_cache(tmp_path: Path) -> None:
    """A disk is opened so; some file systems can do it as well."""
    file = card(tmp_path)
    try:
        number = os.open(file, os.O_RDWR | os.O_DIRECT)
    except OSError as error:
        assert error.errno == errno.EINVAL
        pytest.skip("this file system knows no O_DIRECT")
    medium = Opened(number, direct=True, is_disk=False)
    content = os.urandom(CHUNK_BYTES + 4096)
    assert medium.write(MIB, memoryview(content)) == CHUNK_BYTES
    assert medium.write(MIB + CHUNK_BYTES, memoryview(content)[CHUNK_BYTES:]) == 4096
    medium.flush()
    medium.forget()
    assert medium.read(MIB, 8192) == content[:8192]
    assert medium.read(MIB + 4096, CHUNK_BYTES) == content[4096:]
    assert medium.read(medium.size_bytes, 4096) == b""
    os.close(number)


def test_the_help_teaches_by_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["flash", "--help"])
    text = capsys.readouterr().out
    for word in ("examples:", "/dev/sdX --config appliance.yaml", "--force", "written last", "Exit codes"):
        assert word in text
