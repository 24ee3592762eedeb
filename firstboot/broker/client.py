"""Telling and asking the broker, over https: with its certificate checked, within a limited time, and nobody else.

Nothing is followed elsewhere, and there is no other way than this: what cannot be told safely is not told.
"""

from __future__ import annotations

import base64
import io
import socket
import ssl
import time
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse, IncompleteRead
from ipaddress import IPv4Address
from typing import IO, Any, cast
from urllib.parse import urlencode

from appliance.model import Broker
from appliance.tunnel_checks import is_public
from firstboot.broker.answers import Answer, Word, answer_to
from firstboot.broker.information import description_in

HOST, PORT = "ipv4.tunnelbroker.net", 443
PATH = "/nic/update"
INFORMATION_HOST, INFORMATION_PATH = "tunnelbroker.net", "/tunnelInfo.php"
"""https://forums.he.net/index.php?msg=20949: the Update Key is asked for there as well."""
LIMIT_S = 10.0
"""From when the broker's address is known: how long the resolver takes is its own affair (resolv.conf(5), timeout)."""

SIZE_MAX_BYTES = 1 << 16
"""An answer has a dozen bytes, a web page some thousand."""

_AGENT = "raspberry-pi-appliance/1"
"""The protocol demands a name."""


class _UnansweredError(Exception):
    """The request was sent, and may have been heard."""


def ask(broker: Broker, local: IPv4Address) -> Answer:
    """Tell the broker of us, who have `local` as our own address. Behind NAT, the broker sees by itself who we are."""
    found = _got(HOST, _request(broker, local), local)
    return found if isinstance(found, Answer) else _without_key(_read(found), broker)


def ask_what_it_is(broker: Broker, local: IPv4Address) -> Answer:
    """Ask the broker what the account's tunnel is, from our own address `local`."""
    found = _got(INFORMATION_HOST, _inquiry(broker), local)
    if isinstance(found, Answer):
        return found
    page = _page(found)
    if isinstance(page, Answer):
        return page
    if page.is_cut:
        return Answer(Word.NONSENSE, detail="it is cut off")
    return _without_key(description_in(page.status, page.text, broker.tunnel), broker)


def _without_key(answer: Answer, broker: Broker) -> Answer:
    """The same, not to be quoted where it tells us our own key, of which the end may be cut off."""
    return replace(answer, detail="") if broker.key[:4] in answer.detail else answer


def _got(host: str, request: bytes, local: IPv4Address) -> bytes | Answer:
    """All that came back, or why nothing did."""
    try:
        return _asked(host, request, local, _addresses(host))
    except _UnansweredError:
        return Answer(Word.SILENCE)
    except OSError as error:
        return _failure(error)


def _failure(error: OSError) -> Answer:
    """What it means where nothing came to be asked."""
    if isinstance(error, socket.gaierror):
        return Answer(Word.NO_NAME, detail=error.strerror or "")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Answer(Word.UNTRUSTED, detail=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return Answer(Word.UNTRUSTED, detail=f"TLS: {error.reason or 'no connection'}")
    told = "no connection comes about" if isinstance(error, TimeoutError) else error.strerror
    return Answer(Word.NO_WAY, detail=told or "")


def _addresses(host: str) -> list[tuple[str, int]]:
    found = socket.getaddrinfo(host, PORT, socket.AF_INET, socket.SOCK_STREAM)
    return [cast(tuple[str, int], address) for *_, address in found]


def _request(broker: Broker, local: IPv4Address) -> bytes:
    asked = {"hostname": str(broker.tunnel), **({"myip": str(local)} if is_public(local) else {})}
    return _get(HOST, f"{PATH}?{urlencode(asked)}", broker)


def _inquiry(broker: Broker) -> bytes:
    return _get(INFORMATION_HOST, f"{INFORMATION_PATH}?{urlencode({'tid': broker.tunnel})}", broker)


def _get(host: str, path: str, broker: Broker) -> bytes:
    account = base64.b64encode(f"{broker.user}:{broker.key}".encode()).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Basic {account}",
        f"User-Agent: {_AGENT}",
        "Connection: close",
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def _asked(host: str, request: bytes, local: IPv4Address, addresses: list[tuple[str, int]]) -> bytes:
    deadline = time.monotonic() + LIMIT_S
    with (
        _connected(local, addresses, deadline) as plain,
        # A time limit of Python's TLS is one for all of the handshake, not for each packet of it.
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure,
    ):
        try:
            secure.sendall(request)
            return _received(secure, deadline)
        except OSError as error:
            raise _UnansweredError from error


def _connected(local: IPv4Address, addresses: list[tuple[str, int]], deadline: float) -> socket.socket:
    """A connection to the first of them that takes one."""
    for number, address in enumerate(addresses, 1):
        try:
            connected = socket.create_connection(address, _left_s(deadline), (str(local), 0))
        except OSError:
            if number == len(addresses):
                raise
        else:
            connected.settimeout(_left_s(deadline))
            return connected
    raise TimeoutError


def _received(secure: ssl.SSLSocket, deadline: float) -> bytes:
    """All that comes until the end, but no more than is of use."""
    content = b""
    while len(content) < SIZE_MAX_BYTES:
        secure.settimeout(_left_s(deadline))
        received = secure.recv(SIZE_MAX_BYTES - len(content))
        if not received:
            break
        content += received
    return content


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


class _Received:
    """What has come, as Python's reader of HTTP wants it: as a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *_: Any) -> IO[bytes]:
        return io.BytesIO(self._content)


@dataclass(frozen=True)
class _Page:
    status: int
    text: str
    is_cut: bool = False


def _read(content: bytes) -> Answer:
    """The answer in what came. Of one that is cut off, no address is believed."""
    page = _page(content)
    if isinstance(page, Answer):
        return page
    found = answer_to(page.status, page.text)
    return Answer(Word.NONSENSE, detail="it is cut off") if page.is_cut and found.address is not None else found


def _page(content: bytes) -> _Page | Answer:
    """What came as HTTP; what it means where it is none."""
    if not content:
        return Answer(Word.EMPTY)
    response = HTTPResponse(cast(socket.socket, _Received(content)))
    try:
        response.begin()
        return _Page(response.status, response.read().decode(errors="replace"))
    except IncompleteRead as error:
        return _Page(response.status, error.partial.decode(errors="replace"), is_cut=True)
    except HTTPException:
        return Answer(Word.NONSENSE, detail="it is no HTTP")
