"""`appliance flash` as its user has it: a small image of a build's own stages, into a file in place of a card."""

from __future__ import annotations

import errno
import json
import lzma
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from appliance import cli
from appliance.model import Profile
from appliance.starting import starting_config
from image.disk import bmap, fat, partitions, pieces
from image.disk.layout import SECTOR_BYTES
from image.flash import target
from image.flash.fat_file import volume
from image.flash.medium import CHUNK_BYTES, Opened, opened
from image.run import run
from tests.docs import card as in_place_of_a_card
from tests.image.built import EPOCH, EXAMPLES, OLD_SECRET, Built, config
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
    assert f"{disk}: {image.stat().st_size / 1e6:.0f} MB written and read back in " in done.stderr
    assert done.stderr.splitlines()[-2:] == [
        "it has your appliance.yaml",
        "put it in the Pi, and turn that on; after a minute or two: ssh pi@mine.local, and appliance-status.txt on the "
        "card says how it is",
    ]


@pytest.mark.parametrize("kind", ["zst", "xz"])
def test_a_card_has_the_image_however_it_is_packed(kind: str, image: Path, disk: Path, tmp_path: Path) -> None:
    file, content = tmp_path / f"appliance-gateway-arm64.img.{kind}", image.read_bytes()
    file.write_bytes(zstandard.compress(content, 1) if kind == "zst" else lzma.compress(content, preset=0))
    done = appliance("flash", file, disk, "--force")
    assert done.returncode == 0, done.stderr
    run(["cmp", f"--bytes={image.stat().st_size}", image, disk])
    assert disk.stat().st_size == SIZE
    assert "ssh pi@old.local" in done.stderr, "the image has one that is filled in"


def with_boot(image: Path, folder: Path, boot: Path) -> Path:
    """A copy of the image with another first partition."""
    copy = folder / "mine.img"
    copy.write_bytes(image.read_bytes())
    partitions.place(boot, copy, partitions.read_table(image).boot_start)
    return copy


def test_what_is_not_filled_in_yet_is_told_with_its_place(image: Path, disk: Path, tmp_path: Path) -> None:
    text = starting_config(Profile.GADGET, {})
    unfilled = with_boot(image, tmp_path, Built(tmp_path).boot(text.encode()))
    done = appliance("flash", unfilled, disk, "--force")
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    first = told.index("edit appliance.yaml on its small partition, bootfs:")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if "<" in line and number > 3]
    assert [line.partition(":")[0] for line in told[first + 1 : -1]] == [f"  line {number}" for number in lines]
    assert told[first + 1].endswith("ssh.authorized_keys[0] is not filled in yet: an ssh public key")
    assert "ssh pi@HOSTNAME.local" in told[-1]


def test_an_image_of_others_is_written_but_no_configuration_to_it(image: Path, disk: Path, tmp_path: Path) -> None:
    boot = Built(tmp_path).boot(config("mine"))
    fat.remove(boot, "appliance.yaml")
    others = with_boot(image, tmp_path, boot)
    refused = appliance("flash", others, disk, "--config", given(tmp_path), "--force")
    assert refused.returncode == 2
    assert "error: the image has no appliance.yaml on its first partition\nhint: " in refused.stderr
    assert disk.stat().st_blocks == 0
    done = appliance("flash", others, disk, "--force")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "put it in the Pi, and turn that on"


def test_a_configuration_for_which_there_is_no_room_writes_nothing(image: Path, disk: Path, tmp_path: Path) -> None:
    boot = Built(tmp_path).boot(config("mine"))
    with boot.open("rb") as reader:
        about = volume(0, lambda at, size: reader.read(size))
        reader.seek((about.information * 512) + 488)
        (free,) = struct.unpack("<I", reader.read(4))
    filling = tmp_path / "filling"
    with filling.open("wb") as writer:
        writer.truncate(free * about.cluster_bytes)
    fat.add(boot, [filling], epoch=EPOCH)
    full = with_boot(image, tmp_path, boot)
    done = appliance("flash", full, disk, "--config", given(tmp_path), "--force")
    assert done.returncode == 2
    assert done.stderr == "error: the image's first partition is full\nhint: build it again\n"
    assert disk.stat().st_blocks == 0


def test_of_a_card_it_is_said_when_it_may_be_taken_out(
    image: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_place_of_a_card.main(str(image), str(disk))
    told = capsys.readouterr().err.splitlines()
    assert told[-3].startswith(f"/dev/sdX: {image.stat().st_size / 1e6:.0f} MB written and read back in ")
    assert told[-2] == (
        "it has your appliance.yaml; it may be taken out now; if your desktop shows it, eject it there first"
    )
    run(["cmp", f"--bytes={image.stat().st_size}", image, disk])


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


def test_a_profile_that_no_image_is_for_is_told_so(image: Path, disk: Path) -> None:
    done = appliance("flash", image, disk, "--config", EXAMPLES / "policies.yaml", "--force")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "hint: no image can be built yet for the profile custom"


@pytest.mark.parametrize("packed", ["", ".zst"])
def test_the_profile_is_the_images_own_whatever_it_is_called(
    packed: str, image: Path, disk: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / f"appliance-gadget-arm64.img{packed}"
    renamed.write_bytes(in_frames(image) if packed else image.read_bytes())
    done = appliance("flash", renamed, disk, "--config", EXAMPLES / "gadget.yaml", "--force")
    assert done.returncode == 2
    assert f"gadget.yaml is for the profile gadget, and {renamed} was built for gateway\nhint: " in done.stderr
    assert "its content is replaced" not in done.stderr
    assert disk.stat().st_blocks == 0


@pytest.mark.parametrize("with_a_device", [True, False])
def test_what_is_no_image_is_said_before_anything_is_looked_for(
    with_a_device: bool, disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text" * 5000)
    words: list[str | Path] = [disk, "--force"] if with_a_device else []
    done = appliance("flash", tmp_path / "notes.txt", *words)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path}/notes.txt is no image of a disk\nhint: give an image that `appliance build` made\n"
    )
    assert disk.stat().st_blocks == 0


def test_a_file_that_is_too_small_is_said_before_its_content_is_to_be_replaced(image: Path, tmp_path: Path) -> None:
    small = card(tmp_path, MIB, before=b"kept")
    done = appliance("flash", image, small, "--force")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {small} is too small: the image needs ")
    assert small.read_bytes() == b"kept".ljust(MIB, b"\0")


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
    assert child.returncode == 130
    assert told == f"interrupted: what is on {disk} now cannot be used; the same command again begins anew\n"
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
    assert cli.main(["flash", str(image)]) == 0
    assert capsys.readouterr().err == "there is no disk that can be taken out: put the card in, and call this again\n"
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
