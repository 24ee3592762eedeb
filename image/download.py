"""Downloads a file over https: resumed where it broke off, and checked against its SHA-256."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.errors import InputError, TemporaryError

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30
ATTEMPTS = 5
"""How often in a row it may break off without a single new byte."""
PAUSE_S = 2
"""Before the second attempt; twice as long before each one after that."""

Progress = Callable[[int, int | None], None]
"""Told bytes done, and bytes in all where that is known."""


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but not to where nobody has to prove who they are."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:  # noqa: PLR0917 (not our signature)
        if not newurl.startswith("https://"):
            raise InputError(f"{req.full_url} leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    url: str, sha256: str, folder: Path, progress: Progress, sleep: Callable[[float], None] = time.sleep
) -> Path:
    """The file at `url`, kept in `folder` under its digest; what is there and whole is not fetched again.

    Raises InputError if there is no such file or it is not what the digest says, TemporaryError if it
    broke off; then the next call continues.
    """
    finished, partial = folder / sha256, folder / f"{sha256}.part"
    if finished.exists():
        if _digest(finished) == sha256:
            return finished
        finished.unlink()  # damaged since
    fruitless = 0
    while True:
        had = _size(partial)
        try:
            _fetch(url, partial, progress)
            break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            _refuse_if_final(url, error)
            if (
                isinstance(error, urllib.error.HTTPError)
                and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            ):
                # There is no more of it: it is complete since the last run, or it is of another file.
                if _digest(partial) == sha256:
                    break
                partial.unlink(missing_ok=True)
                _validator(partial).unlink(missing_ok=True)
            fruitless = 0 if _size(partial) > had else fruitless + 1
            if fruitless >= ATTEMPTS:
                message = f"{url} broke off after {_size(partial)} bytes: {error}"
                raise TemporaryError(message, hint="run the same command again: it continues there") from error
            if fruitless:
                sleep(PAUSE_S * 2 ** (fruitless - 1))
    found = _digest(partial)
    _validator(partial).unlink(missing_ok=True)
    if found != sha256:
        partial.unlink()
        raise InputError(
            f"{url} is not the file that was meant: its SHA-256 is {found}, not {sha256}",
            hint="compare the digest with the one on the page that you have the address from",
        )
    partial.rename(finished)
    return finished


def _fetch(url: str, partial: Path, progress: Progress) -> None:
    """Fetch what is missing of a file. Raises what urllib and http.client raise if it breaks off."""
    request = urllib.request.Request(url)  # noqa: S310 (https: the caller has seen to it)
    had = _size(partial)
    if had and _validator(partial).exists():
        request.add_header("Range", f"bytes={had}-")
        request.add_header("If-Range", json.loads(_validator(partial).read_text()))
    opener = urllib.request.build_opener(_OnlyHttps)
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        continues = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        done = had if continues else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        # What proves that the rest is of the same file: a strong ETag, or the date; see RFC 9110, 13.1.5.
        tag = answer.headers.get("ETag") or ""
        proof = answer.headers.get("Last-Modified") if not tag or tag.startswith("W/") else tag
        _validator(partial).unlink(missing_ok=True)
        if proof:
            _validator(partial).write_text(json.dumps(proof))
        with partial.open("ab" if continues else "wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)
        if total is not None and done < total:
            raise http.client.IncompleteRead(b"", total - done)


def _refuse_if_final(url: str, error: Exception) -> None:
    """Raise InputError for what trying again does not help with."""
    if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 416, 429):
        raise InputError(f"{url}: the server says {error.code} {error.reason}", hint="check the address") from error
    reason = getattr(error, "reason", None)
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise InputError(f"{url}: the server cannot prove that it is who it says: {reason.verify_message}") from error


def _digest(file: Path) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _validator(partial: Path) -> Path:
    return partial.with_suffix(".proof")
