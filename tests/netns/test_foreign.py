"""What is not the daemon's stays as it is, byte for byte, whatever happens to what is the daemon's."""

from __future__ import annotations

import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from firstboot.facts import OURS
from firstboot.netlink import Netlink
from tests.firstboot.conftest import EXAMPLES
from tests.netns import foreign
from tests.netns.foreign import IPTABLES, OUR_CHAINS, Looker
from tests.netns.gateways import NOT_HERE, give_ufw_files, lay_wires
from tests.netns.living import Living
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

SOON_S = 10.0
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


@pytest.fixture
def gateway(namespace: Namespace, tmp_path: Path) -> Living:
    prepare(namespace)
    made = Living(namespace, tmp_path, CONFIG, without=NOT_HERE)
    give_ufw_files(namespace)
    return made


def test_what_is_foreign_is_left_alone_whatever_happens_to_what_is_ours(gateway: Living) -> None:
    looker = Looker(gateway.namespace, FILES, SETTINGS)
    with gateway:
        gateway.rested()
    foreign.add(gateway.namespace)
    foreign.allow(gateway.namespace)
    added = looker.state().foreign
    with gateway:
        before = at_rest(gateway, looker)
        assert before.foreign == added
        take_all(looker, before)
        assert at_rest(gateway, looker) == before

        gateway.file.write_text(OTHER, encoding="utf-8")
        assert soon(lambda: looker.ours()["files"] != before.ours["files"])
        other = at_rest(gateway, looker)
        assert {name for name in before.ours if other.ours[name] != before.ours[name]} >= {"ip ", *IPTABLES}
        assert other.foreign == before.foreign
        gateway.file.write_text(CONFIG, encoding="utf-8")
        assert soon(lambda: looker.ours() == before.ours)
        assert at_rest(gateway, looker) == before
    assert looker.state() == before
    with gateway:
        assert at_rest(gateway, looker) == before
        gateway.namespace.program("ip", "link", "set", "eth0", "down")
        assert soon(lambda: looker.ours() == before.ours), "eth0 does not come back"
        assert apart_from_eth0(at_rest(gateway, looker)) == apart_from_eth0(before)


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
        assert soon(lambda: looker.ours() == state.ours), f"{what} does not come back"


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
    for route in namespace.call(netlink.look)[2]:
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


def soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
