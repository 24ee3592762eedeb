"""The firewall's rules as nf_tables has them, where iptables-nft puts them. Layouts are linux/netfilter/nf_tables.h's.

Here, and not by iptables-save: what that prints is four times dearer to come by, on a Pi Zero above all. Numbers
are in network byte order, but for what netlink itself has put around them.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from firstboot.dumps import ACK, HEADER, TRIES, Dumps, aligned, attribute, attributes, elements
from firstboot.rulesets import CLOSED, TABLES, Rule, Ruleset, ruleset

NETLINK_NETFILTER = 12
FAMILIES = {4: 2, 6: 10}
"""By version of IP (linux/netfilter.h, NFPROTO_*)."""

_SUBSYSTEM = 10
_NEWTABLE, _NEWCHAIN, _GETCHAIN, _GETRULE, _NEWGEN, _GETGEN = (
    _SUBSYSTEM << 8 | number for number in (0, 3, 4, 7, 15, 16)
)
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_CREATE = 0x400
_FAMILY = struct.Struct(">BBH")  # nfgenmsg: family, version, resource
_U32, _U64 = struct.Struct(">I"), struct.Struct(">Q")
_GENERATION = 1

_SOL_NETLINK, _ADD_MEMBERSHIP, _CHANGES_GROUP = 270, 1, 7
_BUFFER_BYTES, _RECEIVE_BYTES = 1 << 20, 1 << 16

_TABLE_NAME, _TABLE_FLAGS = 1, 2
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_TYPE = 1, 3, 4, 5, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS, _RULE_USERDATA = 1, 2, 4, 7
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_MATCH_NAME, _MATCH_INFO = 1, 3
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
_IMMEDIATE_DATA, _DATA_VERDICT, _VERDICT_CODE, _VERDICT_CHAIN = 2, 2, 1, 2
_JUMP = struct.pack(">i", -3)

_DROP, _ACCEPT = struct.pack(">I", 0), struct.pack(">I", 1)
"""What netfilter calls them (linux/netfilter.h)."""
_HOOKS = {"INPUT": 1, "FORWARD": 2, "OUTPUT": 3}
"""Their numbers (linux/netfilter.h, NF_INET_*)."""

_COUNTING = (b"counter\0", b"last\0", b"quota\0")
"""The expressions that hold what changes with every packet, and the attribute that begins with their name."""
_NAME = 4

_RULES_KEPT = 4096
"""Those of a policy with a thousand services, of both families. A usual one has two hundred."""

_COMMENT = b"comment\0"
_USER_COMMENT = 0
"""libnftnl's number for what nft calls a comment (libnftnl/udata.h, NFTNL_UDATA_RULE_COMMENT): type, length, text."""


class Nftables:
    """The rules of the network namespace in which the object was made."""

    def __init__(self) -> None:
        self._dumps = Dumps(NETLINK_NETFILTER, "looking at the firewall's rules (nf_tables)")

    def close(self) -> None:
        """Close the socket."""
        self._dumps.close()

    def ruleset(self, family: int) -> Ruleset:
        """What iptables (4) or ip6tables (6) would list, of one moment.

        The kernel itself puts a policy in force some microseconds after the rules of the same step. Its message comes
        after both, and with it the next look.
        """
        for _ in range(TRIES):
            before = self.generation()
            chains, are_whole = self._told(_GETCHAIN, family)
            rules, are_too = self._told(_GETRULE, family)
            if are_whole and are_too and self.generation() == before:
                break  # of rules that never stand still, what was told last; the next event leads to another look
        return ruleset(dropping(chains), map(rule, rules))

    def generation(self) -> int:
        """One more after every change: chains and rules are two answers, which may lie before and after one."""
        told, _ = self._dumps.told(_GETGEN, _FAMILY.pack(0, 0, 0), ACK)
        return _generation_in(told[0])

    def counts(self, family: int) -> Mapping[tuple[str, str], Sequence[tuple[int, int]]]:
        """What each rule has counted, by (table, chain) in order: packets and bytes."""
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for body in self._dumps.table(_GETRULE, _FAMILY.pack(FAMILIES[family], 0, 0)):
            known = attributes(body[_FAMILY.size :])
            place = _string(known[_RULE_TABLE]), _string(known[_RULE_CHAIN])
            found.setdefault(place, []).append(_counted(known.get(_RULE_EXPRESSIONS, b"")))
        return found

    def _told(self, message: int, family: int) -> tuple[list[bytes], bool]:
        """The attributes of each message of an answer; whether it is of one moment."""
        bodies, whole = self._dumps.told(message, _FAMILY.pack(FAMILIES[family], 0, 0))
        return [body[_FAMILY.size :] for body in bodies], whole

    def shut(self, family: int) -> None:
        """Have dropped what no rule decides, on its way in or through, but not on its way out; at once, and whatever
        else may be there.
        """
        header = _FAMILY.pack(FAMILIES[family], 0, 0)
        table = header + _text(_TABLE_NAME, "filter") + attribute(_TABLE_FLAGS, bytes(4))
        batch = _FAMILY.pack(0, 0, _SUBSYSTEM)
        chains = [(_NEWCHAIN, _CREATE | ACK, header + _built_in(name, hook)) for name, hook in _HOOKS.items()]
        self._dumps.carry_out(
            [(_BATCH_BEGIN, 0, batch), (_NEWTABLE, _CREATE | ACK, table), *chains, (_BATCH_END, 0, batch)]
        )


class Changes:
    """Who has changed any rules of this network namespace since the object was made."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _CHANGES_GROUP)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def are_of_one(self, generation: int) -> bool | None:
        """Whether all of them, up to that generation, were made by one program; None where too many were to be told."""
        made: dict[int, int] = {}
        try:
            while True:
                made.update(_made(self._socket.recv(_RECEIVE_BYTES)))
        except BlockingIOError:
            return len(set(made.values())) == 1 and generation in made
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return None


def _made(data: bytes) -> Iterator[tuple[int, int]]:
    """The generations that were begun, each with the port of who did it: the message at the end of every change."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, _, port = HEADER.unpack_from(data, offset)
        if kind == _NEWGEN:
            yield _generation_in(data[offset + HEADER.size : offset + length]), port
        offset += max(HEADER.size, aligned(length))


def _generation_in(body: bytes) -> int:
    return int(_U32.unpack(attributes(body, _FAMILY.size)[_GENERATION])[0])


def _built_in(name: str, hook: int) -> bytes:
    """A built-in chain as iptables makes it, with the policy that it is to have."""
    policy = _DROP if ("filter", name) in CLOSED else _ACCEPT
    place = attribute(_HOOK_NUMBER, _U32.pack(hook)) + attribute(_HOOK_PRIORITY, bytes(4))
    return b"".join(
        [
            _text(_CHAIN_TABLE, "filter"),
            _text(_CHAIN_NAME, name),
            attribute(_CHAIN_HOOK, place),
            attribute(_CHAIN_POLICY, policy),
            _text(_CHAIN_TYPE, "filter"),
        ]
    )


def dropping(chains: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """The built-in chains that drop what no rule decides, as (table, chain); from messages' attributes."""
    for told in chains:
        known = attributes(told)
        table = _string(known[_CHAIN_TABLE])
        if table in TABLES and known.get(_CHAIN_POLICY) == _DROP:
            yield table, _string(known[_CHAIN_NAME])


@lru_cache(maxsize=_RULES_KEPT)
def rule(told: bytes) -> Rule:
    """A rule, from a message's attributes. Kept, as most rules are told in the same words again and again."""
    known = attributes(told)
    expressions, userdata = known.get(_RULE_EXPRESSIONS, b""), known.get(_RULE_USERDATA, b"")
    return _rule(known[_RULE_TABLE], known[_RULE_CHAIN], expressions, userdata)


@lru_cache(maxsize=_RULES_KEPT)
def _rule(table: bytes, chain: bytes, expressions: bytes, userdata: bytes) -> Rule:
    """Kept too: the same rule that was loaded again has another handle."""
    comments = tuple(_comments(expressions)) if _COMMENT in expressions else ()
    comments += tuple(_user_comments(userdata))
    jump = "" if comments else _jump(expressions)
    return Rule(_string(table), _string(chain), jump, comments, b"".join(_lasting(expressions)) + userdata)


def _lasting(data: bytes) -> Iterator[bytes]:
    """A rule's expressions without what they count. The handle and the place are not theirs, and change with others."""
    for _, element in elements(data):
        name = next((name for name in _COUNTING if element.startswith(name, _NAME)), None)
        yield element if name is None else name


def _expressions(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A rule's expressions: the name, with the NUL at its end, and what it holds."""
    for _, element in elements(data):
        known = attributes(element)
        yield known[_EXPRESSION_NAME], known.get(_EXPRESSION_DATA, b"")


def _counted(expressions: bytes) -> tuple[int, int]:
    """Packets and bytes; none where a rule does not count, as nft's own need not."""
    for name, data in _expressions(expressions):
        if name == b"counter\0":
            known = attributes(data)
            return _U64.unpack(known[_COUNTER_PACKETS])[0], _U64.unpack(known[_COUNTER_BYTES])[0]
    return 0, 0


def _comments(expressions: bytes) -> Iterator[str]:
    """Those of `-m comment`."""
    for name, data in _expressions(expressions):
        known = attributes(data) if name == b"match\0" else {}
        if known.get(_MATCH_NAME) == _COMMENT:
            yield _string(known[_MATCH_INFO])


def _user_comments(data: bytes) -> Iterator[str]:
    """Those of nft, which iptables knows how to read."""
    while len(data) >= 2:
        kind, end = data[0], 2 + data[1]
        if kind == _USER_COMMENT:
            yield _string(data[2:end])
        data = data[end:]


def _jump(expressions: bytes) -> str:
    """The chain that a rule jumps to whatever the packet is; "" where it asks for anything, or does anything else."""
    for name, data in _expressions(expressions):
        if name == b"immediate\0":
            verdict = attributes(attributes(attributes(data).get(_IMMEDIATE_DATA, b"")).get(_DATA_VERDICT, b""))
            return _string(verdict[_VERDICT_CHAIN]) if verdict.get(_VERDICT_CODE) == _JUMP else ""
        if name != b"counter\0":
            break
    return ""


def _string(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode(errors="surrogateescape")


def _text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")
