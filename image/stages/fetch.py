"""Gets the base image: a file here, or one on the web; and checks that it is the one that was meant."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from appliance.errors import InputError
from image.cache.code import code_of
from image.cache.store import DamagedError
from image.recipe import Recipe
from image.stage import Makes, Stage, Work

CODE = code_of(__file__)

NAME = "fetch"
FILE = "base"
"""A link to it: it has gigabytes, and is not copied."""
KNOWN = "known.json"
"""What it was: its digest, and its state when that was taken."""


def stage(recipe: Recipe) -> Stage:
    """Gets the base; its digest stands for it from here on."""
    inputs = {"base": _name(recipe), "sha256": recipe.base_sha256}
    reads = partial(_reads, recipe)
    return Stage(NAME, Makes.FILES, (), inputs, _make, CODE, tells_digest=True, reads=reads)


def is_address(base: str) -> bool:
    """Whether a base is on the web."""
    return re.match(r"[a-z]+://", base) is not None


@contextmanager
def reading(work: Work) -> Iterator[Path]:
    """The base's file for the block. Errors in the block name it as the user did.

    Raises DamagedError if it is not what was fetched any more: the build then fetches it again.
    """
    link = work.results[NAME] / FILE
    known = json.loads((work.results[NAME] / KNOWN).read_text())
    if _state(link) != known["state"]:
        raise DamagedError(link)
    file = link.resolve()
    try:
        yield file
    except InputError as error:
        if _digest(link) != known["sha256"]:  # a disk's damage, which changes no time
            raise DamagedError(link) from error
        raise InputError(error.message.replace(str(file), work.recipe.base), hint=error.hint) from error
    if _state(link) != known["state"]:
        raise DamagedError(link)


def _name(recipe: Recipe) -> str:
    return recipe.base if is_address(recipe.base) else str(Path(recipe.base).absolute())


def _reads(recipe: Recipe) -> dict[str, list[int]]:
    """What changes when the base's file changes. Raises InputError for a base that cannot be."""
    if is_address(recipe.base):
        if not recipe.base.startswith("https://"):
            raise InputError(f"{recipe.base} is not an https address", hint="download it yourself, and give the file")
        if not recipe.base_sha256:
            raise InputError("an address needs the SHA-256 of the file", hint=f"--base {recipe.base}#sha256=HEX")
        return {}
    file = Path(recipe.base)
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise InputError(f"the base {file} {what}", hint="give `debian`, an image file, or its https address")
    return {"file": _state(file)}


def _make(work: Work) -> str:
    from image import download  # noqa: PLC0415 (slow to load, and most builds need none)

    base, expected = work.recipe.base, work.recipe.base_sha256
    if is_address(base):
        file = download.download(
            base, expected, work.store.downloads, lambda done, total: work.events.progress("downloaded", done, total)
        )
        state, digest = _state(file), expected
    else:
        file = Path(base).absolute()
        state = _state(file)
        try:
            digest = _digest(file)
        except OSError as error:
            raise InputError(f"the base {file} cannot be read: {error.strerror}", hint="see `ls -l`") from error
        if _state(file) != state:
            raise InputError(f"{file} was written to while it was read", hint="build again when all of it is there")
        if expected and digest != expected:
            raise InputError(f"{file} is not the file that was meant: its SHA-256 is {digest}, not {expected}")
    (work.result / FILE).symlink_to(file)
    (work.result / KNOWN).write_text(json.dumps({"sha256": digest, "state": state}) + "\n")
    return digest


def _state(file: Path) -> list[int]:
    """What changes when somebody writes to a file, or puts another in its place: no program can set its ctime."""
    try:
        known = file.stat()
    except OSError:  # it is gone
        return []
    return [known.st_size, known.st_mtime_ns, known.st_ctime_ns]


def _digest(file: Path) -> str:
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()
