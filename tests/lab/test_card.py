"""A card is a copy: what is done to it never reaches the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from image.flash.original import original
from image.lab.card import boot_files, firmware_settings, insert
from image.lab.session import given
from image.run import run
from tests.lab.images import partitioned


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image with a Pi's boot files, which say what they are."""
    return partitioned(
        tmp_path_factory.mktemp("image"),
        {
            "config.txt": "[all]\nkernel=vmlinuz-6.12 # ours\ninitramfs initrd.img-6.12\n",
            "cmdline.txt": " root=PARTUUID=x \n",
            "vmlinuz-6.12": "kernel",
            "initrd.img-6.12": "initrd",
        },
    )


def test_boot_files(image: Path, tmp_path: Path) -> None:
    files = boot_files(insert(image, tmp_path / "card"), tmp_path)
    assert files.kernel.read_text() == "kernel"
    assert files.initrd.read_text() == "initrd"
    assert files.command_line == "root=PARTUUID=x"


def test_writes_only_to_the_copy(image: Path, tmp_path: Path) -> None:
    before = image.read_bytes()
    card = insert(image, tmp_path / "card")
    card.put("appliance.yaml", "profile: gateway\n")
    assert card.read("appliance.yaml") == "profile: gateway\n"
    assert image.read_bytes() == before


def test_size_is_a_power_of_two(image: Path, tmp_path: Path) -> None:
    assert image.stat().st_size < insert(image, tmp_path / "card").path.stat().st_size == 64 << 20


def test_missing_kernel(image: Path, tmp_path: Path) -> None:
    card = insert(image, tmp_path / "card")
    card.put("config.txt", "kernel=other\n")
    with pytest.raises(InputError, match="no other on its FAT partition"):
        boot_files(card, tmp_path)


@pytest.mark.parametrize(("magic", "is_32_bit"), [("\x18\x28\x6f\x01", True), ("ARMd", False)])
def test_what_a_kernel_is_for_is_seen_before_anything_is_copied(magic: str, is_32_bit: bool, tmp_path: Path) -> None:
    files = {"config.txt": "kernel=vmlinuz-6.12\n", "vmlinuz-6.12": "x" * 36 + magic + "x" * 5000}
    assert given.is_32_bit(original(partitioned(tmp_path, files))) is is_32_bit


def test_no_fat_partition(tmp_path: Path) -> None:
    empty = tmp_path / "empty.img"
    with empty.open("wb") as file:
        file.truncate(8 << 20)
    run(["sfdisk", "--quiet", empty], stdin="label: dos\ntype=83\n")
    with pytest.raises(InputError, match="has no FAT partition"):
        assert insert(empty, tmp_path / "card").boot_partition


def test_raspberry_pi_os_defaults() -> None:
    assert firmware_settings("arm_64bit=1\n#kernel=x\n") == {"arm_64bit": "1"}
