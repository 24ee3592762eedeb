"""Asking the kernel for whole tables by netlink. Layouts and numbers are those of linux/netlink.h."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from itertools import count

from appliance.errors import TemporaryError

HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_ATTRIBUTE = struct.Struct("=HH")  # nlattr: length, type
_KIND_MASK = 0x3FFF
"""Of an attribute's type, what is left of its flags."""
_CODE = struct.Struct("=i")

REQUEST, ACK = 0x01, 0x04
_DUMP = 0x0301
_DUMP_INTERRUPTED = 0x10
_DONE, _ERROR = 3, 2
_SOL_NETLINK, _STRICT_CHECK = 270, 12

TRIES = 5
_BUFFER_BYTES = 1 << 20
_RECEIVE_BYTES = 1 << 16
_ANSWER_S = 10.0


class Dumps:
    """A socket of a netlink protocol in the network namespace in which it was made. `subject`: begins its errors."""

    def __init__(self, protocol: int, subject: str) -> None:
        self._subject = subject
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
        self._socket.settimeout(_ANSWER_S)
        self._socket.bind((0, 0))
        self._sequence = count(1)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def table(self, message: int, body: bytes, *, keep: Callable[[bytes], bool] = lambda _: True) -> list[bytes]:
        """The bodies of a table's messages that are to be kept; begun anew where it changed while it was told."""
        for _ in range(TRIES):
            found, whole = self.told(message, body, keep=keep)
            if whole:
                break
        return found  # a table that never stands still: what was told last, and the next event leads to another look

    def told(
        self, message: int, body: bytes, flags: int = _DUMP, *, keep: Callable[[bytes], bool] = lambda _: True
    ) -> tuple[list[bytes], bool]:
        """The bodies of an answer that are to be kept; whether it is of one moment. Raises `TemporaryError`."""
        sequence = next(self._sequence)
        self._send(_message(message, REQUEST | flags, sequence, body))
        found: list[bytes] = []
        whole = True
        while True:
            data = self._receive()
            whole = whole and data is not None
            for kind, marks, answers, content in messages(data or b""):
                if answers != sequence:
                    continue
                whole = whole and not marks & _DUMP_INTERRUPTED
                if kind in (_DONE, _ERROR):
                    self._raise_refusal(content)
                    return found, whole
                if keep(content):
                    found.append(content)

    def carry_out(self, requests: Sequence[tuple[int, int, bytes]]) -> None:
        """Send messages (type, flags, body) as one, and wait until each that asks for it (`ACK`) is acknowledged.

        Raises `TemporaryError` with what the kernel has against any of them.
        """
        numbered = [(next(self._sequence), *request) for request in requests]
        self._send(b"".join(_message(kind, REQUEST | flags, number, body) for number, kind, flags, body in numbered))
        ours = {number for number, *_ in numbered}
        waited_for = {number for number, _, flags, _ in numbered if flags & ACK}
        while waited_for:
            for kind, _, answers, content in messages(self._receive() or b""):
                if kind == _ERROR and answers in ours:
                    self._raise_refusal(content)
                    waited_for.discard(answers)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise TemporaryError(f"{self._subject}: {error.strerror or error}") from error

    def _receive(self) -> bytes | None:
        """What has come; None where something was lost (ENOBUFS)."""
        try:
            return self._socket.recv(_RECEIVE_BYTES)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return None
            raise TemporaryError(f"{self._subject}: {error.strerror or error}") from error

    def _raise_refusal(self, body: bytes) -> None:
        """Raise what a message of the end says, if it is not that all went well."""
        (code,) = _CODE.unpack_from(body) if len(body) >= _CODE.size else (0,)
        if code < 0:
            raise TemporaryError(f"{self._subject}: {os.strerror(-code)}")


def messages(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Messages that came together, each with its type, flags, the number that it answers, and its body."""
    found, offset = [], 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, answers, _ = HEADER.unpack_from(data, offset)
        found.append((kind, flags, answers, data[offset + HEADER.size : offset + length]))
        offset += max(HEADER.size, aligned(length))
    return found


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """A message's attributes, from there on, or those within another; of a type that is there again, the last."""
    return dict(elements(body, offset))


def elements(body: bytes, offset: int = 0) -> list[tuple[int, bytes]]:
    """The same one after the other, where a type may be there again. Tens of thousands are read at a time."""
    found, last = [], len(body) - _ATTRIBUTE.size
    while offset <= last:
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found.append((kind & _KIND_MASK, body[offset + _ATTRIBUTE.size : offset + length]))
        offset += (length + 3) & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute as it stands in a message."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def aligned(length: int) -> int:
    """Where the next message or attribute begins."""
    return (length + 3) & ~3


def _message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body
