"""Fetches .deb files over several connections, by apt's own means: its proxies, passwords, retries and digests."""

from __future__ import annotations

import hashlib
import re
import shlex
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import PermanentError
from image.run import running

Progress = Callable[[str, int, int], object]
"""What is done, how many bytes of it, of how many."""

HELPER = "/usr/lib/apt/apt-helper"
CONNECTIONS = 6
"""As many as browsers open to one server. apt-get has one, which is often slower than the line."""
LOOK_S = 0.05
MOST_NAMED = 3
HINT = "if a file was not found, the package lists are old: build with --refresh"


@dataclass(frozen=True)
class Archive:
    """One .deb file: its name here, and what the signed lists say of it."""

    uri: str
    name: str
    size: int
    sha256: str


def listed(said: str) -> list[Archive]:
    """Those in the output of `apt-get --print-uris`: lines of 'URI' NAME SIZE SHA256:DIGEST.

    Raises PermanentError for one of which the signed lists have another digest, or none.
    """
    return [_archive(line) for line in said.splitlines() if line.startswith("'")]


def _archive(line: str) -> Archive:
    uri, name, size, *digests = shlex.split(line)
    if len(digests) != 1 or not digests[0].startswith("SHA256:"):
        hint = f"nothing proves that it is what was meant; it would come from {uri}"
        raise PermanentError(f"the package lists have no SHA-256 of {name}", hint=hint)
    return Archive(uri, name, int(size), digests[0].removeprefix("SHA256:"))


def fetch(archives: Sequence[Archive], folder: Path, env: Mapping[str, str], log: Path, progress: Progress) -> None:
    """Download what `folder` does not have whole. `env` has APT_CONFIG.

    What broke off goes on from there. Raises PermanentError with apt's reasons if something did not come.
    """
    partial, total = folder / "partial", sum(archive.size for archive in archives)
    partial.mkdir(parents=True, exist_ok=True)
    _forget_others(archives, partial)
    with tempfile.TemporaryDirectory() as said:
        logs = [Path(said, str(number)) for number in range(CONNECTIONS)]
        with ExitStack() as helpers:
            shared = zip(shares(archives), logs, strict=True)
            children = [helpers.enter_context(running(_argv(s, partial), env=env, log=to)) for s, to in shared if s]
            while any(child.poll() is None for child in children):
                progress("downloaded", _arrived(archives, partial), total)
                time.sleep(LOOK_S)
        told = "".join(file.read_text(errors="replace") for file in logs if file.exists())
    with log.open("a") as kept:
        kept.write(told)
    for archive in archives:
        if is_whole(partial / archive.name, archive):
            (partial / archive.name).rename(folder / archive.name)
    if missing := [archive.name for archive in archives if not (folder / archive.name).exists()]:
        raise PermanentError(why(told, missing), hint=f"{HINT}; more is in {log}")


def is_whole(file: Path, archive: Archive) -> bool:
    """Whether a file is there and what the signed lists say."""
    if not file.is_file() or file.stat().st_size != archive.size:
        return False
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest() == archive.sha256


def shares(archives: Sequence[Archive]) -> list[list[Archive]]:
    """What each connection fetches: about as much as the others, the largest first."""
    parts: list[list[Archive]] = [[] for _ in range(CONNECTIONS)]
    loads = [0] * CONNECTIONS
    for archive in sorted(archives, key=lambda one: one.size, reverse=True):
        lightest = loads.index(min(loads))
        parts[lightest].append(archive)
        loads[lightest] += archive.size
    return parts


def _argv(share: Sequence[Archive], partial: Path) -> list[str]:
    wanted = [[one.uri, str(partial / one.name), f"SHA256:{one.sha256}"] for one in share]
    return [HELPER, "download-file", *(word for words in wanted for word in words)]


def _arrived(archives: Sequence[Archive], partial: Path) -> int:
    return sum(_size(partial / archive.name) for archive in archives)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # not yet, or apt-helper has just renamed it
        return 0


def _forget_others(archives: Sequence[Archive], partial: Path) -> None:
    """Of what earlier runs left, only what is wanted now can be gone on with; apt keeps what was wrong as .FAILED."""
    names = {archive.name for archive in archives}
    for file in partial.iterdir():
        if file.name not in names:
            file.unlink()


def why(told: str, missing: Sequence[str]) -> str:
    """What to say of archives that did not come: apt's reasons, or their names where it was killed and has none."""
    reasons = re.findall(r"^E: (.*)$", told, re.MULTILINE)
    if not reasons:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        reasons = [", ".join(missing[:MOST_NAMED]) + more + " (apt-helper says nothing of why)"]
    return "\n  ".join(["packages could not be downloaded:", *dict.fromkeys(reasons)])
