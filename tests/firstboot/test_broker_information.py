"""What the broker says that a tunnel is: what is believed, and what is not."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Interface, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.he import BrokerTunnel
from firstboot.broker.answers import Answer, Word
from firstboot.broker.information import LONGEST, description_in

NUMBER = 123456
GIVEN = {
    "description": "home &amp; office",
    "serverv4": "198.51.100.100",
    "clientv4": "203.0.113.7",
    "serverv6": "2001:db8:123c:abd::1/64",
    "clientv6": "2001:db8:123c:abd::2/64",
    "routed64": "2001:db8:123d:abc::/64",
}
TUNNEL = BrokerTunnel(
    IPv4Address("198.51.100.100"),
    IPv6Interface("2001:db8:123c:abd::2/64"),
    IPv6Network("2001:db8:123d:abc::/64"),
    number=NUMBER,
)


def page(number: int = NUMBER, **changes: str) -> str:
    """Changed or, where that is empty, left out."""
    elements = "".join(f" <{name}>{value}</{name}>\n" for name, value in {**GIVEN, **changes}.items() if value)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<tunnels>\n'
    return f'{head}<tunnel id="{number}">\n{elements}</tunnel>\n</tunnels>\n'


def test_it_is_read() -> None:
    assert description_in(200, page(), NUMBER) == Answer(Word.GOOD, tunnel=TUNNEL)
    more = description_in(200, page(routed48="2001:db8:456::/48"), NUMBER).tunnel
    assert more is not None and more.routed48 == IPv6Network("2001:db8:456::/48")
    assert description_in(200, page(clientv6="2001:db8:123c:abd::2"), NUMBER).tunnel == TUNNEL


OTHER = [
    (200, page(7), Word.NONSENSE, "it is about another tunnel"),
    (200, page(routed64=""), Word.NONSENSE, "no network is routed to this tunnel"),
    (200, page(serverv4=""), Word.NONSENSE, "it does not say what the tunnel is"),
    (200, page(serverv4="10.0.0.1"), Word.NONSENSE, "tunnel.server: 10.0.0.1 is a private address"),
    (200, page(clientv6="fe80::2/64"), Word.NONSENSE, "tunnel.address: fe80::2 is no global address"),
    (200, page(routed64="ff02::/64"), Word.NONSENSE, "tunnel.routed: ff02::/64 is not a network of global addresses"),
    (200, page(routed48="fe80::/48"), Word.NONSENSE, "tunnel.routed: fe80::/48 is not a network of global addresses"),
    (200, page(routed64="2001:db8:123c:abd::/64"), Word.NONSENSE, "the tunnel's own network, that of tunnel.address"),
    (200, page().replace("</tunnel>", ""), Word.NONSENSE, "it does not say what the tunnel is"),
    (200, page(description="x" * LONGEST), Word.NONSENSE, "it is too long"),
    (200, '<!DOCTYPE x [<!ENTITY a "aa">]><tunnels>&a;</tunnels>', Word.NO_TUNNEL, ""),
    (200, "<tunnels>\n</tunnels>", Word.NO_TUNNEL, ""),
    (200, "<html>Our hotel</html>", Word.WEB_PAGE, ""),
    (200, "", Word.EMPTY, ""),
    (200, "hello", Word.NONSENSE, ""),
    (200, "badauth", Word.BAD_ACCOUNT, ""),
    (200, "nohost", Word.NO_TUNNEL, ""),
    (200, "abuse", Word.TOO_OFTEN, ""),
    (401, "<html>no</html>", Word.BAD_ACCOUNT, ""),
    (403, "badauth", Word.BAD_ACCOUNT, ""),
    (403, "", Word.TROUBLE, "HTTP 403"),
    (429, "", Word.TOO_OFTEN, ""),
    (302, page(), Word.WEB_PAGE, "it leads elsewhere"),
    (503, page(), Word.TROUBLE, "HTTP 503"),
]


@pytest.mark.parametrize(("status", "text", "word", "detail"), OTHER)
def test_what_comes_in_place_of_it(status: int, text: str, word: Word, detail: str) -> None:
    found = description_in(status, text, NUMBER)
    assert (found.word, found.tunnel) == (word, None) and detail in found.detail


HARD = ["<tunnel id=1 ", "<tunnel id=1>", "<tunnel id=1><a>", " ", "<a>", "<serverv4> ", "</tunnel>", "id=1 "]


@pytest.mark.parametrize("piece", HARD)
def test_nothing_takes_long_to_read(piece: str) -> None:
    """The interpreter does nothing else meanwhile."""
    text = ("<tunnels><tunnel id=1><serverv4>" + piece * LONGEST)[: LONGEST - 9]
    began = time.process_time()
    for end in ("", "</tunnel>"):
        assert description_in(200, text + end, 1).tunnel is None
    assert time.process_time() - began < 2.0


@given(st.lists(st.sampled_from([*HARD, *page().splitlines(), "x"]) | st.text(max_size=20)), st.integers(200, 599))
def test_whatever_comes_means_something(pieces: list[str], status: int) -> None:
    found = description_in(status, "\n".join(pieces), NUMBER)
    assert found.meaning and (found.tunnel is None or found.tunnel.number == NUMBER)
