"""The status page of a lab's Pi, for a browser on this computer: each file of it is fetched by a host of the lab's.

The Pi is not reached from here, and would not answer to 127.0.0.1: that is no name of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from appliance.errors import ApplianceError, InputError

LISTENING = ("ss", "-Hltn", "sport = :80")
"""Tells where the Pi shows it."""
HTTP_PORT, FETCH_S = 80, 10
_PATH = re.compile(r"/[\w./-]*")
_BEHIND = r"\n%{http_code} %{content_type}"


def address(listening: str) -> str:
    """The one to ask, of what `LISTENING` has told: IPv4 if there is any. InputError if there is none."""
    found = [line.split()[3].removesuffix(":80") for line in listening.splitlines()]
    if not found:
        raise InputError("the Pi shows no page now", hint="`appliance lab status` says what it waits for")
    return min(found, key=lambda each: ":" in each)


def fetching(url: str) -> Sequence[str]:
    """The command that fetches one file of it."""
    limits = ["--silent", "--show-error", "--noproxy", "*", "--max-time", str(FETCH_S)]
    return ["curl", *limits, "--write-out", _BEHIND, url]


@dataclass(frozen=True)
class Fetched:
    """The status code, the Content-Type and the content: all of it is text."""

    code: int
    kind: str
    content: str


def fetched(output: str) -> Fetched:
    """What `fetching` has printed."""
    content, _, last = output.rpartition("\n")
    code, _, kind = last.partition(" ")
    return Fetched(int(code), kind, content)


Fetch = Callable[[str], Fetched]
"""By its path. Raises ApplianceError if nobody answers."""


class Handing(ThreadingHTTPServer):
    """Hands on what is fetched, to this computer alone. `timeout`: the longest that `handle_request` waits for one."""

    daemon_threads = True
    timeout = 1.0

    def __init__(self, port: int, fetch: Fetch) -> None:
        """`port`: 0 for any that is free. InputError if it cannot be had."""
        self.fetch = fetch
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} cannot be had: {error}", hint="--port OTHER") from error

    @property
    def hosts(self) -> Sequence[str]:
        """What a browser here calls it; a page elsewhere whose name leads here has its own name in the question."""
        port = f":{self.server_port}" if self.server_port != HTTP_PORT else ""
        return [f"{name}{port}" for name in ("127.0.0.1", "localhost")]


class _Handler(BaseHTTPRequestHandler):
    server: Handing

    def do_GET(self) -> None:
        """Whoever goes away before the answer wants none."""
        with suppress(BrokenPipeError, ConnectionResetError):
            if self.headers["Host"] not in self.server.hosts or not _PATH.fullmatch(self.path):
                self.send_error(403)
                return
            try:
                self._send(self.server.fetch(self.path))
            except ApplianceError:
                self.send_error(502, explain="The Pi does not answer: see `appliance lab status`.")

    def _send(self, found: Fetched) -> None:
        content = found.content.encode()
        self.send_response(found.code)
        self.send_header("Content-Type", found.kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nobody asks for a line of each."""
