"""What is not the daemon's stays as it is, byte for byte, whatever happens to what is the daemon's."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from appliance.model import Share
from firstboot.facts import OURS
from firstboot.managers import networkd
from firstboot.netlink import Netlink
from firstboot.reconcile import Outcome
from tests.firstboot.conftest import EXAMPLES
from tests.netns import foreign
from tests.netns.foreign import IPTABLES, OUR_CHAINS, Looker
from tests.netns.gadget_site import Daemon, gadget_site
from tests.netns.gateways import NOT_HERE, give_ufw_files, lay_wires
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace
from tests.netns.network import network
from tests.netns.test_sharing import gadget

pytestmark = pytest.mark.netns

SOON_S, SETTLED_S = 10.0, 30.0
CONFIG = (EXAMPLES / "gateway.yaml").read_text(encoding="utf-8")
OTHER = (
    CONFIG.replace("192.168.1.252/24", "192.168.1.251/24")
    .replace("gateway: 192.168.1.254", "gateway: 192.168.1.253")
    .replace("198.51.100.100 ", "198.51.100.101 ")
    .replace("2001:db8:123d:abc::/64", "2001:db8:123d:abd::/64")
    .replace("2001:db8:123d:abc::2", "2001:db8:123d:abd::2")
    .replace("tcp: [80, 443]", "tcp: [8443]")
)  # fmt: skip
"""Other addresses, routes, rules and files."""

FILES = (
    "NetworkManager/conf.d/90-appliance.conf",
    "appliance/dnsmasq.conf",
    "resolv.conf",
    "ssh/appliance_authorized_keys/pi",
    "ufw/before.rules",
    "ufw/before6.rules",
    "ufw/sysctl.conf",
)
SETTINGS = ("net/ipv6/conf/all/forwarding", "net/ipv6/conf/eth0/forwarding")
"""Those of which the kernel tells when they change."""

Taking = Callable[[], object]


CUSTOM = """\
profile: custom
manager: networkd
uplinks:
  - {interface: eth0, dhcp: true, metric: 98}
routing:
  tables:
    - {lookup: 2-252, ensure: default-route}
  sysctl:
    - interface: "eth*"
      set:
        net.ipv4.conf.{interface}.rp_filter: 2
"""
"""The interface has another program's default route of that metric. A table that a rule looks up has none (9)."""
OTHER_CUSTOM = CUSTOM.replace("metric: 98", "metric: 98, optional: true").replace("2-252", "10-252")
CUSTOM_FILES = ("systemd/network/05-appliance-eth0.network",)
CUSTOM_SETTINGS = ("net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/eth0/ignore_routes_with_linkdown")


GADGET_FILES = (
    "NetworkManager/conf.d/90-appliance.conf",
    "appliance/dhcpcd.conf",
    "appliance/dnsmasq.conf",
    "ufw/before.rules",
    "ufw/before6.rules",
    "ufw/sysctl.conf",
)


class NetworkdRuns:
    """The system bus of a machine whose systemd-networkd runs, and has done all that it is told already."""

    lost = False

    def unit_is_active(self, name: str) -> bool:
        return name == networkd.UNIT

    def networkmanager_runs(self) -> bool:
        return False

    def reload_networkd(self) -> None:
        pass


def test_a_gateway_leaves_everything_of_others_as_it_is(namespace: Namespace, tmp_path: Path) -> None:
    prepare(namespace)
    gateway = Living(namespace, tmp_path, CONFIG, without=NOT_HERE)
    give_ufw_files(namespace)
    looker = Looker(namespace, FILES, SETTINGS)
    with gateway:
        gateway.rested()
    foreign.add(namespace)
    foreign.allow(namespace)
    added = looker.state().foreign
    with gateway:
        before = at_rest(gateway, looker)
        assert before.foreign == added
        take_all(looker, before)
        other = changed_and_back(gateway, looker, OTHER, CONFIG)
        assert {name for name in before.ours if other.ours[name] != before.ours[name]} >= {"ip ", *IPTABLES}
    assert looker.state() == before
    with gateway:
        assert at_rest(gateway, looker) == before
        namespace.program("ip", "link", "set", "eth0", "down")
        assert soon(lambda: looker.ours() == before.ours, within_s=SOON_S), "eth0 does not come back"
        assert apart_from_eth0(at_rest(gateway, looker)) == apart_from_eth0(before)


def test_policies_and_uplinks_leave_everything_of_others_as_it_is(namespace: Namespace, tmp_path: Path) -> None:
    prepare(namespace)
    namespace.program("ip", "link", "set", "eth0", "up")
    custom = Living(namespace, tmp_path, CUSTOM, bus=NetworkdRuns())
    foreign.add(namespace)
    looker = Looker(namespace, CUSTOM_FILES, CUSTOM_SETTINGS)
    added = looker.state()
    with custom:
        before = at_rest(custom, looker)
        assert before.foreign == added.foreign
        assert {name for name in before.ours if added.ours[name] != before.ours[name]} == {"ip ", "settings", "files"}
        assert before.ours["ip "] == ["default via 192.168.1.7 dev eth0 table 9 proto 97 metric 97 "]
        take_all(looker, before)
        other = changed_and_back(custom, looker, OTHER_CUSTOM, CUSTOM)
        assert {name for name in before.ours if other.ours[name] != before.ours[name]} == {"ip ", "files"}
    assert looker.state() == before


def test_a_gadget_leaves_everything_of_others_as_it_is(tmp_path: Path) -> None:
    """What is ours is taken away all at once."""
    with gadget_site(tmp_path) as site:
        site.advertising.close()
        site.pi.program("ip", "link", "add", "he-ipv6", "up", "type", "veth", "peer", "name", "far-he-ipv6")
        looker = Looker(site.pi, GADGET_FILES, ("net/ipv4/ip_forward",))
        daemon = site.daemon(gadget())
        settle(daemon)
        with daemon.still:
            foreign.add(site.pi)
            foreign.allow(site.pi)
            added = looker.state().foreign
        settle(daemon)
        before = looker.state()
        assert before.foreign == added

        for _, take in takings(looker):
            site.pi.call(take)
        site.pi.program("ip", "link", "del", "br-usb")
        settle(daemon)
        assert apart_from_the_bridge(looker.state()) == apart_from_the_bridge(before)
        daemon.appliance = gadget(Share.LOCAL)
        settle(daemon)
        other = looker.state()
        assert {name for name in before.ours if other.ours[name] != before.ours[name]} >= {"iptables", "files"}
        assert other.foreign == before.foreign
        daemon.appliance = gadget()
        settle(daemon)
        assert apart_from_the_bridge(looker.state()) == apart_from_the_bridge(before)


def apart_from_the_bridge(state: foreign.State) -> foreign.State:
    """Its ports have other numbers where it is made anew, and it changes by itself for a while."""
    return replace(state, ours={name: found for name, found in state.ours.items() if name != "ip -d"})


def settle(daemon: Daemon) -> None:
    """Wait for a pass that begins after this, and in which there is nothing to do and nothing wrong."""
    passes, deadline = len(daemon.passes), time.monotonic() + SETTLED_S
    while len(daemon.passes) < passes + 2 or unsettled(daemon):
        assert time.monotonic() < deadline, unsettled(daemon)
        daemon.wake()
        time.sleep(0.05)


def unsettled(daemon: Daemon) -> list[Outcome]:
    """But for the offer: the router of the foreign default route does not answer, once it is asked."""
    return [each for each in daemon.outcomes if each.done or (each.error and each.kind != "offer")]


def changed_and_back(living: Living, looker: Looker, other: str, config: str) -> foreign.State:
    """What there is with another configuration; after it, all is what it was before."""
    before = looker.state()
    living.file.write_text(other, encoding="utf-8")
    assert soon(lambda: looker.ours()["files"] != before.ours["files"], within_s=SOON_S)
    found = at_rest(living, looker)
    assert found.foreign == before.foreign
    living.file.write_text(config, encoding="utf-8")
    assert soon(lambda: looker.ours() == before.ours, within_s=SOON_S)
    assert at_rest(living, looker) == before
    return found


def prepare(namespace: Namespace) -> None:
    """Ours are there at once, and a network's next address stays, as Debian has it (sysctl.d/50-default.conf)."""
    for name in ("all", "default"):
        settings = (f"net.ipv6.conf.{name}.accept_dad=0", f"net.ipv4.conf.{name}.promote_secondaries=1")
        namespace.program("sysctl", "-q", *settings)
    lay_wires(namespace)


def at_rest(living: Living, looker: Looker) -> foreign.State:
    living.rested()
    assert not {name: each.error for name, each in living.daemon.outcomes.items() if each.error}
    return looker.state()


def take_all(looker: Looker, state: foreign.State) -> None:
    """Take away what is ours, one after the other; each comes back."""
    for what, take in takings(looker):
        looker.namespace.call(take)
        assert soon(lambda: looker.ours() == state.ours, within_s=SOON_S), f"{what} does not come back"


def apart_from_eth0(state: foreign.State) -> dict[str, Any]:
    """What the kernel has not taken with the link."""
    return {
        name: [line for line in found if "eth0" not in line] if isinstance(found, list) else found
        for name, found in state.foreign.items()
    }


def takings(looker: Looker) -> Iterator[tuple[str, Taking]]:
    """How somebody takes away what is ours. Not eth0 itself: with it go others' routes."""
    namespace = looker.namespace
    netlink = namespace.call(Netlink)
    for address in namespace.call(foreign.our_addresses):
        yield str(address), partial(netlink.remove_address, address)
    for route in network(namespace, netlink).routes:
        if route.protocol == OURS:
            yield str(route), partial(netlink.remove_route, route)
    for name in looker.settings:
        yield name, partial(Path("/proc/sys", name).write_text, "0", encoding="ascii")
    for file in looker.files:
        yield file, Path("/etc", file).unlink
    for program in IPTABLES:
        for (table, what), lines in rules_taken(namespace.program(f"{program}-save")).items():
            text = "\n".join([f"*{table}", *lines, "COMMIT", ""])
            argv = [f"{program}-restore", "--noflush"]
            yield f"{program} {table}: {what}", partial(subprocess.run, argv, input=text, text=True, check=True)
    namespace.call(netlink.close)


def rules_taken(saved: str) -> Mapping[tuple[str, str], list[str]]:
    """By table, and by what is done: the policies, the jumps of each built-in chain into ours, and all in ours."""
    taken = defaultdict[tuple[str, str], list[str]](list)
    table = ""
    for line in saved.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and words[1] == "DROP":
            taken[table, "policies"].append(f"-P {words[0][1:]} ACCEPT")
        elif line.startswith(":") and OUR_CHAINS.search(line):
            taken[table, "chains"].append(f"-F {words[0][1:]}")
        elif line.startswith("-A") and words[1].isupper() and OUR_CHAINS.search(words[-1]):
            taken[table, words[1]].append(f"-D {line.removeprefix('-A ')}")
    return taken
