"""Downloads from a real https server that breaks off, forgets how to resume, or cannot prove who it is."""

from __future__ import annotations

import hashlib
import http.server
import random
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance.errors import InputError, TemporaryError
from image import download as downloading
from image.download import download

pytestmark = pytest.mark.programs

CONTENT = random.Random(3).randbytes(5_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    etag: str | None = '"one"'
    break_after: list[int] = field(default_factory=list)
    """How many bytes the next answers give before the connection is cut."""
    understands_ranges: bool = True
    redirect: str = ""
    busy: int = 0
    """How many times it says 503 first."""
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", file, "-out", file.with_suffix(".crt")),
        ],
        check=True,
        capture_output=True,
    )
    with file.open("ab") as both:
        both.write(file.with_suffix(".crt").read_bytes())
    return file


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            if state.redirect or self.path != "/base.img":
                self.send_response(302 if state.redirect else 404)
                self.send_header("Location", state.redirect)
                self.end_headers()
                return
            begin = 0
            if asked and state.understands_ranges and self.headers.get("If-Range") == state.etag:
                begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(state.content) or state.busy:
                state.busy = max(state.busy - 1, 0)
                self.send_error(416 if begin else 503)
                return
            rest = state.content[begin:]
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(state.content) - 1}/{len(state.content)}")
            self.send_header("Content-Length", str(len(rest)))
            if state.etag:
                self.send_header("ETag", state.etag)
            self.end_headers()
            self.wfile.write(rest[: state.break_after.pop(0)] if state.break_after else rest)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    state.url = f"https://localhost:{web.server_port}/base.img"
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield state
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))


def fetch(server: Server, folder: Path, sha256: str = SHA256) -> bytes:
    return download(server.url, sha256, folder, lambda done, total: None, lambda seconds: None).read_bytes()


def test_what_is_there_already_is_not_fetched_again(server: Server, trusted: None, tmp_path: Path) -> None:
    assert fetch(server, tmp_path) == CONTENT
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None]
    assert [file.name for file in tmp_path.iterdir()] == [SHA256]


def test_what_was_damaged_since_is_fetched_again(server: Server, trusted: None, tmp_path: Path) -> None:
    (tmp_path / SHA256).write_bytes(CONTENT[:-1] + b"?")
    assert fetch(server, tmp_path) == CONTENT
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None]


def test_it_continues_where_it_broke_off(server: Server, trusted: None, tmp_path: Path) -> None:
    server.break_after = [2_000_000, 1_000_000]
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=2000000-", "bytes=3000000-"]


def test_it_continues_in_the_next_run(server: Server, trusted: None, tmp_path: Path) -> None:
    server.break_after = [2_000_000] + [0] * downloading.ATTEMPTS
    with pytest.raises(TemporaryError) as caught:
        fetch(server, tmp_path)
    assert "2000000 bytes" in caught.value.message
    assert "continues" in caught.value.hint
    server.ranges.clear()
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == ["bytes=2000000-"]


def test_killed_when_all_was_there_it_is_taken_as_it_is(server: Server, trusted: None, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(CONTENT)
    (tmp_path / f"{SHA256}.proof").write_text('"\\"one\\""')
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]
    assert [file.name for file in tmp_path.iterdir()] == [SHA256]


def test_what_is_there_but_cannot_be_continued_is_fetched_anew(server: Server, trusted: None, tmp_path: Path) -> None:
    (tmp_path / f"{SHA256}.part").write_bytes(bytes(len(CONTENT)))
    (tmp_path / f"{SHA256}.proof").write_text('"\\"one\\""')
    assert fetch(server, tmp_path) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-", None]


def test_a_busy_server_is_given_time(server: Server, trusted: None, tmp_path: Path) -> None:
    server.busy = downloading.ATTEMPTS - 1
    pauses: list[float] = []
    download(server.url, SHA256, tmp_path, lambda done, total: None, pauses.append)
    assert pauses == [2, 4, 8, 16]


def test_another_file_at_the_same_address_is_fetched_from_its_beginning(
    server: Server, trusted: None, tmp_path: Path
) -> None:
    server.content, server.etag = bytes(3_000_000), '"old"'
    server.break_after = [2_000_000] + [0] * downloading.ATTEMPTS
    with pytest.raises(TemporaryError):
        fetch(server, tmp_path)
    server.content, server.etag = CONTENT, '"new"'
    assert fetch(server, tmp_path) == CONTENT


def test_a_server_without_ranges_starts_again(server: Server, trusted: None, tmp_path: Path) -> None:
    server.understands_ranges = False
    server.break_after = [2_000_000]
    assert fetch(server, tmp_path) == CONTENT


def test_a_wrong_digest_is_refused_and_nothing_kept(server: Server, trusted: None, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetch(server, tmp_path, "0" * 64)
    assert SHA256 in caught.value.message
    assert not list(tmp_path.iterdir())


def test_a_server_that_cannot_prove_who_it_is_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot prove"):
        fetch(server, tmp_path)


def test_it_is_never_led_away_from_https(server: Server, trusted: None, tmp_path: Path) -> None:
    server.redirect = "http://localhost/base.img"
    with pytest.raises(InputError, match="not https"):
        fetch(server, tmp_path)


def test_a_wrong_address(server: Server, trusted: None, tmp_path: Path) -> None:
    server.url += ".typo"
    with pytest.raises(InputError, match="404"):
        fetch(server, tmp_path)
