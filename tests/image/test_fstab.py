from __future__ import annotations

from image.debian.fstab import PRIVATE, private

ROOT = "PARTUUID=4e2bb2ac-02  /               ext4    defaults,noatime  0       1\n"
OTHER = f"proc /proc proc defaults 0 0\n{ROOT}# /boot/firmware is the card's\n\n"


def test_it_is_the_card_that_becomes_private() -> None:
    table = f"{OTHER}PARTUUID=4e2bb2ac-01  /boot/firmware  vfat    defaults,ro       0       2\n"
    assert private(table, "/boot/firmware") == table.replace("defaults,ro ", f"defaults,ro,{PRIVATE} ")


def test_once_is_enough_and_another_mask_does_not_last() -> None:
    table = "LABEL=bootfs /boot vfat umask=000 0 2\n"
    once = private(table, "/boot")
    assert once == f"LABEL=bootfs /boot vfat umask=000,{PRIVATE} 0 2\n"
    assert private(once, "/boot") == once


def test_nothing_else_is_changed() -> None:
    assert private(OTHER, "/boot") == OTHER
    assert private("LABEL=bootfs /boot", "/boot") == "LABEL=bootfs /boot"
