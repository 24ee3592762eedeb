"""The rendered rules with real packets: ufw starts them, iptables-restore exchanges them.

The router under test has the inside on eth0, and the outside on a wire that is called as the tunnel is.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import TemporaryError
from appliance.model import Appliance, Uplink
from appliance.parse import load
from firstboot.actions import LoadRules, ShutFirewall, WriteFile
from firstboot.command import run
from firstboot.host import Host
from firstboot.iptables import Iptables
from firstboot.kind import FileState, Kind
from firstboot.netlink import Netlink
from firstboot.nftables import Nftables
from firstboot.plan import Change
from firstboot.reconcile import look
from firstboot.resources.files import Files
from firstboot.resources.firewall import Firewall
from firstboot.rulesets import Ruleset
from tests.netns.namespace import Namespace
from tests.netns.ufw_files import ROOT, own_ufw_files

pytestmark = pytest.mark.netns

EXAMPLE = ROOT / "tests" / "appliance" / "examples" / "gateway.yaml"
CLIENT, SERVICE, OUTSIDE = "2001:db8:123d:abc::50", "2001:db8:123d:abc::2", "2001:db8:ffff::80"
PI_LAN, PI_TUNNEL, PI_IPV4 = "2001:db8:123d:abc::1", "2001:db8:123c:abd::2", "192.168.1.252"
TIMEOUT_S = 0.4


@dataclass
class Site:
    inside: Namespace
    router: Namespace
    outside: Namespace
    host: Host
    appliance: Appliance

    def load(self, appliance: Appliance) -> None:
        """Write the files and load the rules, as the daemon does."""
        self.appliance = appliance
        kinds: tuple[Kind[Any], ...] = (Files(), Firewall())
        for kind in kinds:
            for change in self.differences(kind):
                for action in kind.actions(change):
                    is_ufws = isinstance(action, WriteFile) and "ufw" in str(action.path)
                    if is_ufws or isinstance(action, LoadRules | ShutFirewall):
                        self.router.call(self.host.execute, action)

    def differences(self, kind: Kind[Any]) -> Sequence[Change[Any]]:
        return self.router.call(look, self.appliance, kind, self.host).changes


@pytest.fixture
def gateway() -> Appliance:
    return load(EXAMPLE).appliance


@pytest.fixture
def site(tmp_path: Path, gateway: Appliance) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as inside, Namespace() as router, Namespace() as outside:
        own_ufw_files(router, tmp_path)
        _wire(inside, router, outside)
        made = Site(inside, router, outside, router.call(lambda: Host(Netlink(), None)), gateway)
        made.load(gateway)
        yield made


def _wire(inside: Namespace, router: Namespace, outside: Namespace) -> None:
    for namespace in (inside, router, outside):  # nothing here has to wait for duplicate address detection
        namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
    router.connect("eth0", inside, "eth0")
    router.connect("he-ipv6", outside, "he-ipv6")
    _addresses(router, "eth0", f"{PI_LAN}/64", f"{PI_IPV4}/24")
    _addresses(router, "he-ipv6", f"{PI_TUNNEL}/64")
    _addresses(inside, "eth0", f"{CLIENT}/64", f"{SERVICE}/64", "192.168.1.50/24")
    _addresses(outside, "he-ipv6", "2001:db8:123c:abd::1/64", f"{OUTSIDE}/128", "203.0.113.9/24")
    _addresses(router, "he-ipv6", "203.0.113.5/24")
    inside.program("ip", "-6", "route", "add", "default", "via", PI_LAN)
    outside.program("ip", "-6", "route", "add", "2001:db8:123d:abc::/64", "via", PI_TUNNEL)
    router.program("ip", "-6", "route", "add", "default", "via", "2001:db8:123c:abd::1")
    router.program("sysctl", "-q", "net.ipv6.conf.all.forwarding=1")


def _addresses(namespace: Namespace, interface: str, *addresses: str) -> None:
    for address in addresses:
        nodad = ["nodad"] if ":" in address else []
        namespace.program("ip", "addr", "add", address, "dev", interface, *nodad)


def tcp(client: Namespace, server: Namespace, address: str, port: int, source: str = "") -> bool:
    """Whether a connection comes about."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def listen() -> socket.socket:
        made = socket.socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen()
        return made

    def connect() -> bool:
        with closing(socket.socket(family)) as made:
            made.settimeout(TIMEOUT_S)
            if source:
                made.bind((source, 0))
            with suppress(OSError):
                made.connect((address, port))
                return True
        return False

    with closing(server.call(listen)):
        return client.call(connect)


def udp(client: Namespace, server: Namespace, address: str, port: int, source: str = "") -> bool:
    """Whether a datagram is answered, by a program that answers anybody."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def line(own: str, port: int = 0) -> socket.socket:
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.settimeout(TIMEOUT_S)
        made.bind((own, port))
        return made

    def answered() -> bool:
        with suppress(OSError):
            _, host = listener.recvfrom(100)
            listener.sendto(b"answer", host)
            return True
        return False

    with closing(server.call(line, address, port)) as listener, closing(client.call(line, source)) as asker:
        client.call(asker.sendto, b"question", (address, port))
        if not server.call(answered):
            return False
        with suppress(OSError):
            return client.call(asker.recv, 100) == b"answer"
    return False


def reaches(client: Namespace, address: str, *options: str) -> bool:
    try:
        client.program("ping", "-c", "1", "-W", "1", *options, address)
    except AssertionError:
        return False
    return True


def test_the_inside_reaches_the_pi_and_everything_outside(site: Site) -> None:
    assert tcp(site.inside, site.router, PI_LAN, 22)
    assert tcp(site.inside, site.router, PI_IPV4, 53)
    assert tcp(site.inside, site.outside, OUTSIDE, 443)


def test_the_outside_reaches_only_what_is_allowed_in(site: Site) -> None:
    assert tcp(site.outside, site.inside, SERVICE, 80)
    assert tcp(site.outside, site.inside, SERVICE, 443)
    assert not tcp(site.outside, site.inside, SERVICE, 22)
    assert not tcp(site.outside, site.inside, CLIENT, 80)
    assert not tcp(site.outside, site.router, PI_LAN, 22)
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)
    assert not tcp(site.outside, site.router, "203.0.113.5", 22)


def test_without_the_rules_the_same_attempts_succeed(site: Site) -> None:
    """The test before this one can fail: it is the rules that make the difference."""
    for program in ("iptables", "ip6tables"):
        for chain in ("INPUT", "FORWARD"):
            site.router.program(program, "-P", chain, "ACCEPT")
            site.router.program(program, "-F", chain)
    assert tcp(site.outside, site.inside, CLIENT, 80)
    assert tcp(site.outside, site.router, PI_TUNNEL, 22)
    assert tcp(site.outside, site.router, "203.0.113.5", 22)


def test_an_inside_address_from_outside_is_not_believed(site: Site) -> None:
    _addresses(site.outside, "he-ipv6", "2001:db8:123d:abc::99/128")
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22, source="2001:db8:123d:abc::99")


def test_an_outside_address_from_inside_is_not_forwarded(site: Site) -> None:
    _addresses(site.inside, "eth0", "2001:db8:bad::1/128")
    site.outside.program("ip", "-6", "route", "add", "2001:db8:bad::/48", "via", PI_TUNNEL)
    site.router.program("ip", "-6", "route", "add", "2001:db8:bad::/48", "dev", "eth0")
    assert not tcp(site.inside, site.outside, OUTSIDE, 443, source="2001:db8:bad::1")


def test_control_messages_pass_both_ways(site: Site) -> None:
    assert reaches(site.inside, OUTSIDE)
    assert reaches(site.outside, CLIENT)
    assert reaches(site.outside, PI_TUNNEL)
    # 1,500 bytes do not fit a path of 1,480: the client learns it from the Pi.
    site.router.program("ip", "link", "set", "he-ipv6", "mtu", "1480")
    site.outside.program("ip", "link", "set", "he-ipv6", "mtu", "1480")
    assert reaches(site.inside, OUTSIDE, "-M", "do", "-s", "1432")
    with pytest.raises(AssertionError, match="Packet too big: mtu=1480"):
        site.inside.program("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1433", OUTSIDE)


def test_the_tunnels_protocol_is_accepted_from_its_server_only(site: Site) -> None:
    _addresses(site.inside, "eth0", "198.51.100.100/32", "198.51.100.101/32")
    site.router.program("ip", "route", "add", "198.51.100.0/24", "dev", "eth0")

    def receive() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)
        made.settimeout(TIMEOUT_S)
        return made

    def send(source: str) -> None:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_RAW, 41)) as made:
            made.bind((source, 0))
            made.sendto(b"\x60" + bytes(39), (PI_IPV4, 0))

    with closing(site.router.call(receive)) as receiver:
        for source in ("198.51.100.101", "192.168.1.50", "198.51.100.100"):
            site.inside.call(send, source)
        assert receiver.recvfrom(100)[1][0] == "198.51.100.100"


def test_the_segment_size_is_clamped_both_ways(site: Site) -> None:
    site.router.program("ip", "link", "set", "he-ipv6", "mtu", "1480")

    def segment_size(client: Namespace, server: Namespace, address: str) -> int:
        def listen() -> socket.socket:
            made = socket.socket(socket.AF_INET6)
            made.bind((address, 80))
            made.listen()
            return made

        def connect() -> socket.socket:
            made = socket.socket(socket.AF_INET6)
            made.settimeout(2)
            made.connect((address, 80))
            return made

        with closing(server.call(listen)) as listener, closing(client.call(connect)):
            accepted, _ = server.call(listener.accept)
            with closing(accepted):
                return accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)

    # 1,480 less 40 of IPv6 and 20 of TCP; timestamps take 12 more of each segment.
    assert segment_size(site.inside, site.outside, OUTSIDE) == 1420 - 12
    assert segment_size(site.outside, site.inside, SERVICE) == 1420 - 12


def test_loading_again_changes_nothing(site: Site) -> None:
    def rules() -> list[str]:
        saved = [site.router.program(f"{name}-save") for name in ("iptables", "ip6tables")]
        return [re.sub(r"\[\d+:\d+\]|^#.*$", "", text, flags=re.M) for text in saved]

    before = rules()
    assert site.differences(Firewall()) == ()
    for _ in range(20):
        reload(site)
    assert rules() == before


def test_the_users_own_ufw_rules_stay(site: Site) -> None:
    assert not tcp(site.outside, site.router, PI_TUNNEL, 8080)
    site.router.program("ufw", "allow", "8080/tcp")
    assert tcp(site.outside, site.router, PI_TUNNEL, 8080)
    reload(site)
    assert tcp(site.outside, site.router, PI_TUNNEL, 8080)


def reload(site: Site) -> None:
    """Load both families' rules, though nothing differs but, perhaps, the user's own."""
    site.host.look()
    for want in Firewall().desired(site.appliance, site.router.call(site.host.facts)):
        for action in Firewall().actions(Change(want, None)):
            site.router.call(site.host.execute, action)


@pytest.mark.parametrize(
    "disturbance",
    [
        ("ip6tables", "-P", "INPUT", "ACCEPT"),
        ("ip6tables", "-F", "INPUT"),
        ("iptables", "-D", "INPUT", "-j", "ufw-before-input"),
        ("ip6tables", "-F", "ufw6-before-forward"),
        ("ip6tables", "-t", "mangle", "-F", "appliance-mss"),
        ("ip6tables", "-t", "mangle", "-F", "FORWARD"),
        ("ip6tables", "-t", "mangle", "-A", "FORWARD", "-j", "appliance-mss"),
        ("iptables", "-I", "ufw-before-input", "-j", "ACCEPT"),
        ("ip6tables", "-F", "ufw6-reject-input"),
        ("sh", "-c", "ip6tables -P INPUT ACCEPT; ip6tables -P FORWARD ACCEPT; ip6tables -F; ip6tables -X"),
        ("sh", "-c", "iptables -F; ip6tables -F"),
        ("sh", "-c", "nft flush ruleset"),
        ("sh", "-c", "nft delete table ip6 filter"),
        ("/usr/lib/ufw/ufw-init", "force-stop"),
    ],
    ids=" ".join,
)
def test_drift_is_seen_and_repaired(site: Site, disturbance: tuple[str, ...]) -> None:
    site.router.program("ufw", "allow", "8080/tcp")
    site.router.program(*disturbance)
    site.router.call(site.host.look)
    assert site.differences(Firewall())
    site.load(site.appliance)
    assert site.differences(Firewall()) == ()
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)
    assert tcp(site.outside, site.router, PI_TUNNEL, 8080)  # the user's own rule is back as well
    assert "[UFW BLOCK]" in site.router.program("ip6tables", "-S", "appliance-deny")
    assert tcp(site.inside, site.outside, OUTSIDE, 443)


@pytest.mark.parametrize(
    ("disturbance", "told"),
    [
        ("iptables -P INPUT ACCEPT", "the policy of INPUT was ACCEPT"),
        ("ip6tables -P FORWARD ACCEPT", "the policy of FORWARD was ACCEPT"),
        ("ip6tables -F INPUT", "INPUT did not lead to ufw6-before-logging-input and 6 more"),
        ("iptables -D INPUT -j ufw-before-input", "INPUT did not lead to ufw-before-input"),
        ("ip6tables -t mangle -A FORWARD -j appliance-mss", "FORWARD led to appliance-mss more than once"),
        ("ip6tables -t mangle -F; ip6tables -t mangle -X", "the table mangle was flushed"),
        ("ip6tables -F ufw6-reject-input; ip6tables -X ufw6-reject-input; true", "ufw6-reject-input had no rules"),
        ("iptables -I ufw-before-input -j ACCEPT", "ufw-before-input had other rules"),
        ("nft delete table ip6 filter", "the policy of INPUT was ACCEPT, the policy of FORWARD was ACCEPT, "),
        ("/usr/lib/ufw/ufw-init force-stop", "the policy of INPUT was ACCEPT, the policy of FORWARD was ACCEPT, "),
    ],
)
def test_what_was_changed_is_said(site: Site, disturbance: str, told: str) -> None:
    site.router.program("ufw", "allow", "8080/tcp")
    site.router.call(site.host.look)
    site.load(site.appliance)
    site.router.program("sh", "-c", disturbance)
    site.router.call(site.host.look)
    deeds = [str(deed) for change in site.differences(Firewall()) for deed in Firewall().actions(change)]
    assert any(f", repaired: {told}" in deed for deed in deeds), deeds


def test_what_is_loaded_because_others_are_wanted_is_no_repair(site: Site) -> None:
    site.router.program("ufw", "allow", "8080/tcp")
    site.router.call(site.host.look)
    deeds = [str(deed) for change in site.differences(Firewall()) for deed in Firewall().actions(change)]
    assert deeds == ["load the firewall's IPv4 rules", "load the firewall's IPv6 rules"]


def place_of(site: Site, program: str, chain: str, words: str) -> str:
    """The number of a chain's first rule with these words."""
    rules = [line for line in site.router.program(program, "-S", chain).splitlines() if line.startswith("-A")]
    return str(1 + next(number for number, rule in enumerate(rules) if words in rule))


REPLACED = {
    "replaced": "{program} -R {chain} {place} -j ACCEPT",
    "one deleted, one inserted": "{program} -D {chain} {place}; {program} -I {chain} -j ACCEPT",
}


def open_by_exchange(site: Site, program: str, how: str) -> None:
    """Have a chain accept everything that has as many rules as before, the same jumps, and the version's comment."""
    chain = "ufw-before-input" if program == "iptables" else "ufw6-before-input"
    place = place_of(site, program, chain, "--ctstate INVALID")
    site.router.program("sh", "-ec", REPLACED[how].format(program=program, chain=chain, place=place))


@pytest.mark.parametrize("how", REPLACED)
@pytest.mark.parametrize(("program", "address"), [("iptables", "203.0.113.5"), ("ip6tables", PI_TUNNEL)])
def test_a_rule_that_is_exchanged_is_seen_and_repaired(site: Site, program: str, address: str, how: str) -> None:
    open_by_exchange(site, program, how)
    assert tcp(site.outside, site.router, address, 22)
    site.router.call(site.host.look)
    assert site.differences(Firewall())
    site.load(site.appliance)
    assert site.differences(Firewall()) == ()
    assert not tcp(site.outside, site.router, address, 22)


def test_rules_in_another_order_are_others(site: Site) -> None:
    place = place_of(site, "ip6tables", "ufw6-before-forward", "--ctstate INVALID")
    rule = ("ufw6-before-forward", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    site.router.program("ip6tables", "-D", "ufw6-before-forward", place)
    site.router.program("ip6tables", "-A", *rule)
    site.router.call(site.host.look)
    assert site.differences(Firewall())


def test_a_rule_in_a_chain_that_has_none_is_seen(site: Site) -> None:
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)
    site.router.program("ip6tables", "-A", "ufw6-before-logging-input", "-j", "ACCEPT")
    assert tcp(site.outside, site.router, PI_TUNNEL, 22)
    site.router.call(site.host.look)
    site.load(site.appliance)
    assert site.differences(Firewall()) == ()
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)


def test_what_packets_count_is_no_change(site: Site) -> None:
    assert tcp(site.inside, site.outside, OUTSIDE, 443)
    assert not tcp(site.outside, site.router, "203.0.113.5", 22)
    site.router.call(site.host.look)
    assert site.differences(Firewall()) == ()


@pytest.mark.parametrize("program", ["iptables", "ip6tables"])
def test_what_was_exchanged_before_the_daemon_started_is_put_right(site: Site, program: str) -> None:
    """Nobody knows what ufw has loaded at boot, so it is loaded once more: connections live on."""
    open_by_exchange(site, program, "replaced")
    site.host = site.router.call(lambda: Host(Netlink(), None))
    assert len(site.differences(Firewall())) == 2
    with kept_connection(site) as still_works:
        site.load(site.appliance)
        assert still_works()
    assert site.differences(Firewall()) == ()
    assert not tcp(site.outside, site.router, "203.0.113.5", 22)
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)


@contextmanager
def kept_connection(site: Site) -> Iterator[Callable[[], bool]]:
    """One from the inside to the outside; whether something still comes through."""

    def listen() -> socket.socket:
        made = socket.socket(socket.AF_INET6)
        made.bind((OUTSIDE, 443))
        made.listen()
        return made

    with (
        closing(site.outside.call(listen)) as listener,
        closing(site.inside.call(socket.create_connection, (OUTSIDE, 443), TIMEOUT_S)) as client,
    ):
        accepted, _ = site.outside.call(listener.accept)
        with closing(accepted):
            accepted.settimeout(TIMEOUT_S)

            def works() -> bool:
                client.sendall(b"still here")
                return accepted.recv(100) == b"still here"

            yield works


def test_a_change_at_the_moment_of_the_load_is_not_taken_for_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the exchange and the look at what came of it, somebody else is quicker."""
    told = Iptables._told
    meddling = [True]

    def meddled(self: Iptables, family: int) -> Ruleset:
        if family == 6 and meddling:
            meddling.clear()
            place = place_of_now("ufw6-before-input")
            run(["ip6tables", "-R", "ufw6-before-input", place, "-j", "ACCEPT"])
        return told(self, family)

    def place_of_now(chain: str) -> str:
        lines = run(["ip6tables", "-S", chain]).splitlines()
        return str(next(number for number, line in enumerate(lines) if "--ctstate INVALID" in line))

    wanted = {want.family: want for want in Firewall().desired(site.appliance, site.router.call(site.host.facts))}
    kernel = site.router.call(site.host.rules, 6)
    site.host._iptables._known.clear()  # as in a daemon that has just started: all is loaded
    monkeypatch.setattr(Iptables, "_told", meddled)
    site.router.call(site.host._iptables.load, 6, wanted[6].text, kernel)
    assert tcp(site.outside, site.router, PI_TUNNEL, 22)
    site.router.call(site.host.look)
    assert site.differences(Firewall())
    site.load(site.appliance)
    assert site.differences(Firewall()) == ()
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)


MASQUERADE = "-A POSTROUTING -s 10.8.0.0/24 -o eth0 -j MASQUERADE"


def test_a_users_rule_in_a_built_in_chain_is_there_once(site: Site) -> None:
    """As many guides have it: ufw's after.rules is the place for it."""
    path = "/etc/ufw/after.rules"
    rules = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{MASQUERADE}\nCOMMIT\n"
    site.router.program("sh", "-ec", f"cat >> {path}", stdin=rules)
    for _ in range(3):
        reload(site)
        assert site.differences(Firewall()) == ()
    nat = site.router.program("iptables", "-t", "nat", "-S", "POSTROUTING").splitlines()
    assert nat.count(MASQUERADE) == 1
    assert "-A POSTROUTING -j appliance-nat" not in nat  # which has no rule
    site.router.program("iptables", "-t", "nat", "-I", "POSTROUTING", "-j", "RETURN", "-s", "192.0.2.1")  # another's
    site.router.call(site.host.look)
    assert site.differences(Firewall()) == ()


OTHERS = """
iptables -N theirs; iptables -A theirs -s 192.0.2.7 -j RETURN
iptables -I INPUT 3 -j theirs; iptables -A INPUT -j theirs -s 192.0.2.8; iptables -I INPUT -j theirs -s 192.0.2.6
iptables -t nat -N theirs; iptables -t nat -I POSTROUTING -j theirs; iptables -t nat -A theirs -j MASQUERADE
iptables -t mangle -I FORWARD -j RETURN -s 192.0.2.9; ufw allow 8080/tcp
"""
DISTURBANCES = (
    "iptables -P INPUT ACCEPT",
    "iptables -F ufw-before-input; iptables -F ufw-user-input",
    "iptables -P FORWARD ACCEPT; iptables -F ufw-before-forward",
    "iptables -t nat -A POSTROUTING -j appliance-nat",
    "ip6tables -t mangle -D FORWARD -j appliance-mss",
    "iptables -A ufw-before-input -j ACCEPT",
    "iptables -D INPUT -j ufw-before-input",
)


def test_a_hundred_repairs_leave_others_rules_where_they_are_and_double_nothing(site: Site) -> None:
    def rules() -> list[str]:
        text = site.router.program("iptables-save")
        return re.sub(r"\[\d+:\d+\]|^#.*$", "", text, flags=re.M).splitlines()

    def theirs() -> list[str]:
        return [line for line in rules() if "theirs" in line or "192.0.2" in line]

    for line in OTHERS.strip().splitlines():
        site.router.program("sh", "-ec", line)
    before, their_order = sorted(rules()), theirs()
    assert len(their_order) == 9
    for number in range(100):
        site.router.program("sh", "-ec", DISTURBANCES[number % len(DISTURBANCES)])
        site.router.call(site.host.look)
        assert site.differences(Firewall())
        site.load(site.appliance)
        assert site.differences(Firewall()) == ()
    assert sorted(rules()) == before
    assert theirs() == their_order
    assert tcp(site.outside, site.router, PI_TUNNEL, 8080)


@pytest.mark.parametrize("family", [4, 6])
def test_once_it_is_shut_it_stays_shut_while_it_is_repaired(site: Site, family: int) -> None:
    """Looked at all the time, by another: from what somebody opened to what is right, it is shut once."""
    program = "iptables" if family == 4 else "ip6tables"
    other = site.router.call(Nftables)
    ended, seen = threading.Event(), list[bool]()

    def look() -> None:
        while not ended.is_set():
            seen.append(other.ruleset(family).is_closed)

    for table in ("filter", "everything"):
        gone = ["nft", "delete", "table", "ip" if family == 4 else "ip6", "filter"]
        site.router.program(*(gone if table == "filter" else ["nft", "flush", "ruleset"]))
        site.router.program(program, "-P", "INPUT", "ACCEPT")
        ended.clear()
        seen.clear()
        looking = threading.Thread(target=look)
        looking.start()
        site.router.call(site.host.look)
        site.load(site.appliance)
        ended.set()
        looking.join()
        assert seen == sorted(seen)
        assert seen[-1]
        assert site.differences(Firewall()) == ()
    other.close()


def test_a_pi_without_a_lan_admits_ssh_from_its_own_network_only(site: Site, gateway: Appliance) -> None:
    rescue = replace(gateway, uplink=Uplink(interface="eth0"), lan=None, tunnel=None)
    site.load(rescue)
    assert tcp(site.inside, site.router, PI_IPV4, 22)
    assert not tcp(site.inside, site.router, PI_IPV4, 53)
    assert not tcp(site.inside, site.router, PI_LAN, 22)
    assert not tcp(site.outside, site.router, "203.0.113.5", 22)


def test_rules_that_cannot_be_loaded_leave_the_box_shut(site: Site) -> None:
    """Whatever is wrong with them: what shuts the box goes in by itself, and first."""
    for program in ("iptables", "ip6tables"):
        site.router.program(program, "-P", "INPUT", "ACCEPT")
        site.router.program(program, "-F", "INPUT")
    assert tcp(site.outside, site.router, PI_TUNNEL, 22)
    site.router.call(site.host.look)  # as the daemon does when it is told of a change
    with pytest.raises(TemporaryError, match="ip6tables-restore"):
        site.router.call(site.host.execute, LoadRules(6, "*filter\n-A nonsense -j NOWHERE\nCOMMIT\n"))
    assert not tcp(site.outside, site.router, PI_TUNNEL, 22)


def test_file_state_is_what_the_daemon_wrote(site: Site) -> None:
    state = site.router.call(site.host.read, Path("/etc/ufw/before.rules"))
    assert isinstance(state, FileState)
    assert state.mode == 0o640
