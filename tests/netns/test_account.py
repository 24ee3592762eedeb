"""The living daemon, with nothing of the tunnel but the account: the broker says the rest, and it is remembered."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import pytest

from firstboot.reconcile import Outcome, State
from image.lab.broker import Reply
from tests.netns.brokers import ACCOUNT, DAY_S, DESCRIBED, FAR_END, Line, alone, started
from tests.netns.living import Living, soon

pytestmark = pytest.mark.netns

ROUTER, HERE = "203.0.113.1", "203.0.113.7"
SOON_S = 15.0
CLIENT, OWN, OWN_LATER = "2001:db8:123c:abd::2/64", "2001:db8:123d:abc::1/64", "2001:db8:9::1/64"
RENUMBERED = replace(DESCRIBED, routed=IPv6Network("2001:db8:9::/64"))


def outcome(living: Living) -> Outcome:
    return living.daemon.outcomes["tunnel-information"]


def addresses(net: Line, interface: str) -> set[str]:
    found = json.loads(net.pi.program("ip", "-j", "-6", "addr", "show", "dev", interface, "scope", "global"))
    told = (each for link in found for each in link.get("addr_info", []) if each)
    return {f"{each['local']}/{each['prefixlen']}" for each in told}


def is_up(net: Line, own: str = OWN) -> bool:
    return addresses(net, "he-ipv6") == {CLIENT} and addresses(net, "eth0") == {own}


def answers_ping(net: Line) -> bool:
    try:
        net.pi.program("ping", "-6", "-c", "1", "-W", "1", "-I", "he-ipv6", FAR_END.partition("/")[0])
    except Exception:  # of whatever kind: no answer
        return False
    return True


def test_from_the_account_alone_to_a_tunnel_that_carries(net: Line, tmp_path: Path, memory_of_its_own: Path) -> None:
    with started(net, tmp_path, alone()) as living:
        assert outcome(living).state is State.WAITING and not net.desk.calls
        assert not addresses(net, "he-ipv6")
        net.lease(HERE, ROUTER)
        assert soon(lambda: is_up(net), within_s=SOON_S), outcome(living)
        assert soon(lambda: outcome(living).state is State.OK, within_s=SOON_S), outcome(living)
        assert soon(lambda: answers_ping(net), within_s=SOON_S)
        assert soon(lambda: net.told() == [HERE], within_s=SOON_S), "and the broker is told of our address"
        assert sorted(net.desk.answers()) == ["described", "good"]
        assert (memory_of_its_own / "DESCRIPTION").stat().st_mode & 0o777 == 0o600


def test_while_the_broker_says_nothing_of_use_the_lan_is_served_all_the_same(net: Line, tmp_path: Path) -> None:
    net.desk.described_instead = [Reply("<html>Our hotel</html>")]
    net.lease(HERE, ROUTER)
    with started(net, tmp_path, alone()) as living:
        assert soon(lambda: "a web page came" in outcome(living).error, within_s=SOON_S), outcome(living)
        living.rested()
        config = net.pi.program("cat", "/etc/appliance/dnsmasq.conf")
        assert "eth0" in config and not addresses(net, "eth0") | addresses(net, "he-ipv6")
        failed = [each.kind for each in living.daemon.outcomes.values() if each.state is State.FAILED]
        assert not failed


def test_without_the_broker_it_is_as_it_was_remembered(net: Line, tmp_path: Path, memory_of_its_own: Path) -> None:
    net.lease(HERE, ROUTER)
    with started(net, tmp_path, alone()) as living:
        assert soon(lambda: outcome(living).state is State.OK and is_up(net), within_s=SOON_S), outcome(living)
    assert (memory_of_its_own / "DESCRIPTION").exists()
    (memory_of_its_own / "DESCRIPTION_NOW").unlink()  # the machine was off
    net.outside.program("ip", "link", "set", "far", "down")
    net.pi.program("ip", "addr", "flush", "dev", "he-ipv6")
    net.pi.program("ip", "addr", "flush", "dev", "eth0")
    calls = len(net.desk.calls)
    with started(net, tmp_path, alone()) as living:
        assert soon(lambda: addresses(net, "he-ipv6") == {CLIENT}, within_s=SOON_S), outcome(living)
        assert outcome(living).state is State.OK and len(net.desk.calls) == calls


def test_a_change_at_the_broker_is_taken_over_within_a_day(net: Line, tmp_path: Path, memory_of_its_own: Path) -> None:
    net.lease(HERE, ROUTER)
    with started(net, tmp_path, alone()) as living:
        assert soon(lambda: outcome(living).state is State.OK and is_up(net), within_s=SOON_S), outcome(living)
        net.desk.described_instead = [Reply("<html>Our hotel</html>")]
        assert soon(lambda: not net.desk.described_instead, within_s=DAY_S + SOON_S)
        living.rested()
        assert is_up(net) and outcome(living).state is State.OK, "what was remembered stays"
    net.desk.described = RENUMBERED
    for name in ("DESCRIPTION", "DESCRIPTION_NOW"):  # or a web page's would be a long wait
        (memory_of_its_own / name).unlink()
    with started(net, tmp_path, alone()) as living:
        assert soon(lambda: is_up(net, OWN_LATER), within_s=SOON_S), outcome(living)
        net.desk.described = DESCRIBED
        assert soon(lambda: is_up(net), within_s=DAY_S + SOON_S), outcome(living)
        told = living.asked("tunnel-information").result()
        assert "take over what the broker now gives: routed 2001:db8:123d:abc::/64" in told
    assert "abuse" not in net.desk.answers()


def test_a_wrong_key_is_said_and_corrected(
    net: Line, tmp_path: Path, memory_of_its_own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net.lease(HERE, ROUTER)
    wrong = replace(ACCOUNT, key="AnotherKeyOfAnother")
    with caplog.at_level(logging.DEBUG), started(net, tmp_path, alone(wrong)) as living:
        assert soon(lambda: outcome(living).state is State.FAILED, within_s=SOON_S), outcome(living)
        assert outcome(living).setting == "tunnel.broker.key"
        living.file.write_text(alone(), encoding="utf-8")
        assert soon(lambda: is_up(net), within_s=2 * SOON_S), outcome(living)
        remembered = "".join(path.read_text() for path in memory_of_its_own.iterdir())
        told = (
            net.pi.program("find", "/run/appliance", "-type", "f", "-exec", "cat", "{}", "+") + remembered + caplog.text
        )
    assert "tunnel" in told and wrong.key not in told and ACCOUNT.key not in told
