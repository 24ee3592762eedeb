"""What is said of a card that was written, by the appliance.yaml that is on it."""

from __future__ import annotations

import pytest

from appliance.model import Profile
from appliance.starting import starting_config
from image.flash.ending import steps
from tests.image.built import config

STARTING = starting_config(Profile.GATEWAY, {}).encode()


@pytest.mark.parametrize("table_read", [True, False])
def test_a_card_that_is_filled_in_goes_into_the_pi(table_read: bool) -> None:
    assert steps(config("attic"), is_disk=True, table_read=table_read) == [
        "it has your appliance.yaml; it may be taken out now; if your desktop shows it, eject it there first",
        "put it in the Pi, and turn that on; after a minute or two: ssh pi@attic.local, and appliance-status.txt on "
        "the card says how it is",
    ]


def test_a_card_that_is_not_is_edited_first() -> None:
    [edit, taken_out, started] = steps(STARTING, is_disk=True, table_read=True)
    first, *lines = edit.splitlines()
    assert first == "edit appliance.yaml on its small partition, bootfs:"
    said = STARTING.decode().splitlines()
    for line in lines:
        number = int(line.removeprefix("  line ").partition(":")[0])
        assert "<" in said[number - 1] and " is not filled in yet" in line
    assert len(lines) == 4, "the key, and three of the tunnel"
    assert taken_out == "it may be taken out then; if your desktop shows it, eject it there first"
    assert "ssh pi@HOSTNAME.local" in started


def test_whose_partitions_the_kernel_does_not_know_is_put_in_again() -> None:
    [edit, *_] = steps(STARTING, is_disk=True, table_read=False)
    assert edit.startswith("edit appliance.yaml on its small partition, bootfs (put the card in again to see it):\n")


def test_a_mistake_that_was_made_on_the_card_is_told_too() -> None:
    [edit, *_] = steps(config("attic", "uplnk: {}\n"), is_disk=False, table_read=True)
    assert "uplnk" in edit.splitlines()[1]


def test_of_an_image_that_has_none_nothing_is_made_up() -> None:
    started = "put it in the Pi, and turn that on"
    assert steps(None, is_disk=False, table_read=True) == [started]
    assert steps(None, is_disk=True, table_read=True)[1:] == [started]
