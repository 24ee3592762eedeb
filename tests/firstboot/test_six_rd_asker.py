"""What the provider tells is known, kept while its server is silent, and known again after a restart."""

from __future__ import annotations

import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path

import pytest

from firstboot.tunnels import asking
from firstboot.tunnels.asking import SixRdAsker
from firstboot.tunnels.domain import OPTION, Domain
from firstboot.tunnels.told import Line, Told

HERE, THERE = Line("eth0", IPv4Address("10.100.100.1")), Line("eth0", IPv4Address("10.100.100.2"))
RELAY = IPv4Address("10.0.0.1")
DOMAIN = Domain(IPv6Network("2001:db8::/32"), 8, (RELAY,))
ANSWER = bytes([8, 32]) + DOMAIN.prefix.network_address.packed + RELAY.packed
SOON_S = 10.0


class Servers:
    """DHCP servers that give one answer after the other, the last one for ever; an error is raised."""

    def __init__(self, *answers: bytes | OSError | None) -> None:
        self.answers = list(answers)
        self.asked: list[Line] = []
        self.said: list[str] = []
        self.asker: SixRdAsker | None = None
        self._news = threading.Condition()

    def answer(self, interface: str, own: IPv4Address, code: int) -> bytes | None:
        assert code == OPTION
        with self._news:
            self.asked.append(Line(interface, own))
            found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self._news.notify()
        if isinstance(found, OSError):
            raise found
        return found

    def changed(self) -> None:
        told = self.asker.told if self.asker is not None else None
        with self._news:
            self.said.append(told.trouble if told is not None else "")
            self._news.notify()

    @property
    def changes(self) -> int:
        return len(self.said)

    def until(self, holds: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(holds, SOON_S), (self.asked, self.changes)


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(asking, "RETRY_S", 0.01)
    return tmp_path / "6rd.json"


def begun(servers: Servers, remembered: Path) -> SixRdAsker:
    servers.asker = SixRdAsker(servers.changed, remembered, servers.answer)
    return servers.asker


def ended(asker: SixRdAsker) -> Told | None:
    asker.stop()
    return asker.told


def test_what_is_told_is_known_and_remembered(remembered: Path) -> None:
    servers = Servers(ANSWER)
    asker = begun(servers, remembered)
    assert asker.told is None
    asker.ask(HERE)
    asker.ask(HERE)
    servers.until(lambda: servers.changes == 1)
    assert ended(asker) == Told("eth0", HERE.address, DOMAIN)
    assert servers.asked == [HERE]
    assert begun(servers, remembered).told == Told("eth0", HERE.address, DOMAIN)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "no DHCP server on eth0 answers"),
        (OSError("Network is down"), "no DHCP server on eth0 answers"),
        (b"", "tells nothing of 6rd"),
        (ANSWER[:-1], "cannot be used: it has 21 bytes"),
    ],
    ids=["silence", "no interface", "no option", "nonsense"],
)
def test_who_knows_nothing_asks_again(remembered: Path, answer: bytes | OSError | None, why: str) -> None:
    servers = Servers(answer, answer, ANSWER)
    asker = begun(servers, remembered)
    asker.ask(HERE)
    servers.until(lambda: servers.changes == 2)
    assert [why in servers.said[0], servers.said[1]] == [True, ""]
    assert ended(asker) == Told("eth0", HERE.address, DOMAIN)
    assert len(servers.asked) == 3


@pytest.mark.parametrize("line", [HERE, THERE], ids=["same address", "another one"])
def test_silence_takes_nothing_back(remembered: Path, line: Line) -> None:
    begun(servers := Servers(ANSWER), remembered).ask(HERE)
    servers.until(lambda: servers.changes == 1)
    silent = Servers(None)
    asker = begun(silent, remembered)
    asker.ask(line)
    silent.until(lambda: len(silent.asked) > 2)
    assert ended(asker) == Told("eth0", HERE.address, DOMAIN)
    assert not silent.changes


def test_who_tells_nothing_any_more_takes_it_back(remembered: Path) -> None:
    begun(servers := Servers(ANSWER), remembered).ask(HERE)
    servers.until(lambda: servers.changes == 1)
    withdrawn = Servers(b"")
    asker = begun(withdrawn, remembered)
    asker.ask(THERE)
    withdrawn.until(lambda: withdrawn.changes == 1)
    told = ended(asker)
    assert told is not None
    assert told.domain is None
    assert not remembered.exists()


def test_another_address_is_asked_for_at_once(remembered: Path) -> None:
    servers = Servers(ANSWER)
    asker = begun(servers, remembered)
    asker.ask(HERE)
    servers.until(lambda: servers.changes == 1)
    asker.ask(None)
    asker.ask(THERE)
    servers.until(lambda: servers.changes == 2)
    assert ended(asker) == Told("eth0", THERE.address, DOMAIN)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"interface": "eth0", "address": 5}', b"\xff"])
def test_what_another_version_wrote_is_no_harm(remembered: Path, content: bytes) -> None:
    remembered.write_bytes(content)
    assert begun(Servers(ANSWER), remembered).told is None
