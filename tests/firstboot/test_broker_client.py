"""Telling the broker over https, as strict a one as the real one, and whatever else may be in its place."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model import Broker
from firstboot.broker import client
from firstboot.broker.answers import Answer, Word
from image.lab import broker as stand_in
from image.lab.broker import Desk, Reply, serving
from image.lab.certificates import authority, certificate
from tests.appliance.test_completion import SAID

pytestmark = pytest.mark.programs

ACCOUNT = Broker(user="me", key="A1b2C3d4:E5f6G7h8", tunnel=123456)
HERE = IPv4Address("127.0.0.5")
PORTAL = "<!DOCTYPE html>\n<title>Our hotel</title>" + 100 * "<p>Welcome, dear guest!</p>"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(issuer: Path) -> Path:
    return certificate(issuer, stand_in.HOST, stand_in.INFORMATION_HOST)


@pytest.fixture
def desk() -> Desk:
    return Desk(ACCOUNT.user, ACCOUNT.key, ACCOUNT.tunnel)


def at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for the broker's name is given this machine."""
    monkeypatch.setattr(client, "_addresses", lambda _: [("127.0.0.1", port)])


@pytest.fixture
def broker(desk: Desk, own: Path, issuer: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer))
    with serving(desk, own, "127.0.0.1", 0) as port:
        at(port, monkeypatch)
        yield desk


def test_it_is_told_by_our_own_address_and_tells_which_one_it_has(broker: Desk) -> None:
    assert client.ask(ACCOUNT, HERE) == Answer(Word.GOOD, HERE)
    assert client.ask(ACCOUNT, HERE) == Answer(Word.UNCHANGED, HERE)
    assert client.ask(ACCOUNT, HERE) == Answer(Word.TOO_OFTEN), "a third one within a minute"
    assert [call.named for call in broker.calls] == 3 * [None], "behind NAT it sees by itself who we are"


TUNNEL = replace(SAID, number=ACCOUNT.tunnel, routed48=None)


def test_it_says_what_the_tunnel_is(broker: Desk) -> None:
    broker.described = TUNNEL
    assert client.ask_what_it_is(ACCOUNT, HERE) == Answer(Word.GOOD, tunnel=TUNNEL)
    asked = client._inquiry(ACCOUNT).decode()
    assert asked.startswith("GET /tunnelInfo.php?tid=123456 HTTP/1.1\r\nHost: tunnelbroker.net\r\n")
    assert ACCOUNT.key not in asked and "Authorization: Basic " in asked
    assert client.ask(ACCOUNT, HERE).word is Word.GOOD
    assert client.ask_what_it_is(ACCOUNT, HERE) == Answer(Word.TOO_OFTEN), "a third one within a minute"


def test_what_the_tunnel_is_is_nobody_elses_to_know(broker: Desk) -> None:
    broker.described = TUNNEL
    assert client.ask_what_it_is(replace(ACCOUNT, key="wrong"), HERE) == Answer(Word.BAD_ACCOUNT)
    assert client.ask_what_it_is(replace(ACCOUNT, tunnel=7), HERE) == Answer(Word.NO_TUNNEL)


WHOLE = stand_in.information(TUNNEL)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(WHOLE, length=len(WHOLE) + 1), Word.NONSENSE),
        (Reply("", 302, [("Location", "https://tunnelbroker.net/login.php")]), Word.WEB_PAGE),
        (Reply(PORTAL), Word.WEB_PAGE),
        (Reply(WHOLE + 10_000_000 * "x"), Word.NONSENSE),
        (Reply("oops", 500), Word.TROUBLE),
        (Reply(), Word.EMPTY),
        (Reply(cut=True), Word.EMPTY),
        (Reply(stand_in.information(replace(TUNNEL, server=IPv4Address("10.1.1.1")))), Word.NONSENSE),
    ],
)
def test_whatever_comes_in_place_of_what_the_tunnel_is(reply: Reply, word: Word, broker: Desk) -> None:
    broker.described_instead = [reply]
    found = client.ask_what_it_is(ACCOUNT, HERE)
    assert (found.word, found.tunnel) == (word, None)


def test_who_is_the_brokers_other_host_may_not_say_what_the_tunnel_is(
    desk: Desk, issuer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(issuer))
    with serving(desk, certificate(issuer, stand_in.HOST), "127.0.0.1", 0) as port:
        at(port, monkeypatch)
        found = client.ask_what_it_is(ACCOUNT, HERE)
    assert (found.word, desk.calls) == (Word.UNTRUSTED, [])


def test_a_public_address_is_named_and_a_private_one_is_not() -> None:
    asked = client._request(ACCOUNT, IPv4Address("203.0.113.7")).decode()
    assert asked.startswith("GET /nic/update?hostname=123456&myip=203.0.113.7 HTTP/1.1\r\n")
    for private in ("192.168.1.5", "10.0.0.5", "172.16.0.5", "100.64.0.5"):
        assert "myip" not in client._request(ACCOUNT, IPv4Address(private)).decode()


def test_the_key_is_in_the_header_alone(broker: Desk) -> None:
    asked = client._request(ACCOUNT, HERE).decode()
    assert ACCOUNT.key not in asked and "Authorization: Basic " in asked
    assert client.ask(replace(ACCOUNT, key="wrong"), HERE) == Answer(Word.BAD_ACCOUNT)


def test_a_tunnel_of_somebody_else(broker: Desk) -> None:
    assert client.ask(replace(ACCOUNT, tunnel=7), HERE) == Answer(Word.NO_TUNNEL)


def test_an_address_that_does_not_answer_ping(broker: Desk) -> None:
    broker.pingable = lambda address: address != HERE
    assert client.ask(ACCOUNT, HERE) == Answer(Word.UNPINGABLE)
    assert broker.endpoint is None


@pytest.mark.parametrize(
    ("reply", "word", "address"),
    [
        (Reply("good 203.0.113.2"), Word.GOOD, IPv4Address("203.0.113.2")),
        (Reply("good 203.0.113.25", length=1000), Word.NONSENSE, None),
        (Reply("911"), Word.TROUBLE, None),
        (Reply("oops", 500), Word.TROUBLE, None),
        (Reply("nohost"), Word.NO_TUNNEL, None),
        (Reply(PORTAL), Word.WEB_PAGE, None),
        (Reply(10_000 * PORTAL), Word.WEB_PAGE, None),
        (Reply("", 302, [("Location", "http://127.0.0.1:1/")]), Word.WEB_PAGE, None),
        (Reply("x" * 10_000_000), Word.NONSENSE, None),
        (Reply(), Word.EMPTY, None),
        (Reply(cut=True), Word.EMPTY, None),
        (Reply("good", headers=[("Transfer-Encoding", "chunked")]), Word.EMPTY, None),
    ],
)
def test_whatever_comes_in_place_of_an_answer(
    reply: Reply, word: Word, address: IPv4Address | None, broker: Desk
) -> None:
    broker.instead = [reply]
    found = client.ask(ACCOUNT, HERE)
    assert (found.word, found.address) == (word, address)


@given(
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
    lines=st.lists(
        st.sampled_from([b"Content-Length: -5", b"Content-Length: x", b"5\r\ngood ", b"zz", b""]) | st.binary()
    ),
)
def test_whatever_comes_is_an_answer(head: bytes, lines: list[bytes]) -> None:
    assert client._read(head + b"\r\n".join(lines)).meaning


def test_what_it_says_is_told_but_not_where_it_tells_us_the_key(broker: Desk) -> None:
    broker.instead = [Reply("out of order"), Reply(f"what is meant by the name of {ACCOUNT.key}?")]
    assert client.ask(ACCOUNT, HERE) == Answer(Word.NONSENSE, detail='it says "out of order"')
    assert client.ask(ACCOUNT, HERE) == Answer(Word.NONSENSE)


def test_who_is_slow_gets_so_much_time_and_no_more(broker: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon enough, and all of them do not."""
    monkeypatch.setattr(client, "LIMIT_S", 0.5)
    broker.instead = [Reply("good 203.0.113.7" + 100 * " ", pace_s=0.1)]
    began = time.monotonic()
    assert client.ask(ACCOUNT, HERE) == Answer(Word.SILENCE)
    assert 0.4 < time.monotonic() - began < 2.0


def test_who_accepts_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not been asked, so it may be tried again soon."""
    monkeypatch.setattr(client, "LIMIT_S", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        at(silent.getsockname()[1], monkeypatch)
        assert client.ask(ACCOUNT, HERE) == Answer(Word.NO_WAY, detail="no connection comes about")


def test_who_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    at(port, monkeypatch)
    assert client.ask(ACCOUNT, HERE) == Answer(Word.NO_WAY, detail="Connection refused")


def test_an_address_that_is_not_ours_any_more(broker: Desk) -> None:
    found = client.ask(ACCOUNT, IPv4Address("203.0.113.7"))
    assert (found.word, broker.calls) == (Word.NO_WAY, [])


def test_the_next_of_several_addresses_is_tried(broker: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client._addresses(stand_in.HOST)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        gone = server.getsockname()
    monkeypatch.setattr(client, "_addresses", lambda _: [gone, *first])
    assert client.ask(ACCOUNT, HERE).word is Word.GOOD


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert client.ask(ACCOUNT, HERE) == Answer(Word.NO_NAME, detail="Name or service not known")


class TestWhoCannotProveToBeTheBroker:
    """It is told nothing: the connection ends before the key is sent."""

    def ask(self, desk: Desk, certificate_: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
        with serving(desk, certificate_, "127.0.0.1", 0) as port:
            at(port, monkeypatch)
            return client.ask(ACCOUNT, HERE)

    def test_an_authority_that_nobody_knows(self, desk: Desk, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        found = self.ask(desk, own, monkeypatch)
        assert (found.word, desk.calls) == (Word.UNTRUSTED, [])
        assert "certificate" in found.detail

    def test_a_certificate_of_another_host(self, desk: Desk, issuer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(issuer))
        found = self.ask(desk, certificate(issuer, "hotel.example"), monkeypatch)
        assert (found.word, desk.calls) == (Word.UNTRUSTED, [])
        assert "not valid for 'ipv4.tunnelbroker.net'" in found.detail

    def test_plain_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        heard: list[bytes] = []
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            at(server.getsockname()[1], monkeypatch)

            def serve() -> None:
                with server.accept()[0] as connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\ngood 203.0.113.7\r\n")

            thread = threading.Thread(target=serve)
            thread.start()
            found = client.ask(ACCOUNT, HERE)
            thread.join()
        assert found.word is Word.UNTRUSTED
        assert heard[0][:1] == b"\x16", "a TLS handshake, and no more"


def test_a_stand_in_refuses_what_comes_by_plain_http(broker: Desk) -> None:
    (host, port), *_ = client._addresses(stand_in.HOST)
    with socket.create_connection((host, port)) as connection:
        connection.sendall(client._request(ACCOUNT, HERE))
        try:
            received = connection.recv(65536)
        except ConnectionError:
            received = b""
    assert b"good" not in received and broker.calls == []
