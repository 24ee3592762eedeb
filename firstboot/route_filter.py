"""A filter on a netlink socket: what a routing daemon does with thousands of routes of its own wakes nobody.

A classic BPF program (networking/filter.rst in Linux's documentation). It runs in the kernel, before a message is put
into the socket's buffer, so a storm costs nothing here and cannot overrun it.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

from firstboot.facts import MAIN_TABLE, OURS

_LOAD_BYTE, _LOAD_HALF, _AND, _EQUAL, _RETURN = 0x30, 0x28, 0x54, 0x15, 0x06
_WHOLE = 0xFFFFFFFF
_SO_ATTACH_FILTER = 26
_INSTRUCTIONS_EACH = 3
INSTRUCTION = struct.Struct("=HBBI")
"""sock_filter: code, where to go on if it holds and if it does not, and a value."""


class _Check(NamedTuple):
    """Whether (what stands at an offset & mask) == value; and what happens to the message then, and otherwise.

    True: it passes, False: it is dropped, None: the next check decides.
    """

    load: int
    offset: int
    mask: int
    value: int
    then: bool | None
    otherwise: bool | None


def _checks() -> tuple[_Check, ...]:
    """In the order of nlmsghdr and rtmsg. The header is in the machine's byte order; a load is big-endian."""
    no_route, route = socket.htons(0xFFFE), socket.htons(24)  # RTM_NEWROUTE and RTM_DELROUTE: 24 and 25
    replaced = socket.htons(0x100)  # NLM_F_REPLACE: what was replaced, perhaps one of ours, is not told
    return (
        _Check(_LOAD_HALF, 4, no_route, route, None, True),
        _Check(_LOAD_HALF, 6, replaced, replaced, True, None),
        _Check(_LOAD_BYTE, 17, 0xFF, 0, True, None),  # rtm_dst_len: a default route
        _Check(_LOAD_BYTE, 21, 0xFF, OURS, True, None),  # rtm_protocol
        _Check(_LOAD_BYTE, 20, 0xFE, MAIN_TABLE, False, True),  # rtm_table: main and local, 254 and 255
    )


def _program() -> bytes:
    """The instructions (struct sock_filter): the checks, pass, drop."""
    checks = _checks()
    passing = len(checks) * _INSTRUCTIONS_EACH
    found = []
    for number, check in enumerate(checks):
        after = (number + 1) * _INSTRUCTIONS_EACH
        to = {None: 0, True: passing - after, False: passing + 1 - after}
        found += [
            INSTRUCTION.pack(check.load, 0, 0, check.offset),
            INSTRUCTION.pack(_AND, 0, 0, check.mask),
            INSTRUCTION.pack(_EQUAL, to[check.then], to[check.otherwise], check.value),
        ]
    return b"".join([*found, INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE), INSTRUCTION.pack(_RETURN, 0, 0, 0)])


def drop_foreign_routes(events: socket.socket) -> None:
    """Let no message in about a route of main or local that is neither a default route nor ours."""
    attach(events, _program())


def attach(events: socket.socket, program: bytes) -> None:
    """Have the kernel ask a program, of instructions as in struct sock_filter, which messages come in."""
    kept = ctypes.create_string_buffer(program, len(program))
    where = struct.pack("@HP", len(program) // INSTRUCTION.size, ctypes.addressof(kept))
    events.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)
