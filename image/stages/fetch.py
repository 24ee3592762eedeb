"""Gets the base image: a file here, or one on the web; and checks that it is the one that was meant."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from appliance.errors import InputError
from image import download
from image.recipe import Recipe
from image.stage import Makes, Stage, Work, code_of

FILE = "base"


def stage(recipe: Recipe) -> Stage:
    """Gets the base; its digest stands for it from here on."""
    inputs = {"base": recipe.base, "sha256": recipe.base_sha256, "file": _state(recipe)}
    code = code_of(__file__, download)
    return Stage("fetch", Makes.FILES, (), inputs, _make, code, tells_digest=True)


def is_address(base: str) -> bool:
    """Whether a base is on the web."""
    return re.match(r"[a-z]+://", base) is not None


def _state(recipe: Recipe) -> list[int]:
    """What changes when the file changes. Raises InputError for a base that cannot be."""
    if is_address(recipe.base):
        if not recipe.base.startswith("https://"):
            raise InputError(f"{recipe.base} is not an https address", hint="download it yourself, and give the file")
        if not recipe.base_sha256:
            raise InputError("an address needs the SHA-256 of the file", hint=f"--base {recipe.base}#sha256=HEX")
        return []
    file = Path(recipe.base)
    if not file.is_file():
        what = "is not a file" if file.exists() else "does not exist"
        raise InputError(f"the base {file} {what}", hint="give `debian`, an image file, or its https address")
    known = file.stat()
    return [known.st_size, known.st_mtime_ns]


def _make(work: Work) -> str:
    base, expected = work.recipe.base, work.recipe.base_sha256
    if is_address(base):
        file = download.download(
            base, expected, work.store.downloads, lambda done, total: work.events.progress("downloaded", done, total)
        )
        digest = expected
    else:
        file = Path(base).absolute()
        try:
            with file.open("rb") as reader:
                digest = hashlib.file_digest(reader, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"the base {file} cannot be read: {error.strerror}", hint="see `ls -l`") from error
        if expected and digest != expected:
            raise InputError(f"{file} is not the file that was meant: its SHA-256 is {digest}, not {expected}")
    (work.result / FILE).symlink_to(file)
    return digest
