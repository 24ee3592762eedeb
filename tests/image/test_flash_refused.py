"""Which disks are listed and which are refused, by what the kernel says of made-up machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from image.flash.original import Original
from image.flash.target import Target, cards, disk_target, number_of, target
from image.flash.usage import is_system, parse_mounts
from tests.image.flashing import MadeUp, card

USB, SATA, READER, VIRTUAL = "pci0/usb1/1-1/host6", "pci0/ata1/host0", "platform/mmc_host/mmc0", "virtual"
GB = 10**9


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    """A computer with a disk that it runs from, by a volume on an encrypted one; and a card in a reader on USB."""
    machine = MadeUp(tmp_path / "machine")
    machine.disk("sda", SATA, 500 * GB, device__vendor="ATA", device__model="Samsung SSD")
    machine.disk("sdb", USB, removable="1", device__vendor="Generic-", device__model="SD/MMC")
    machine.disk("dm-0", VIRTUAL, partitions=0, dm__name="encrypted")
    machine.disk("dm-1", VIRTUAL, partitions=0, dm__name="root")
    machine.holds("dm-0", "sda2")
    machine.holds("dm-1", "dm-0")
    machine.mount(machine.numbers["dm-1"], "/")
    machine.mount(machine.numbers["sda1"], "/boot/efi")
    return machine


@pytest.fixture
def image(tmp_path: Path) -> Original:
    file = tmp_path / "image"
    file.write_bytes(b"x")
    return Original(file, "", 2 * GB, None)


def looked_at(name: str, made: MadeUp, image: Original, *, force: bool = False) -> Target:
    return disk_target(Path("/dev", name), made.numbers[name], image, force=force, root=made.root)


def test_a_card_is_written_to(made: MadeUp, image: Original) -> None:
    assert looked_at("sdb", made, image) == Target(Path("/dev/sdb"), [], ())


def test_what_can_be_taken_out_is_listed(made: MadeUp) -> None:
    made.disk("mmcblk0", READER, 8 * GB, device__name="SU08G", device__type="SD")
    made.disk("mmcblk1", READER.replace("0", "1"), device__name="soldered in", device__type="MMC")
    made.disk("sdc", USB.replace("6", "7"), 0, removable="1")
    made.disk("sr0", SATA.replace("0", "1"), removable="1", partitions=0)
    made.disk("sdd", SATA.replace("0", "2"), removable="1", device__vendor="0x1af4", device__model="hot-plugged")
    made.mount(made.numbers["sdb1"], "/media/my\\040card")
    found = [(str(d.path), d.size_bytes, d.transport, d.model, u.mounts) for d, u in cards(made.root)]
    assert found == [
        ("/dev/mmcblk0", 8 * GB, "SD", "SU08G", ()),
        ("/dev/sdb", 32 * GB, "USB", "Generic- SD/MMC", ("/media/my card",)),
        ("/dev/sdd", 32 * GB, "", "hot-plugged", ()),
    ]


def test_what_the_system_runs_from_is_not_listed_though_it_can_be_taken_out(made: MadeUp) -> None:
    made.mount(made.numbers["sdb1"], "/run/live/medium")
    assert cards(made.root) == []


def refuse(name: str, made: MadeUp, image: Original, *, force: bool) -> str:
    with pytest.raises(InputError) as caught:
        looked_at(name, made, image, force=force)
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize("force", [False, True])
class TestNeverWrittenTo:
    def test_the_running_systems_disk_whatever_is_between(self, made: MadeUp, image: Original, force: bool) -> None:
        assert "/dev/sda holds the running system: /, /boot/efi, and is in use by /dev/mapper/encrypted" in refuse(
            "sda", made, image, force=force
        )

    def test_a_partition(self, made: MadeUp, image: Original, force: bool) -> None:
        assert refuse("sdb1", made, image, force=force) == "/dev/sdb1 is a partition of the disk /dev/sdb"

    def test_what_the_system_swaps_to(self, made: MadeUp, image: Original, force: bool) -> None:
        made.swap(["/dev/sdb2", "/swapfile"])
        assert refuse("sdb", made, image, force=force) == "/dev/sdb is swapped to: /dev/sdb2"

    def test_a_part_of_an_array(self, made: MadeUp, image: Original, force: bool) -> None:
        made.disk("md0", f"{VIRTUAL}/raid", partitions=1)
        made.holds("md0", "sdb2")
        made.mount(made.numbers["md0p1"], "/srv/data")
        said = refuse("sdb", made, image, force=force)
        assert said == "/dev/sdb is in use by /dev/md0"
        made.mount(made.numbers["md0p1"], "/home")
        said = refuse("sdb", made, image, force=force)
        assert said == "/dev/sdb holds the running system: /home, and is in use by /dev/md0"

    def test_the_disk_that_the_image_is_on(self, made: MadeUp, image: Original, force: bool) -> None:
        (made.root / "sys/block/sdb/sdb2/dev").write_text(number_of(image.file.stat().st_dev))
        assert refuse("sdb", made, image, force=force) == "/dev/sdb is the disk that the image is on"

    @pytest.mark.parametrize(
        ("fact", "said"),
        [
            ("ro=1", "is read-only"),
            ("size=0", "has no card in it"),
            ("size=3000000", "is too small: the image needs 2000 MB, it has 1536"),
            ("queue/logical_block_size=4096", "has sectors of 4096 bytes, and the image is for 512"),
        ],
    )
    def test_what_cannot_be(self, fact: str, said: str, made: MadeUp, image: Original, force: bool) -> None:
        file, _, text = fact.partition("=")
        place = made.root / "sys/block/sdb" / file
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        assert refuse("sdb", made, image, force=force) == f"/dev/sdb {said}"


def test_a_file_system_of_several_disks_is_known_by_its_source(made: MadeUp, image: Original) -> None:
    made.mount("0:52", "/home", source="/dev/sdb2")
    assert refuse("sdb", made, image, force=True) == "/dev/sdb holds the running system: /home"


def test_what_is_mounted_is_unmounted_if_that_is_meant(made: MadeUp, image: Original) -> None:
    made.mount(made.numbers["sdb2"], "/media/rootfs")
    made.mount(made.numbers["sdb1"], "/media/rootfs/boot")
    assert refuse("sdb", made, image, force=False) == (
        "/dev/sdb is mounted at /media/rootfs/boot, and is mounted at /media/rootfs"
    )
    forced = looked_at("sdb", made, image, force=True)
    assert forced.mounts == ("/media/rootfs/boot", "/media/rootfs")
    assert forced.overridden == [
        "--force: /dev/sdb is mounted at /media/rootfs/boot; /media/rootfs/boot is unmounted",
        "--force: /dev/sdb is mounted at /media/rootfs; /media/rootfs is unmounted",
    ]


def test_what_is_built_in_is_written_to_if_that_is_meant(made: MadeUp, image: Original) -> None:
    made.disk("nvme0n1", "pci0/nvme")
    assert refuse("nvme0n1", made, image, force=False) == "/dev/nvme0n1 is not a disk that can be taken out"
    forced = looked_at("nvme0n1", made, image, force=True).overridden
    assert forced == ["--force: /dev/nvme0n1 is not a disk that can be taken out; it is written to anyway"]


def test_a_file_is_written_to_if_that_is_meant(tmp_path: Path, image: Original) -> None:
    file = card(tmp_path, 2 * GB)
    with pytest.raises(InputError, match="card is a file, not a disk"):
        target(file, image, force=False)
    assert target(file, image, force=True).overridden == [
        f"--force: {file} is a file, not a disk; its content is replaced"
    ]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_is_too_small_is_refused(force: bool, tmp_path: Path, image: Original) -> None:
    with pytest.raises(InputError, match="is too small: the image needs 2000 MB, it has 34") as caught:
        target(card(tmp_path), image, force=force)
    assert caught.value.hint == "make the file larger: truncate -s 4G FILE"


@pytest.mark.parametrize(
    ("device", "said"),
    [("/no/such", "is not there"), ("/dev/null", "is not a disk"), ("/", "is not a disk"), ("image", "image itself")],
)
def test_what_is_no_disk_is_never_written_to(device: str, said: str, image: Original) -> None:
    with pytest.raises(InputError, match=said):
        target(image.file.parent / device, image, force=True)


def test_a_device_that_the_kernel_does_not_know_is_refused(made: MadeUp, image: Original) -> None:
    with pytest.raises(InputError, match="a device of nothing that is there"):
        disk_target(Path("/dev/sdz"), "8:999", image, force=True, root=made.root)


def test_mountinfo_as_the_kernel_writes_it() -> None:
    line = r"36 35 8:17 /sub /media/a\040b\134c rw - fuseblk /dev/disk\040x rw,user_id=0"
    [found] = parse_mounts(line)
    assert (found.number, found.point, found.source) == ("8:17", "/media/a b\\c", "/dev/disk x")


@pytest.mark.parametrize("point", ["/", "/boot", "/boot/firmware", "/usr", "/var/lib", "/cdrom"])
def test_a_part_of_the_system(point: str) -> None:
    assert is_system(point)
    assert not is_system(f"/mnt{point}")


def test_a_mount_in_somebodys_home_is_not_the_systems() -> None:
    assert is_system("/home")
    assert not is_system("/home/me/card")
