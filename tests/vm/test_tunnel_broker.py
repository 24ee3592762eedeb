"""The image as a gateway that tells the tunnel broker of its address: what the tunnel survives, and what the LAN has.

One boot; each test mends what it broke. The broker's minutes are real ones, and it bans who does not keep to them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from image.lab import site as places
from image.lab.broker import WINDOW_S
from image.lab.cables import ip
from image.lab.gateway import Lab
from image.lab.machine import VIRT
from image.lab.session.gateway_scene import trust
from image.lab.topology import CLIENT, forward_tunnel, give_public_address
from image.lab.waiting import until
from tests.figures import Figure
from tests.lab import checks
from tests.vm import on_the_pi
from tests.vm.conftest import LAN_ADDRESS, Booted, booting, two_armed
from tests.vm.dual_stack import Samples, has_ipv6, sampling

pytestmark = pytest.mark.vm
WITHDRAWN_S, FALL_BACK_S, SAMPLED_S, TOLD_S, OFFERED_S = 10.0, 1.0, 20.0, 45.0, 90.0
ACCOUNT = "  broker: {user: somebody, key: K3yOfTheTunnel/9, tunnel: 123456}\n"
OTHER = IPv4Address("192.168.1.251")
STALE = "the tunnel's packets get to the server, but it does not answer them: the broker has another address"


def config() -> str:
    before, lan, after = two_armed().partition("\nlan:\n")
    return f"{before}{ACCOUNT}{lan}{after}"


@pytest.fixture(scope="module")
def gateway(gateway_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    with booting(gateway_image, tmp_path_factory.mktemp("broker"), VIRT, config()) as booted:
        yield booted


def test_it_believes_nobody_else_to_be_the_broker(gateway: Booted) -> None:
    """The image does not know the lab's authority. Once it is made to, the broker is told, and everything is right."""
    words = "who answers for the broker cannot prove to be it"
    on_the_pi.says_of_the_tunnel(gateway.guest, words, of="broker", timeout_s=on_the_pi.READY_S)
    assert not gateway.lab.provider.calls()
    trust(gateway.lab, gateway.guest)
    on_the_pi.is_ready(gateway.guest, timeout_s=on_the_pi.READY_S)
    assert answers(gateway.lab) == [f"nochg {places.WAN_ROUTER.ip}"]
    checks.gives_slaac_address(gateway.lab)
    checks.gives_lease(gateway.lab, gateway.appliance)
    ip(gateway.lab.world, CLIENT, "route", "replace", "default", "via", str(LAN_ADDRESS))


def answers(lab: Lab) -> list[str]:
    """What the broker has answered so far."""
    return [call.answer for call in lab.provider.calls()]


@pytest.fixture
def calls_before(gateway: Booted) -> int:
    """Everything is right, the broker may be told at once, and so often it was so far."""
    on_the_pi.is_ready(gateway.guest, timeout_s=2 * WINDOW_S)
    until(lambda: has_ipv6(gateway.lab), "the LAN has IPv6", timeout_s=OFFERED_S)
    calls = gateway.lab.provider.calls()
    time.sleep(max(0.0, calls[-1].at_s + WINDOW_S + 2 - time.monotonic()))  # a cool-down is a time
    return len(calls)


def after_s(samples: Samples, holds: Callable[[], bool], what: str, longest_s: float) -> float:
    """How long it takes, from when something broke, until that holds."""
    until(holds, what, timeout_s=longest_s, every_s=0.1)
    return time.monotonic() - samples.began_s


def tell(figure: Figure, what: str, samples: Samples, *figures: str) -> None:
    """The figures of a test, and that a host with both families always had one of them."""
    ever_s, longest_s = samples.longest_s(after_s=0), samples.longest_s(after_s=WITHDRAWN_S)
    figure(
        f"booted image: {what}: {', '.join(figures)}; connected to a host of both families in {ever_s:.2f} s at most, "
        f"from {WITHDRAWN_S:g} s after it on in {longest_s:.2f} s"
    )
    samples.check(FALL_BACK_S, breaks=2)


def test_the_routers_public_address_is_another(gateway: Booted, calls_before: int, figure: Figure) -> None:
    """Only the tunnel's silence tells of it."""
    lab, public = gateway.lab, places.WAN_ROUTER_LATER.ip
    with sampling(lab, at_least_s=SAMPLED_S) as samples:
        give_public_address(lab.world, places.WAN_ROUTER_LATER)
        told_s = after_s(samples, lambda: lab.provider.register.endpoint() == public, "the broker is told", TOLD_S)
        back_s = after_s(samples, lambda: has_ipv6(lab), "the LAN has IPv6 again", OFFERED_S)
    assert answers(lab)[calls_before:] == [f"good {public}"]
    on_the_pi.is_ready(gateway.guest, timeout_s=30)
    checks.reaches_the_internet(lab)
    told = (f"the broker was told after {told_s:.1f} s", f"the LAN had IPv6 again after {back_s:.1f} s")
    tell(figure, "another public address of the router", samples, *told)


def test_the_pis_own_address_is_another(gateway: Booted, calls_before: int, figure: Figure) -> None:
    """Known at once. Who has the home router sends protocol 41 there from then on."""
    lab = gateway.lab
    gateway.guest.write(on_the_pi.CONFIG, config().replace(f"{lab.site.pi_uplink.ip}/", f"{OTHER}/"))
    with sampling(lab, at_least_s=SAMPLED_S) as samples:
        moved_s = after_s(samples, lambda: is_at(gateway, OTHER), "the tunnel begins there", OFFERED_S)
        samples.begin_again()
        forward_tunnel(lab.world, OTHER)
        back_s = after_s(samples, lambda: has_ipv6(lab), "the LAN has IPv6 again", OFFERED_S)
        until(lambda: len(answers(lab)) > calls_before, "the broker is told", timeout_s=TOLD_S)
    [call] = lab.provider.calls()[calls_before:]
    assert call.answer == f"nochg {lab.provider.register.endpoint()}"
    told = (
        f"the tunnel was there {moved_s:.1f} s after appliance.yaml was written",
        f"the broker was told {call.at_s - samples.began_s:+.1f} s from then",
        f"the LAN had IPv6 again after {back_s:.1f} s",
    )
    tell(figure, "another address of the Pi's own", samples, *told)
    gateway.guest.write(on_the_pi.CONFIG, config())
    until(lambda: is_at(gateway, lab.site.pi_uplink.ip), "it is back", timeout_s=OFFERED_S)
    forward_tunnel(lab.world, lab.site.pi_uplink.ip)


def is_at(gateway: Booted, address: IPv4Address) -> bool:
    """Whether the Pi has this address alone on its uplink, and the tunnel begins there.

    What it sends from the former one is remembered by the home router, and in the way of the new one: a protocol
    without ports has one connection only, between the router and the server.
    """
    addresses = gateway.guest.ask(["ip", "-4", "-o", "address", "show", "dev", "eth0", "scope", "global"]).output
    link = gateway.guest.ask(["ip", "-d", "link", "show", "he-ipv6"]).output
    return re.findall(r"inet ([\d.]+)/", addresses) == [str(address)] and f"local {address} " in link


def test_an_address_that_is_not_ours_at_the_broker(gateway: Booted, calls_before: int, figure: Figure) -> None:
    lab, public = gateway.lab, gateway.lab.provider.register.endpoint()
    with sampling(lab, at_least_s=SAMPLED_S) as samples:
        lab.provider.register.enter(places.STRANGER)
        told_s = after_s(samples, lambda: lab.provider.register.endpoint() == public, "the broker is told", TOLD_S)
        back_s = after_s(samples, lambda: has_ipv6(lab), "the LAN has IPv6 again", OFFERED_S)
    assert answers(lab)[calls_before:] == [f"good {public}"]
    assert any(STALE in line for line in on_the_pi.journal(gateway.guest, "--unit=appliance.service"))
    told = (f"the broker was told after {told_s:.1f} s", f"the LAN had IPv6 again after {back_s:.1f} s")
    tell(figure, "a stale address at the broker", samples, *told)


def test_a_tunnel_that_was_deleted(gateway: Booted, calls_before: int, figure: Figure) -> None:
    """The broker's word is final, and it is not told again. Where a person has made the tunnel anew, it carries."""
    guest, lab, register = gateway.guest, gateway.lab, gateway.lab.provider.register
    public = register.endpoint()
    with sampling(lab, at_least_s=SAMPLED_S) as samples:
        register.enter(None)
        on_the_pi.says_of_the_tunnel(guest, f"{STALE} for this tunnel, or has deleted it", timeout_s=TOLD_S)
        on_the_pi.says_of_the_tunnel(guest, "the broker has no such tunnel of this user", of="broker", timeout_s=TOLD_S)
        said_s = time.monotonic() - samples.began_s
        assert on_the_pi.kind(guest, "broker")["state"] == "failed"
        assert "is it still there?" in on_the_pi.kind(guest, "broker")["hint"]
    assert answers(lab)[calls_before:] == ["nohost"]
    tell(figure, "a tunnel that was deleted", samples, f"said after {said_s:.1f} s")
    register.enter(public)
    until(lambda: has_ipv6(lab), "the LAN has IPv6 again", timeout_s=OFFERED_S)
    on_the_pi.is_ready(guest, timeout_s=on_the_pi.READY_S)
    assert answers(lab)[calls_before:] == ["nohost"]
