"""What goes through the cable: with the firewall, and on the same path without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from image.lab.cables import ip
from image.lab.computer import tools
from image.lab.home import LINK_ROUTER
from image.lab.site import NAMED_IPV4, NAMED_IPV6
from image.lab.topology import INTERNET, ROUTER
from image.lab.waiting import until
from tests.bench.shown import figure, heading
from tests.vm.gadgets import Plugged
from tests.vm.on_the_cable import knowing_the_way

PORT = 5201
SECONDS = 8


def measure(plugged: Plugged) -> None:
    """Print all of it. Afterwards the Pi has no firewall."""
    laptop = plugged.laptop
    own = laptop.default_routes(4)[0]["gateway"]
    paths = (("the Pi", own), ("beyond, IPv4", str(NAMED_IPV4)), ("beyond, IPv6", str(NAMED_IPV6)))
    pi = tools(plugged.guest)
    plugged.guest.run("ufw", "allow", "in", "proto", "tcp", "to", "any", "port", str(PORT))
    pi.start("server", "iperf3", "--server")
    listening = partial(plugged.guest.run, "ss", "-Hltn")
    until(lambda: f":{PORT} " in listening(), "the Pi's iperf3 listens", timeout_s=30)
    with plugged.home.world.running(INTERNET, ["iperf3", "--server"], log="iperf3"):
        heading(f"throughput of the cable (TCP, {SECONDS} s each; emulated: only the ratio means something)")
        before = {(to, way): _rate(plugged, address, way) for to, address in paths for way in ("", "--reverse")}
        with _no_firewall(plugged):
            for (to, way), rate in before.items():
                free = _rate(plugged, dict(paths)[to], way)
                arrow = "from" if way else "to"
                figure(f"{arrow} {to}", f"{rate:.1f} Mbit/s; no firewall: {free:.1f} Mbit/s ({rate / free:.0%})")


def _rate(plugged: Plugged, address: str, way: str) -> float:
    """What arrived at the far end, in Mbit/s."""
    words = ["iperf3", "--client", address, "--time", str(SECONDS), "--omit", "1", "--json", *([way] if way else [])]
    result = json.loads(plugged.laptop.run(*words, timeout_s=SECONDS + 30))
    return float(result["end"]["sum_received"]["bits_per_second"]) / 1e6


@contextmanager
def _no_firewall(plugged: Plugged) -> Iterator[None]:
    """No rule and no connection tracking: the home and the Internet know the way to the cable instead of NAT hiding it.

    Of IPv4 the home's router hides it, as it does any home's.
    """
    unique, out = str(plugged.laptop.slaac()[0].network), f"to-{ROUTER}"
    plugged.guest.run("systemctl", "stop", "appliance.service")
    plugged.guest.run("nft", "flush", "ruleset")
    ip(plugged.home.world, INTERNET, "route", "add", unique, "via", str(LINK_ROUTER.ip), "dev", out)
    with knowing_the_way(plugged, ROUTER):
        yield
    ip(plugged.home.world, INTERNET, "route", "delete", unique)
