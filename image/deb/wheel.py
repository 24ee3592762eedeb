"""What the builder needs of PyPI and Debian does not have: the pure wheel, the one that is pinned, unpacked."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from appliance.errors import InputError
from image.recipe import PROJECT
from image.run import run

LOCK = PROJECT / "image/requirements.lock"


def contents(name: str) -> dict[str, bytes]:
    """The files of the pure wheel of project `name`, by their place below a folder of Python's path.

    pip downloads it, from where it is configured to, and compares it with the digests of the lock file. Raises
    InputError where there is no lock file, PermanentError where pip cannot.
    """
    if not LOCK.exists():
        raise InputError("the builder's package is made from the sources", hint="`make deb`, in a checkout of them")
    with TemporaryDirectory() as folder:
        pinned = Path(folder, "pinned.txt")
        pinned.write_text(_pinned(name, LOCK.read_text()))
        pure = ["--no-deps", "--only-binary=:all:", "--platform=any", "--require-hashes", f"--dest={folder}"]
        run([sys.executable, "-m", "pip", "download", "--quiet", *pure, "-r", pinned])
        [wheel] = Path(folder).glob("*.whl")
        with ZipFile(wheel) as archive:
            return {each: archive.read(each) for each in archive.namelist() if not each.endswith("/")}


def _pinned(name: str, lock: str) -> str:
    """The entry of a lock file that is about `name`, with its digests."""
    found = re.search(rf"^{re.escape(name)}==.*\n(    --hash=.*\n)+", lock, re.MULTILINE)
    assert found, f"{name} is not pinned"
    return found[0]
