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

    Raises what `download` does.
    """
    with TemporaryDirectory() as folder, ZipFile(download(name, Path(folder))) as archive:
        return {each: archive.read(each) for each in archive.namelist() if not each.endswith("/")}


def download(name: str, folder: Path) -> Path:
    """Have pip put the pure wheel of project `name` into `folder`, from where it is configured to.

    It is compared with the digests of the lock file. Raises InputError where there is no lock file, PermanentError
    where pip cannot.
    """
    if not LOCK.exists():
        raise InputError("the builder's package is made from the sources", hint="`make deb`, in a checkout of them")
    with TemporaryDirectory() as own:
        pinned = Path(own, "pinned.txt")
        pinned.write_text(_pinned(name, LOCK.read_text()))
        pure = ["--no-deps", "--only-binary=:all:", "--platform=any", "--require-hashes", f"--dest={folder}"]
        run([sys.executable, "-m", "pip", "download", "--quiet", *pure, "-r", pinned])
    [wheel] = folder.glob(f"{name}-*-none-any.whl")
    return wheel


def _pinned(name: str, lock: str) -> str:
    """The entry of a lock file that is about `name`, with its digests."""
    found = re.search(rf"^{re.escape(name)}==.*\n(    --hash=.*\n)+", lock, re.MULTILINE)
    assert found, f"{name} is not pinned"
    return found[0]
