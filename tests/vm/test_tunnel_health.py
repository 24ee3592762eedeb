"""The image as a gateway whose tunnel breaks in many ways: what is said of it, and what the LAN has.

One boot; each test mends what it broke.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from appliance.errors import InputError
from image.lab import site as places
from image.lab.cables import NIC
from image.lab.faults import Fault, fault
from image.lab.gateway import Lab
from image.lab.services import PAGE
from image.lab.waiting import until
from tests.figures import Figure
from tests.lab import checks
from tests.vm import on_the_pi
from tests.vm.commanded import ENDED_S, Commanded, commanding, inside
from tests.vm.conftest import EXAMPLE, Booted
from tests.vm.dual_stack import Samples, fetch_by_name, sampling

pytestmark = pytest.mark.vm
BOOTED_S, REPAIRED_S = 1200, 240
WITHDRAWN_S, FALL_BACK_S, OFFERED_S, SIZED_S = 20.0, 1.0, 90.0, 120.0
BREAKS = 7
"""So often is a way of the client's broken here."""


@pytest.fixture(scope="module")
def commanded(gateway_image: Path) -> Iterator[Commanded]:
    """The lab is that of a user: `appliance lab`."""
    with commanding(gateway_image, EXAMPLE.read_text()) as lab:
        yield lab


@pytest.fixture(scope="module")
def gateway(commanded: Commanded) -> Booted:
    """It is ready, and the client has what it needs of it, as the command itself sees to."""
    commanded.says("wait", "ready", "--timeout", str(BOOTED_S))
    return commanded.booted(EXAMPLE.read_text())


@pytest.fixture(scope="module", autouse=True)
def samples(gateway: Booted) -> Iterator[Samples]:
    """Whatever breaks and is mended: a host with both families connects to a server with both, all the time."""
    with sampling(gateway.lab, at_least_s=0) as samples:
        yield samples


@pytest.mark.usefixtures("gateway")
def test_the_users_command(commanded: Commanded) -> None:
    """In its own terminal it tells what comes up; what is asked in another one is done."""
    for words in ("kernel: Linux ", "the appliance says: ready", "client, web server over IPv6: reached"):
        assert f" s  {words}" in commanded.told
    assert "UP: everything" in commanded.says("status")
    assert commanded.says("shell", "client", "--", "curl", "-6s", f"http://{places.SERVER_NAME}/") == PAGE
    assert commanded.says("shell", "pi", "--", "hostname") == "ipv6gw\n"
    commanded.says("unplug", "uplink")
    says_not_ready(commanded, "no signal on eth0")
    commanded.says("plug", "uplink")
    commanded.says("wait", "ready", "--timeout", str(REPAIRED_S))
    assert commanded.lab("plug", "uplink").returncode == InputError.exit_code
    commanded.says("fault", "proto41")
    says_not_ready(commanded, "protocol 41, which the tunnel is made of")
    assert commanded.lab("wait", "ready", "--timeout", "1").returncode == 1
    commanded.says("mend")
    commanded.says("wait", "ready", "--timeout", str(REPAIRED_S))


def says_not_ready(commanded: Commanded, words: str) -> None:
    """The status comes to have these words, and that it is not ready by its exit code."""
    until(lambda: words in commanded.lab("status").stdout, f"the Pi says: {words}", timeout_s=90, every_s=1)
    assert commanded.lab("status").returncode == 1


def test_a_blocked_tunnel_is_taken_back_and_offered_again(gateway: Booted, figure: Figure) -> None:
    lab = gateway.lab
    until(lambda: checks.has_way_out(lab), "the client has a way out", timeout_s=30)
    assert fetch_by_name(lab)[0] == str(places.NAMED_IPV6)
    with fault(lab.world, Fault.PROTO41):
        began = time.monotonic()
        until(lambda: not checks.has_way_out(lab), "the way out is taken back", timeout_s=WITHDRAWN_S, every_s=0.05)
        withdrawn_s = time.monotonic() - began
        address, connected_s = fetch_by_name(lab)
        assert address == str(places.NAMED_IPV4)
        assert connected_s < FALL_BACK_S
        checks.gives_lease(lab, gateway.appliance)
        ask = partial(lab.client.resolve, places.SERVER_NAME, "AAAA", server=str(lab.site.pi_lan.ip))
        until(ask, "dnsmasq is restarted", timeout_s=30)
        checks.resolves(lab)
        sentence = f"protocol 41, which the tunnel is made of, gets no further than {lab.site.router}"
        on_the_pi.says_of_the_tunnel(gateway.guest, sentence)
        on_the_pi.reports(gateway.guest, sentence)
    began = time.monotonic()
    until(lambda: checks.has_way_out(lab), "it is offered again", timeout_s=OFFERED_S, every_s=0.2)
    offered_s = time.monotonic() - began
    assert fetch_by_name(lab)[0] == str(places.NAMED_IPV6)
    on_the_pi.is_ready(gateway.guest, timeout_s=30)
    figure(f"booted image: a dead tunnel was taken back from the LAN after {withdrawn_s:.1f} s")
    figure(f"booted image: connected to a host of both families after that in {connected_s:.2f} s")
    figure(f"booted image: offered again {offered_s:.1f} s after it was mended")


def test_full_packets_that_vanish_are_measured_and_no_longer_used(gateway: Booted) -> None:
    with fault(gateway.lab.world, Fault.MTU):
        until(lambda: "more than 1380 bytes" in told(gateway), "that is told", timeout_s=SIZED_S, every_s=1)
        on_the_pi.is_ready(gateway.guest, timeout_s=30)
        assert told(gateway) in gateway.guest.ask(["appliance", "status"]).output
        until(lambda: tunnel_mtu(gateway) == 1380, "the tunnel has that MTU", timeout_s=30, every_s=1)
        until(lambda: advertised_mtu(gateway.lab) == 1380, "and so has the LAN", timeout_s=30, every_s=1)
        assert checks.has_way_out(gateway.lab)
        gateway.lab.client.ping(places.SERVER.ip, size_bytes=1380)
    until(lambda: tunnel_mtu(gateway) == 1480, "the tunnel has its MTU back", timeout_s=SIZED_S, every_s=1)
    until(lambda: advertised_mtu(gateway.lab) == 1480, "and so has the LAN", timeout_s=30, every_s=1)


def told(gateway: Booted) -> str:
    """What is said of the tunnel, whether it works or not."""
    return str(on_the_pi.told(gateway.guest)["tunnel"]["sentence"])


def tunnel_mtu(gateway: Booted) -> int:
    return int(gateway.guest.run("cat", "/sys/class/net/he-ipv6/mtu"))


def advertised_mtu(lab: Lab) -> int:
    """What the client's kernel has made of it."""
    return int(lab.client.run("cat", f"/proc/sys/net/ipv6/conf/{NIC}/mtu"))


def test_an_address_that_the_broker_does_not_have(gateway: Booted) -> None:
    """Nobody tells it: there is no account."""
    sentence = "the tunnel's packets get to the server, but it does not answer them: the broker has another address"
    with fault(gateway.lab.world, Fault.STALE):
        on_the_pi.says_of_the_tunnel(gateway.guest, sentence)
    until(lambda: checks.has_way_out(gateway.lab), "it is offered again", timeout_s=OFFERED_S)
    on_the_pi.is_ready(gateway.guest, timeout_s=30)


def test_a_dead_server(gateway: Booted) -> None:
    with fault(gateway.lab.world, Fault.SERVER):
        on_the_pi.says_of_the_tunnel(gateway.guest, "the tunnel's server does not answer over IPv4")


def test_nothing_beyond(gateway: Booted) -> None:
    with fault(gateway.lab.world, Fault.BEYOND):
        on_the_pi.says_of_the_tunnel(gateway.guest, "nothing on the IPv6 Internet answers")
        until(lambda: not checks.has_way_out(gateway.lab), "the way out is taken back", timeout_s=WITHDRAWN_S)


def test_a_host_with_both_families_always_had_one(samples: Samples, figure: Figure) -> None:
    """Over all that was broken and mended before."""
    until(lambda: bool(samples.found), "somebody has tried", timeout_s=30)
    longest_s = samples.longest_s(after_s=0)
    figure(f"booted image: {len(samples.found)} connections to a host of both families meanwhile: {longest_s:.2f} s")
    samples.check(FALL_BACK_S, breaks=BREAKS)


def test_it_is_ended_and_leaves_nothing(commanded: Commanded, gateway: Booted) -> None:
    """The last one: there is no lab any more."""
    running = inside(gateway.lab.world.pid)
    assert running
    assert commanded.left()
    commanded.says("end")
    assert commanded.child.wait(ENDED_S) == 0
    assert commanded.told.splitlines()[-1] == "ended: nothing of it is left"
    assert commanded.left() == []
    assert not [pid for pid in running if Path(f"/proc/{pid}").exists()]
