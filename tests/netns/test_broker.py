"""The living daemon tells a stand-in broker, over https, of each new address, and its key to nobody else."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from firstboot.reconcile import Outcome, State
from image.lab.broker import Reply
from tests.figures import Figure
from tests.netns.brokers import ACCOUNT, FAR_END, MINUTE_S, TRUSTED, Line, config, started
from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living, give_files_of_its_own, soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

ROUTER = "203.0.113.1"
SOON_S, SILENT_S = 10.0, 25.0
BAD_KEY = replace(ACCOUNT, key="AnotherKeyOfAnother")


@pytest.fixture
def living(net: Line, tmp_path: Path) -> Iterator[Living]:
    with ExitStack() as stack:
        yield stack.enter_context(started(net, tmp_path, config()))


def outcome(living: Living) -> Outcome:
    return living.daemon.outcomes["broker"]


def is_right(living: Living) -> bool:
    return outcome(living).state is State.OK


def status_text(living: Living) -> str:
    return living.namespace.program("cat", "/run/appliance/status.txt")


def test_each_new_address_is_told_once(living: Living, net: Line, figure: Figure) -> None:
    assert outcome(living).state is State.WAITING and not net.desk.calls, "there is no address yet"
    took_s = []
    addresses = [f"203.0.113.{number}" for number in (7, 8, 9, 7)]
    for number, address in enumerate(addresses, 1):
        began = time.monotonic()
        net.lease(address, ROUTER)
        assert soon(lambda: len(net.told()) >= number, within_s=SOON_S), outcome(living)  # noqa: B023 (asked at once)
        took_s.append(time.monotonic() - began)
        assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)
        time.sleep(1.2 * MINUTE_S)  # what is told sooner has to wait
    assert net.told() == addresses
    assert [str(call.named) for call in net.desk.calls] == addresses == [str(call.peer) for call in net.desk.calls]
    living.look_again()
    living.rested()
    assert len(net.desk.calls) == len(addresses), "and otherwise not at all"
    figure(f"the broker is told of a new address after {max(took_s):.2f} s at most, of {len(took_s)}")


def test_an_address_that_comes_and_goes_is_told_when_it_stays(living: Living, net: Line) -> None:
    net.lease("203.0.113.7", ROUTER)
    assert soon(lambda: net.told() == ["203.0.113.7"], within_s=SOON_S)
    for number in (8, 9, 10, 7, 11, 7):
        net.lease(f"203.0.113.{number}", ROUTER)
        time.sleep(0.1)
    assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)
    time.sleep(1.5 * MINUTE_S)
    assert net.told() == ["203.0.113.7"], "it is as it was"
    for number in (8, 9, 10):
        net.lease(f"203.0.113.{number}", ROUTER)
    assert soon(lambda: net.told()[-1] == "203.0.113.10", within_s=SOON_S)
    assert len(net.told()) <= 3 and "abuse" not in net.desk.answers()


def test_the_next_daemon_knows_what_the_broker_has(net: Line, tmp_path: Path) -> None:
    net.lease("203.0.113.7", ROUTER)
    with started(net, tmp_path, config()) as living:
        assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)
    with Living(net.pi, tmp_path, config(), without=NOT_HERE) as living:
        give_ufw_files(net.pi)
        net.furnish()
        living.look_again()
        living.rested()
        assert is_right(living), outcome(living)
    assert net.told() == ["203.0.113.7"]


def test_behind_nat_the_broker_says_which_address_we_have(living: Living, net: Line) -> None:
    """Nobody tells of a new one but a cable that was out: the router was off."""
    net.outside.program("ip", "addr", "add", "192.168.1.1/24", "dev", "far")
    net.outside.program("ip", "addr", "add", "203.0.113.20/32", "dev", "lo")
    translate(net.outside, "203.0.113.20")
    net.lease("192.168.1.5", "192.168.1.1")
    assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)
    assert net.told() == ["203.0.113.20"]
    assert [call.named for call in net.desk.calls] == [None]
    assert "203.0.113.20" in living.asked("tunnel.broker").result()
    time.sleep(1.2 * MINUTE_S)
    net.outside.program("ip", "link", "set", "far", "down")
    assert soon(lambda: "remember that the broker" in "".join(done(living)), within_s=SOON_S)
    translate(net.outside, "203.0.113.21")
    net.outside.program("ip", "link", "set", "far", "up")
    assert soon(lambda: net.told() == ["203.0.113.20", "203.0.113.21"], within_s=SOON_S), outcome(living)


def test_a_tunnel_that_falls_silent_is_a_reason_to_tell_it_once_more(living: Living, net: Line) -> None:
    """Its server still answers over IPv4."""
    net.outside.program("ip", "addr", "add", "198.51.100.100/32", "dev", "lo")
    net.lease("203.0.113.7", ROUTER)
    assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)
    time.sleep(1.2 * MINUTE_S)
    net.outside.program("ip", "addr", "del", FAR_END, "dev", "far-he-ipv6")
    assert soon(lambda: net.desk.answers() == ["good", "nochg"], within_s=SILENT_S), outcome(living)


def translate(router: Namespace, public: str) -> None:
    """All that comes from behind the router has this address to the broker."""
    router.program("ip", "addr", "replace", f"{public}/32", "dev", "lo")
    router.program("sh", "-c", "iptables -t nat -F INPUT; iptables -t nat -F PREROUTING")
    router.program("iptables", "-t", "nat", "-A", "INPUT", "-s", "192.168.1.0/24", "-j", "SNAT", "--to-source", public)


def done(living: Living) -> list[str]:
    return [str(entry) for entry in json.loads(living.asked("broker").result())["kinds"][0]["history"]]


def test_a_slow_broker_holds_up_nothing(living: Living, net: Line) -> None:
    net.desk.instead = [Reply("good 203.0.113.7", pace_s=0.4)]
    net.lease("203.0.113.7", ROUTER)
    assert soon(lambda: bool(net.desk.calls), within_s=SOON_S)
    assert soon(lambda: outcome(living).error == "the broker is being told of 203.0.113.7", within_s=SOON_S)
    net.pi.program("sysctl", "-q", "net/ipv6/conf/all/forwarding=0")
    assert soon(lambda: net.pi.program("sysctl", "-n", "net/ipv6/conf/all/forwarding") == "1\n", within_s=4.0)
    assert outcome(living).error == "the broker is being told of 203.0.113.7"
    assert soon(lambda: is_right(living), within_s=3 * SOON_S), outcome(living)


@pytest.mark.parametrize(
    ("reply", "state", "said"),
    [
        (Reply("badauth", 401), "failed", "the broker does not accept this user with this update key"),
        (Reply("nohost"), "failed", "the broker has no such tunnel of this user"),
        (Reply("abuse"), "waiting", "the broker says that it was told too often"),
        (Reply("good 127.0.0.1"), "waiting", "the broker refuses our public address"),
        (Reply("<html>Our hotel</html>"), "waiting", "a web page came in place of the broker's answer"),
    ],
)
def test_what_went_wrong_is_said(reply: Reply, state: str, said: str, living: Living, net: Line) -> None:
    net.desk.instead = [reply]
    net.lease("203.0.113.7", ROUTER)
    words = f"broker (the address that the broker has): {said}"
    assert soon(lambda: words in status_text(living), within_s=SOON_S), status_text(living)
    assert outcome(living).state == state
    [line_] = [number for number, text in enumerate(config().splitlines(), 1) if "broker:" in text]
    assert f"(appliance.yaml line {line_})" in status_text(living)
    time.sleep(2 * MINUTE_S)
    assert len(net.desk.calls) == 1, "it is not asked again"


def test_a_corrected_key_is_tried(net: Line, tmp_path: Path) -> None:
    net.lease("203.0.113.7", ROUTER)
    with started(net, tmp_path, config(BAD_KEY)) as living:
        assert soon(lambda: outcome(living).state is State.FAILED, within_s=SOON_S), outcome(living)
        living.file.write_text(config(), encoding="utf-8")
        assert soon(lambda: net.told() == ["203.0.113.7"], within_s=3 * SOON_S), outcome(living)
    assert net.desk.answers() == ["badauth", "good"]


def test_what_was_corrected_at_the_broker_is_tried_when_a_person_says_so(net: Line, tmp_path: Path) -> None:
    net.lease("203.0.113.7", ROUTER)
    with started(net, tmp_path, config(BAD_KEY)) as living:
        assert soon(lambda: outcome(living).state is State.FAILED, within_s=SOON_S), outcome(living)
        net.desk.key = BAD_KEY.key
        time.sleep(2 * MINUTE_S)
        assert net.desk.answers() == ["badauth"], "not by itself"
        living.apply()
        assert soon(lambda: net.told() == ["203.0.113.7"], within_s=SOON_S), outcome(living)
        assert soon(lambda: is_right(living), within_s=SOON_S), outcome(living)


def test_who_cannot_prove_to_be_the_broker_is_told_nothing(living: Living, net: Line) -> None:
    net.pi.program("sh", "-c", f": > {TRUSTED}")
    net.lease("203.0.113.7", ROUTER)
    assert soon(lambda: "who answers for the broker cannot prove to be it" in status_text(living), within_s=SOON_S)
    assert not net.desk.calls


@pytest.mark.parametrize("account", [ACCOUNT, BAD_KEY])
def test_the_key_is_told_to_the_broker_alone(
    account: object, net: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert account in (ACCOUNT, BAD_KEY)
    used = ACCOUNT if account == ACCOUNT else BAD_KEY
    net.lease("203.0.113.7", ROUTER)
    with caplog.at_level(logging.DEBUG), started(net, tmp_path, config(used)) as living:
        assert soon(lambda: bool(net.desk.calls), within_s=SOON_S)
        living.rested()
        asked = [living.asked(thing).result() for thing in ("", "broker", "tunnel", "tunnel.broker.key")]
        told = [
            net.pi.program("find", "/run/appliance", "-type", "f", "-exec", "cat", "{}", "+"),
            status_text(living),
            *asked,
            caplog.text,
        ]
        report = tmp_path / "appliance-status.txt"
        told.append(report.read_text(encoding="utf-8"))
    assert sum("broker" in text for text in told) >= 6, "it is spoken of"
    for secret in (used.key, used.key[:8]):
        assert not [text for text in told if secret in text]


def test_the_key_is_in_no_argument_and_no_environment(net: Line, tmp_path: Path) -> None:
    """Of the daemon as a process of its own, and of all that it starts."""
    (tmp_path / "appliance.yaml").write_text(config(), encoding="utf-8")
    give_files_of_its_own(net.pi)
    give_ufw_files(net.pi)
    net.furnish()
    net.lease("203.0.113.7", ROUTER)
    daemon = net.pi.call(net.pi.begin, sys.executable, "-m", "tests.netns.alone", str(tmp_path))
    seen = set[str]()
    deadline = time.monotonic() + 3 * SOON_S
    while not net.desk.calls and time.monotonic() < deadline:
        seen |= family(daemon.pid)
    daemon.kill()
    said, _ = daemon.communicate()
    assert net.told() == ["203.0.113.7"]
    assert any("tests.netns.alone" in text for text in seen) and any("PATH=" in text for text in seen)
    assert not [text for text in (*seen, said) if ACCOUNT.key in text]


def family(pid: int) -> set[str]:
    """Arguments and environments of a process and its children, as they are now."""
    found = set[str]()
    folder = Path("/proc") / str(pid)
    try:
        found |= {(folder / name).read_bytes().decode(errors="replace") for name in ("cmdline", "environ")}
        children = "".join(task.read_text() for task in folder.glob("task/*/children")).split()
    except OSError:  # it has just ended
        return found
    return found.union(*(family(int(child)) for child in children))
