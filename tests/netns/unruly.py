"""Taking the firewall's rules away as iptables does, without the time that a program takes to start.

Message types and attributes are those of linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from firstboot.dumps import ACK, Dumps, attribute
from firstboot.nftables import FAMILIES, NETLINK_NETFILTER

_SUBSYSTEM = 10
_NEWCHAIN, _DELRULE = _SUBSYSTEM << 8 | 3, _SUBSYSTEM << 8 | 8
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_HEADER = struct.Struct(">BBH")  # nfgenmsg: family, version, resource
_TABLE, _CHAIN = 1, 2  # NFTA_RULE_TABLE, NFTA_RULE_CHAIN
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_POLICY = 1, 3, 5
_ACCEPT = struct.pack(">I", 1)


class Unruly:
    """Another program that changes the rules of the network namespace in which the object was made."""

    def __init__(self) -> None:
        self._dumps = Dumps(NETLINK_NETFILTER, "taking rules away")

    def ways(self, version: int) -> dict[str, Callable[[], None]]:
        """What may be taken away of a family, by what it is called, and how."""
        chain = "ufw-before-input" if version == 4 else "ufw6-before-input"
        return {
            "policy": partial(self._open, version, "INPUT"),
            "a chain flushed": partial(self._flush, version, attribute(_CHAIN, _text(chain))),
            "all flushed": partial(self._flush, version, b""),
        }

    def close(self) -> None:
        """Close the socket."""
        self._dumps.close()

    def _open(self, version: int, chain: str) -> None:
        """`iptables -P CHAIN ACCEPT`."""
        names = attribute(_CHAIN_TABLE, _text("filter")) + attribute(_CHAIN_NAME, _text(chain))
        self._change(version, _NEWCHAIN, names + attribute(_CHAIN_POLICY, _ACCEPT))

    def _flush(self, version: int, chain: bytes) -> None:
        """`iptables -F [CHAIN]`."""
        self._change(version, _DELRULE, attribute(_TABLE, _text("filter")) + chain)

    def _change(self, version: int, message: int, body: bytes) -> None:
        batch = _HEADER.pack(0, 0, _SUBSYSTEM)
        change = (message, ACK, _HEADER.pack(FAMILIES[version], 0, 0) + body)
        self._dumps.carry_out([(_BATCH_BEGIN, 0, batch), change, (_BATCH_END, 0, batch)])


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
