"""The door of a running lab: a socket at which other terminals ask for one thing each, and are answered.

A request is a line of JSON, `{"verb": "fault", "words": ["proto41"]}`, and so is the reply.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.errors import ApplianceError, InputError


@dataclass(frozen=True)
class Request:
    """What somebody wants."""

    verb: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """The text to print, and the exit code. Where it has `failed`, `output` is an error's message, and `hint` its hint.

    `argv`: what the asker shall become. `terminal`: it has to connect itself to the machine's, and ask for a shell
    there; `mark`: what that terminal says when the shell has ended.
    """

    output: str = ""
    code: int = 0
    failed: bool = False
    hint: str = ""
    argv: tuple[str, ...] = ()
    terminal: bool = False
    mark: str = ""


Answer = Callable[[Request], Reply]


@contextmanager
def answering(path: Path, answer: Answer) -> Iterator[None]:
    """The door is open while the block runs; who asks waits for nobody else who asks."""
    server = _Server(path, answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(path: Path, request: Request) -> Reply:
    """What is answered at a door. InputError if its lab ends meanwhile."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
            with line.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(request)) + "\n")
                stream.flush()
                text = stream.readline()
        except OSError as error:
            raise InputError(f"the lab has ended: {error}") from error
    if not text:
        raise InputError("the lab has ended")
    found = json.loads(text)
    return Reply(**{**found, "argv": tuple(found["argv"])})


def replied(answer: Answer, text: str) -> str:
    """The line that answers a line; whatever goes wrong is an answer as well."""
    asked = json.loads(text)
    try:
        reply = answer(Request(asked["verb"], tuple(asked["words"])))
    except ApplianceError as error:
        reply = Reply(error.message, error.exit_code, failed=True, hint=error.hint)
    except OSError as error:  # TimeoutError, too
        reply = Reply(str(error), 1, failed=True)
    return json.dumps(asdict(reply)) + "\n"


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """One request; who goes away before the answer wants none, and who says nothing only looked."""
        with suppress(BrokenPipeError, ConnectionResetError):
            if text := self.rfile.readline():
                self.wfile.write(replied(self.server.answer, text.decode()).encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, answer: Answer) -> None:
        super().__init__(str(path), _Handler)
        self.answer = answer
