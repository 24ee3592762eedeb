"""The checksum that a build leaves beside an image: what is copied for a hundred devices must be what was built."""

from __future__ import annotations

import hashlib
from pathlib import Path

from appliance.errors import InputError


def check(image: Path) -> None:
    """Read an image and compare it with the .sha256 beside it: about a second for 1.5 GB.

    Nothing is done if there is none that names it. Raises InputError if the image is another.
    """
    sums = image.with_name(f"{image.name.rpartition('.img')[0]}.sha256")
    expected = _named(sums, image.name)
    if expected is None:
        return
    with image.open("rb") as reader:
        found = hashlib.file_digest(reader, "sha256").hexdigest()
    if found != expected:
        raise InputError(
            f"{image} is not what {sums.name} beside it says: it is damaged, or was changed",
            hint=f"build it again, or copy it again together with that file; if you changed it yourself, remove {sums}",
        )


def _named(sums: Path, name: str) -> str | None:
    """The digest of the file `name` in a list as sha256sum(1) writes it."""
    if not sums.is_file():
        return None
    lines = (line.partition(" ") for line in sums.read_text(errors="replace").splitlines())
    return next((digest.lower() for digest, _, named in lines if named[1:] == name), None)
