"""A small signed Debian archive, and a web server that serves it well or badly."""

from __future__ import annotations

import email.utils
import hashlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

from image.run import run

SUITE, ARCHITECTURE = "stable", "arm64"
RELEASE = """\
Origin: Test
Suite: {suite}
Codename: {suite}
Architectures: {architecture}
Components: main
Date: {date}
SHA256:
 {digest} {size} main/binary-{architecture}/Packages
"""


def make(folder: Path, packages: dict[str, str]) -> Path:
    """An archive of `packages` (name: what it depends on) in `folder`; returns the keyring that signs it."""
    (folder / "pool").mkdir(parents=True)
    listed = "\n".join(_package(folder, name, depends) for name, depends in packages.items())
    lists = folder / f"dists/{SUITE}/main/binary-{ARCHITECTURE}"
    lists.mkdir(parents=True)
    (lists / "Packages").write_text(listed)
    return _sign(folder, listed.encode())


def _package(folder: Path, name: str, depends: str) -> str:
    tree = folder / "work" / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/doc" / name).mkdir(parents=True)
    (tree / "usr/share/doc" / name / "data").write_bytes(hashlib.sha256(name.encode()).digest() * 4096)
    control = f"Package: {name}\nVersion: 1\nArchitecture: {ARCHITECTURE}\nMaintainer: A <a@example.org>\n"
    control += f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN/control").write_text(f"{control}Description: a test\n")
    file = folder / "pool" / f"{name}_1_{ARCHITECTURE}.deb"
    run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, file])
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f"{control}Filename: pool/{file.name}\nSize: {len(content)}\nSHA256: {digest}\nDescription: a test\n"


def _sign(folder: Path, listed: bytes) -> Path:
    release = folder / f"dists/{SUITE}/Release"
    release.write_text(
        RELEASE.format(
            suite=SUITE,
            architecture=ARCHITECTURE,
            date=email.utils.format_datetime(email.utils.localtime(), usegmt=False),
            digest=hashlib.sha256(listed).hexdigest(),
            size=len(listed),
        )
    )
    home, keyring = folder / "keys", folder / "keyring.gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    try:
        subprocess.run([*gpg, "--quick-generate-key", "archive@example.org", "ed25519", "sign"], check=True)
        subprocess.run([*gpg, "--output", release.with_name("InRelease"), "--clearsign", release], check=True)
        subprocess.run([*gpg, "--output", keyring, "--export"], check=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
    return keyring


Fault = Callable[["Handler", bytes], None]
"""Answers in place of the server: with the handler, and what it should have sent."""


@dataclass
class Mirror:
    """The server: `faults` by the end of a file's name; `asked` is what was asked for."""

    folder: Path
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(SimpleHTTPRequestHandler):
    """As apt needs it: with ranges, so that what broke off goes on."""

    protocol_version = "HTTP/1.1"

    def __init__(self, mirror: Mirror, *arguments: object) -> None:
        self.mirror = mirror
        super().__init__(*arguments, directory=str(mirror.folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.mirror.asked.append(self.path)
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        fault = next((fault for end, fault in self.mirror.faults.items() if file.name.endswith(end)), None)
        (fault or Handler.answer)(self, content)

    def answer(
        self, content: bytes, write: Callable[[BufferedIOBase, bytes], object] = lambda to, body: to.write(body)
    ) -> None:
        """Send a file, or the rest of it; `write` sends the body."""
        begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        write(self.wfile, content[begin:])

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


def slow(handler: Handler, content: bytes) -> None:
    """In small pieces, with pauses."""

    def write(to: BufferedIOBase, body: bytes) -> None:
        for begin in range(0, len(body), 16384):
            to.write(body[begin : begin + 16384])
            time.sleep(0.1)

    handler.answer(content, write)


def half(handler: Handler, content: bytes) -> None:
    """Hangs up in the middle of what is left."""
    handler.close_connection = True
    handler.answer(content, lambda to, body: to.write(body[: len(body) // 2]))


def other(handler: Handler, content: bytes) -> None:
    """The right size, and another content."""
    handler.answer(bytes(byte ^ 1 for byte in content))


def silent(handler: Handler, content: bytes) -> None:
    """Takes the question, and says nothing for longer than anybody waits."""
    handler.close_connection = True
    time.sleep(8)


@contextmanager
def served(folder: Path) -> Iterator[Mirror]:
    """The folder by http, on a port of this machine."""
    mirror = Mirror(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, mirror))
    server.daemon_threads = True
    mirror.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
