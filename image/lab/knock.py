"""A program: try to open TCP connections, all at once, and print a word for each: connected, refused, timed-out or
unreachable.

With `--ask NAME` they are questions over UDP instead, those for a name's address (RFC 1035), and the first of these
words is `answered`.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any


def knock(address: str, port: int, timeout_s: float) -> str:
    """What became of the attempt to connect."""
    return outcome("connected", lambda: socket.create_connection((address, port), timeout_s).close())


def ask(address: str, port: int, timeout_s: float, *, name: str) -> str:
    """What became of the question. Whatever comes back is an answer; `refused`: the host says that nobody listens."""
    # Not above: whoever only knocks may be where the project is not.
    from image.lab.mdns import question  # noqa: PLC0415

    family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]  # with a link's scope
    with closing(socket.socket(family, kind)) as line:
        line.settimeout(timeout_s)
        return outcome("answered", partial(_exchange, line, place, question(name)))


def outcome(success: str, attempt: Callable[[], object]) -> str:
    """That word, or the one for what an attempt raised."""
    try:
        attempt()
    except TimeoutError:
        return "timed-out"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "unreachable"
    return success


def _exchange(line: socket.socket, place: Any, message: bytes) -> None:
    line.connect(place)  # or the kernel would not tell that the message was refused
    line.send(message)
    line.recv(9000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+", metavar="ADDRESS PORT")
    parser.add_argument("--timeout", type=float, default=3, metavar="S")
    parser.add_argument("--ask", metavar="NAME")
    arguments = parser.parse_args()
    attempt = partial(ask, name=arguments.ask) if arguments.ask else knock
    addresses, ports = arguments.words[::2], [int(word) for word in arguments.words[1::2]]
    with ThreadPoolExecutor(len(ports)) as pool:
        print(*pool.map(partial(attempt, timeout_s=arguments.timeout), addresses, ports), sep="\n")
