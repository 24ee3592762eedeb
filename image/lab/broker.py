"""A stand-in for the tunnel broker: https, the update protocol, what a tunnel is, and refusals as strict as the real's.

`Desk` is what the broker does with a call, pure but for the time; `serving` puts it on the network. What the desk
shall say or do otherwise, whatever it is asked, is put into `Desk.instead`.
"""

from __future__ import annotations

import base64
import http.server
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, urlsplit

from appliance.he import BrokerTunnel

HOST, PATH = "ipv4.tunnelbroker.net", "/nic/update"
INFORMATION_HOST, INFORMATION_PATH = "tunnelbroker.net", "/tunnelInfo.php"
WINDOW_S, IN_WINDOW, BANNED_S = 60.0, 2, 3600.0
"""More calls than that in a minute, and for an hour every answer is `abuse`; each call meanwhile prolongs that."""

REFUSED = "127.0.0.1"
"""In place of an address that does not answer ping."""


@dataclass(frozen=True)
class Reply:
    """Something else than the answer that would be right.

    `pace_s`: how long each byte takes; `length`: what Content-Length says, where it lies.
    """

    body: str = ""
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    pace_s: float = 0.0
    length: int | None = None
    cut: bool = False
    """The connection ends without a word."""


@dataclass(frozen=True)
class Call:
    """What somebody asked, and was told."""

    at_s: float
    peer: IPv4Address
    named: IPv4Address | None
    answer: str


@dataclass
class Desk:
    """What the broker knows of one tunnel, and all calls. `pingable`: whether an address answers ping.

    `described`: what the tunnel is; None: it was deleted.
    """

    user: str
    key: str
    tunnel: int
    pingable: Callable[[IPv4Address], bool] = lambda address: True
    clock: Callable[[], float] = time.monotonic
    endpoint: IPv4Address | None = None
    calls: list[Call] = field(default_factory=list)
    instead: list[Reply] = field(default_factory=list)
    """For the next calls, one after the other."""
    described: BrokerTunnel | None = None
    described_instead: list[Reply] = field(default_factory=list)
    """The same, for those who ask what the tunnel is."""
    banned_until_s: float = 0.0
    is_deleted: bool = False
    """It has no such tunnel any more."""

    def update(self, authorization: str, query: str, peer: IPv4Address) -> str:
        """One call, of somebody who is seen to have an address; the answer's text."""
        asked = parse_qs(query, keep_blank_values=True)
        named = _address(asked.get("myip", [""])[0])
        answer = self._answer(authorization, asked, named or peer)
        self.calls.append(Call(self.clock(), peer, named, answer))
        return answer

    def describe(self, authorization: str, query: str, peer: IPv4Address) -> Reply:
        """One call, of somebody who wants to know what the tunnel is."""
        refusal = self._refusal(authorization)
        is_ours = parse_qs(query).get("tid") == [str(self.tunnel)]
        self.calls.append(Call(self.clock(), peer, None, refusal or ("described" if is_ours else "nohost")))
        if refusal is not None:
            return Reply(refusal, 401 if refusal == "badauth" else 200)
        return Reply(information(self.described if is_ours else None))

    def _refusal(self, authorization: str) -> str | None:
        """All calls count, whatever they are about."""
        now_s = self.clock()
        recent = sum(call.at_s > now_s - WINDOW_S for call in self.calls)
        if recent >= IN_WINDOW or now_s < self.banned_until_s:
            self.banned_until_s = now_s + BANNED_S
            return "abuse"
        is_user = authorization == f"Basic {base64.b64encode(f'{self.user}:{self.key}'.encode()).decode()}"
        return None if is_user else "badauth"

    def _answer(self, authorization: str, asked: dict[str, list[str]], address: IPv4Address) -> str:
        refusal = self._refusal(authorization)
        if refusal is not None:
            return refusal
        if self.is_deleted or asked.get("hostname") != [str(self.tunnel)]:
            return "nohost"
        if not self.pingable(address):
            return f"good {REFUSED}"
        before, self.endpoint = self.endpoint, address
        return f"{'nochg' if before == address else 'good'} {address}"

    def answers(self) -> list[str]:
        """The words of all answers so far."""
        return [call.answer.split()[0] for call in self.calls]


def information(tunnel: BrokerTunnel | None) -> str:
    """In the form of https://forums.he.net/index.php?topic=3109.0, where an address has no prefix length."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<tunnels>"]
    if tunnel is not None:
        elements = {
            "description": "the lab&apos;s",
            "serverv4": tunnel.server,
            "serverv6": tunnel.address.network[1],
            "clientv6": tunnel.address.ip,
            "routed64": tunnel.routed,
            **({"routed48": tunnel.routed48} if tunnel.routed48 is not None else {}),
        }
        inside = (f"  <{name}>{value}</{name}>" for name, value in elements.items())
        lines += [f' <tunnel id="{tunnel.number}">', *inside, " </tunnel>"]
    return "\n".join([*lines, "</tunnels>", ""])


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection; the server has the desk."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Answer, or do what shall be done instead."""
        desk, address = self.server.desk, urlsplit(self.path)
        called = (self.headers.get("Host"), address.path)
        authorization, peer = self.headers.get("Authorization", ""), IPv4Address(self.client_address[0])
        if called == (HOST, PATH):
            answer = desk.update(authorization, address.query, peer)
            self._say(desk.instead.pop(0) if desk.instead else Reply(answer))
        elif called == (INFORMATION_HOST, INFORMATION_PATH):
            told = desk.describe(authorization, address.query, peer)
            self._say(desk.described_instead.pop(0) if desk.described_instead else told)
        else:
            self._say(Reply("<html>nothing here</html>", 404))

    def _say(self, reply: Reply) -> None:
        self.close_connection = True
        if reply.cut:
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        body = reply.body.encode()
        self.send_header("Content-Length", str(len(body) if reply.length is None else reply.length))
        self.end_headers()
        for number in range(len(body)) if reply.pace_s else ():
            if self.server.ended.wait(reply.pace_s):
                return
            self.wfile.write(body[number : number + 1])
        if not reply.pace_s:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The calls are in the desk."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], desk: Desk, context: ssl.SSLContext) -> None:
        super().__init__(address, _Handler)
        self.desk, self.ended, self._context = desk, Event(), context

    def finish_request(self, request: object, client_address: object) -> None:
        """TLS begins in the connection's own thread: who is slow, or does not trust us, holds up nobody."""
        try:
            secure = self._context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
        except OSError:
            return
        super().finish_request(secure, client_address)
        secure.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Who goes away in the middle is no news."""


@contextmanager
def serving(desk: Desk, certificate: Path, address: str, port: int = 443) -> Iterator[int]:
    """The broker at an address of this network namespace, and its port (0: any)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = _Server((address, port), desk, context)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
