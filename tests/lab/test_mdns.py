"""The question and the answer of multicast DNS, byte by byte (RFC 1035, RFC 6762)."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from image.lab import mdns

ASKED = b"\0\0\0\0\0\1\0\0\0\0\0\0\x02pi\x05local\0\0\1\0\1"
ANSWER = b"\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\x0a\x37\0\1"


def test_question() -> None:
    assert mdns.question("pi.local") == ASKED


def test_answer() -> None:
    heard = b"\0\0\x84\0\0\1\0\1\0\0\0\0" + ASKED[12:] + ANSWER
    assert mdns.answer(heard, ASKED) == IPv4Address("10.55.0.1")
    assert mdns.answer(heard, mdns.question("no.local")) is None
    assert mdns.answer(b"\0\0\x84\0\0\1\0\0\0\0\0\0" + ASKED[12:], ASKED) is None


def test_needs_only_the_standard_library() -> None:
    assert "from image" not in Path(mdns.__file__).read_text()
