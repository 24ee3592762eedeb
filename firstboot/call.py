"""One call over the system bus, by the standard library: for commands, which are gone before a library is loaded.

dbus_next takes a Pi Zero three seconds to load. `busctl` says neither which error it was, nor can it be given a text
that is no other user's to read. What a method of ours takes and gives is text, and that is all that is known here of
the D-Bus specification (https://dbus.freedesktop.org/doc/dbus-specification.html, "Message Format").
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.errors import TemporaryError
from firstboot.bus_names import error_of

SOCKET = "/run/dbus/system_bus_socket"
TIMEOUT_S = 60.0
"""A pass may be under way, and what is asked waits for its end."""

_CALL, _RETURN, _ERROR = 1, 2, 3
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 4, 5, 6, 8
_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


@dataclass(frozen=True)
class _Message:
    """`texts`: those that it begins with; we know of no other values."""

    kind: int
    fields: dict[int, str | int]
    texts: tuple[str, ...]


def called(name: str, path: str, interface: str, member: str, *texts: str, bus: str = SOCKET) -> str:
    """The text that a method returns, "" for none. Raises the error that it ended with, or `TemporaryError`."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(TIMEOUT_S)
            line.connect(bus)
            _authenticate(line)
            _ask(line, 1, _BUS, "Hello")
            return _ask(line, 2, (name, path, interface), member, *texts)
    except TimeoutError as error:
        raise TemporaryError(f"no answer on the system bus within {TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise TemporaryError(f"the system bus cannot be asked: {error.strerror or error}") from error


def _authenticate(line: socket.socket) -> None:
    """The kernel tells the bus who we are; it is asked to believe that ("Authentication Protocol", EXTERNAL)."""
    line.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
    reply = b""
    while not reply.endswith(b"\r\n"):
        reply += _received(line, 1)
    if not reply.startswith(b"OK "):
        raise TemporaryError("the system bus does not let us in")
    line.sendall(b"BEGIN\r\n")


def _ask(line: socket.socket, serial: int, where: tuple[str, str, str], member: str, *texts: str) -> str:
    line.sendall(_call(serial, where, member, texts))
    while True:
        message = _message(line)
        if message.fields.get(_REPLY_SERIAL) != serial:
            continue  # a signal
        text = message.texts[0] if message.texts else ""
        if message.kind == _ERROR:
            raise error_of(str(message.fields.get(_ERROR_NAME, "")), text)
        return text


def _call(serial: int, where: tuple[str, str, str], member: str, texts: tuple[str, ...]) -> bytes:
    destination, path, interface = where
    body = b""
    for text in texts:
        body = _padded(body, 4) + _text(text)
    named = [(_DESTINATION, "s", destination), (_PATH, "o", path), (_INTERFACE, "s", interface), (_MEMBER, "s", member)]
    fields = b""
    for code, kind, value in named:
        fields = _padded(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0" + _text(value)
    if texts:
        fields = _padded(fields, 8) + bytes([_SIGNATURE, 1]) + b"g\0" + bytes([len(texts)]) + b"s" * len(texts) + b"\0"
    head = struct.pack("<cBBBII", b"l", _CALL, 0, 1, len(body), serial)
    return _padded(head + struct.pack("<I", len(fields)) + fields, 8) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _padded(data: bytes, alignment: int) -> bytes:
    return data + b"\0" * (-len(data) % alignment)


def _message(line: socket.socket) -> _Message:
    head = _received(line, 16)
    order = "<" if head[:1] == b"l" else ">"
    body_length, _, fields_length = struct.unpack_from(f"{order}III", head, 4)
    rest = _received(line, fields_length + (-fields_length % 8) + body_length)
    fields = dict(_fields(rest[:fields_length], order))
    signature = str(fields.get(_SIGNATURE, ""))
    texts = _texts(rest[len(rest) - body_length :], order, len(signature) - len(signature.lstrip("s")))
    return _Message(head[1], fields, tuple(texts))


def _fields(data: bytes, order: str) -> Iterator[tuple[int, str | int]]:
    """Code and value; the array begins at a multiple of 8."""
    at = 0
    while at < len(data):
        code, kind = data[at], data[at + 2 : at + 3]
        at += 4  # the code, and a signature of one type
        if kind == b"g":
            length = data[at]
            yield code, data[at + 1 : at + 1 + length].decode()
            at += length + 2
        else:
            (number,) = struct.unpack_from(f"{order}I", data, at)
            at += 4
            if kind == b"u":
                yield code, number
            else:
                yield code, data[at : at + number].decode()
                at += number + 1
        at += -at % 8


def _texts(body: bytes, order: str, count: int) -> Iterator[str]:
    at = 0
    for _ in range(count):
        at += -at % 4
        (length,) = struct.unpack_from(f"{order}I", body, at)
        yield body[at + 4 : at + 4 + length].decode()
        at += 4 + length + 1


def _received(line: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        part = line.recv(size_bytes - len(data))
        if not part:
            raise TemporaryError("the system bus has closed the connection")
        data += part
    return data
