"""A laptop that shares its Internet: when it does, and what is seen of that. The machine knows a few answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from socket import socket

import pytest

from image.lab.guest import Answer, Guest
from image.lab.services import PAGE
from image.lab.session import sharing

SHARES = f"address flush dev cable\naddress add {sharing.OWN} dev cable\n"


class Cabled(Guest):
    """A machine whose laptop has an adapter or not, by the address that it has."""

    def __init__(self, address: str | None, page: str = PAGE) -> None:
        super().__init__(socket(), lambda: None, Path())
        self.line.close()
        self.address = address
        self.page = page
        self.laid: list[str] = []

    def ask(self, argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> Answer:
        words = " ".join(argv)
        if words == "ip -n laptop link show cable":
            return Answer(0 if self.address is not None else 1, "")
        if words == "ip -n laptop -json -4 address show dev cable scope global":
            local, _, length = (self.address or "").partition("/")
            found = [{"local": local, "prefixlen": int(length)}] if local else []
            return Answer(0, json.dumps([{"addr_info": found}]))
        if words == "ip -n laptop -batch -":
            self.laid.append(stdin or "")
            return Answer(0, "")
        assert words.endswith("/laptop/root dhcpcd --exit cable")
        return Answer(1, "it does not run")

    def python(self, text: str, *argv: str, network: str = "", timeout_s: float = 60) -> Answer:
        assert (text, network) == (sharing.FETCH, "")
        return Answer(0, self.page)


@pytest.mark.parametrize(
    ("address", "page", "shares", "said"),
    [
        (None, PAGE, False, ["none", "not reached"]),
        ("", PAGE, True, ["cable", "reached"]),
        ("169.254.7.7/16", PAGE, True, ["cable", "reached"]),
        (str(sharing.OWN), PAGE, False, ["cable", "reached"]),
        (str(sharing.OWN), "", False, ["cable", "not reached"]),
    ],
)
def test_it_shares_whenever_the_cable_was_plugged_in(
    address: str | None, page: str, shares: bool, said: list[str]
) -> None:
    guest = Cabled(address, page)
    seen = sharing.look(guest)
    assert [each.said for each in seen] == said
    assert [each.is_right for each in seen] == [words in ("cable", "reached") for words in said]
    assert guest.laid == ([SHARES] if shares else [])
