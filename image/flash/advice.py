"""What to do about what is written to, if it does not take an image: a card, or a file in place of one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_WORN = "the card is likely worn out, or its reader is bad: try both otherwise, and another card if it stays so"


@dataclass(frozen=True)
class Advice:
    """A hint for each case."""

    too_small: str
    """It says to be smaller than the image."""
    full: str
    """It takes nothing more."""
    gone: str
    failing: str
    """The kernel tells of any other error."""
    differing: str
    """Something else is read than was written."""
    fake: str
    """Nothing is kept behind the image."""


CARD = Advice(
    too_small="take a larger card",
    full="it ends before it says, or was taken out: put it in again, and take another card if it stays so",
    gone="was it taken out? Put it in again",
    failing=f"was it taken out? If not, {_WORN}",
    differing=_WORN,
    fake="the card is likely a fake, which has less room than it says: take another one",
)
_DISK = "give a file on another disk; `sudo dmesg` may tell what is wrong with this one"
FILE = Advice(
    too_small="make the file larger: truncate -s 4G FILE",
    full="make room on the disk that the file is on",
    gone=_DISK,
    failing=_DISK,
    differing=_DISK,
    fake=_DISK,
)


def advice(*, is_disk: bool) -> Advice:
    """For a disk, or a file in place of one."""
    return CARD if is_disk else FILE
