"""What nf_tables tells is what iptables-save prints; and the firewall is shut by one message, whatever there is."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import TemporaryError
from appliance.parse import load
from firstboot.facts import Facts
from firstboot.iptables import Iptables, legacy_tables
from firstboot.nftables import Nftables
from firstboot.resources.firewall import Firewall
from firstboot.rulesets import CLOSING, Ruleset, counts, hooked, hooks, mark_of, parse, restoring
from tests.firstboot.conftest import EXAMPLES
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = {4: "iptables", 6: "ip6tables"}
OTHERS = {
    4: ("/usr/share/ufw/iptables/after.rules", f"{ROOT}/overlays/base/etc/ufw/user.rules"),
    6: ("/usr/share/ufw/iptables/after6.rules", f"{ROOT}/overlays/base/etc/ufw/user6.rules"),
}


@pytest.fixture
def nftables(namespace: Namespace) -> Iterator[Nftables]:
    made = namespace.call(Nftables)
    yield made
    made.close()


def listed(namespace: Namespace, family: int) -> Ruleset:
    return parse(namespace.program(f"{PROGRAMS[family]}-save"))


def ours(example: str) -> dict[int, str]:
    other = {family: "".join(Path(path).read_text() for path in paths) for family, paths in OTHERS.items()}
    wanted = Firewall().desired(load(EXAMPLES / f"{example}.yaml").appliance, Facts(other_rules=other))
    return {want.family: want.text for want in wanted}


def put_in(namespace: Namespace, family: int, text: str) -> None:
    namespace.program(f"{PROGRAMS[family]}-restore", "--noflush", stdin=text)


@pytest.mark.parametrize("example", ["gateway", "gadget"])
def test_our_rules_are_told_as_they_are_listed(namespace: Namespace, nftables: Nftables, example: str) -> None:
    for family, text in ours(example).items():
        assert nftables.ruleset(family) == Ruleset() == listed(namespace, family)  # no table is there yet
        put_in(namespace, family, CLOSING + restoring(text, Ruleset(), family))
        told = nftables.ruleset(family)
        assert told == listed(namespace, family)
        assert told.is_closed
        assert told.version == parse(text).version != ""
        assert restoring(text, told, family) == restoring(text, listed(namespace, family), family)


FOREIGN = [
    "iptables -P INPUT ACCEPT",
    "iptables -t mangle -P OUTPUT DROP",
    "iptables -I INPUT -j ufw-before-input",
    "iptables -A INPUT -g ufw-before-input",
    "iptables -A INPUT -m conntrack --ctstate NEW -j ufw-before-input",
    "iptables -A INPUT -m comment --comment appliance -j ufw-before-input",
    "iptables -A ufw-before-input -m comment --comment 'appliance abcd' -j ufw-user-input",
    "iptables -A ufw-before-input -m comment --comment 'x --comment \"appliance abcde\" y'",
    "iptables -A ufw-before-input -m comment --comment 'one two' -m comment --comment 'appliance abcdef'",
    "iptables -N other; iptables -A other; iptables -A other -j RETURN; iptables -A other -j LOG",
    "iptables -I FORWARD -j other",
    "iptables -t nat -N other; iptables -t nat -A POSTROUTING -j MASQUERADE; iptables -t nat -A POSTROUTING -j other",
    "iptables -t raw -A PREROUTING -p udp -j NOTRACK",
    "nft add rule ip filter INPUT jump ufw-before-input",
    "nft add rule ip filter INPUT counter jump ufw-before-input comment '\"appliance abc12\"'",
    "nft add rule ip filter ufw-before-input counter comment '\"appliance abc12\"'",
    "nft add rule ip filter INPUT tcp dport 22 accept",
    "iptables -F ufw-before-input",
    "iptables -F",
    "nft delete table ip nat",
    "nft flush ruleset",
]

FOREIGN_TO_IPTABLES = [
    "nft add table ip other; nft add chain ip other INPUT '{ type filter hook input priority 1; policy drop; }'",
    "nft add rule ip other INPUT counter accept",
    "nft add table inet filter; nft add chain inet filter INPUT '{ type filter hook input priority 1; policy drop; }'",
    "nft add table ip security; nft add chain ip security empty",
]


def test_what_others_do_is_told_as_it_is_listed(namespace: Namespace, nftables: Nftables) -> None:
    put_in(namespace, 4, CLOSING + restoring(ours("gateway")[4], Ruleset(), 4))
    before = nftables.ruleset(4)
    for command in (*FOREIGN_TO_IPTABLES, *FOREIGN):
        namespace.program("sh", "-ec", command)
        told = nftables.ruleset(4)
        assert told == listed(namespace, 4), command
        assert (told == before) == (command in FOREIGN_TO_IPTABLES), command
        before = told
    assert before == Ruleset()


def test_what_rules_have_counted_is_told_as_it_is_listed(namespace: Namespace, nftables: Nftables) -> None:
    put_in(namespace, 4, CLOSING + restoring(ours("gateway")[4], Ruleset(), 4))
    namespace.program("ping", "-c", "3", "-q", "127.0.0.1")
    told = nftables.counts(4)
    assert told == counts(namespace.program("iptables-save", "--counters"))
    assert max(packets for each in told.values() for packets, _ in each) >= 6
    namespace.program("nft", "add", "rule", "ip", "filter", "INPUT", "accept")
    assert nftables.counts(4)["filter", "INPUT"][-1] == (0, 0), "nft's own need not count"


def test_rules_that_iptables_cannot_list_hide_no_others(namespace: Namespace, nftables: Nftables) -> None:
    """One of nft's own in a table, and iptables-save prints nothing of it; iptables-restore has no trouble with it."""
    put_in(namespace, 4, CLOSING + restoring(ours("gateway")[4], Ruleset(), 4))
    before = nftables.ruleset(4)
    namespace.program("nft", "add", "rule", "ip", "filter", "INPUT", "ct", "state", "new", "accept")
    assert not listed(namespace, 4).is_closed
    told = nftables.ruleset(4)
    assert (told.version, told.dropping, told.jumps) == (before.version, before.dropping, before.jumps)
    assert told.counts - before.counts == {("filter", "INPUT"): 1}


CHAINS = ("INPUT", "FORWARD", "one", "ufw-before-input")
MATCHES = ("", "-p tcp --dport 22", "-i lo", "-m comment --comment 'a b'", "-m comment --comment 'appliance abc'")
TARGETS = ("", "-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", "-j two", "-g two", "-j REJECT")
RULES = st.lists(
    st.tuples(st.sampled_from(CHAINS), st.sampled_from(MATCHES), st.sampled_from(TARGETS)).map(" ".join), max_size=8
)


def test_any_rules_are_told_as_they_are_listed(namespace: Namespace, nftables: Nftables) -> None:
    @settings(max_examples=25, deadline=None)
    @given(family=st.sampled_from((4, 6)), policy=st.sampled_from(("ACCEPT", "DROP")), rules=RULES)
    def holds(family: int, policy: str, rules: list[str]) -> None:
        chains = [f":INPUT {policy}", ":one -", ":two -", ":ufw-before-input -"]
        lines = ["*filter", *chains, *(f"-A {rule}".replace("'", '"') for rule in rules), "COMMIT\n"]
        namespace.program(f"{PROGRAMS[family]}-restore", stdin="\n".join(lines))
        assert nftables.ruleset(family) == listed(namespace, family)

    holds()


def test_what_is_told_is_of_one_moment(namespace: Namespace, nftables: Nftables) -> None:
    """Somebody exchanges all rules again and again; each time they were all there, or none of them."""
    many = [f"-A one -s 10.0.{number // 256}.{number % 256} -j two" for number in range(300)]
    whole = "\n".join(["*filter", ":INPUT ACCEPT", ":one -", ":two -", "-A INPUT -j one", *many, "COMMIT\n"])
    namespace.program("iptables-restore", stdin=whole)
    full = nftables.ruleset(4)
    namespace.program("iptables-restore", stdin="*filter\n:INPUT ACCEPT\nCOMMIT\n")
    assert nftables.ruleset(4) == Ruleset()
    ended, seen = threading.Event(), list[Ruleset]()

    def look() -> None:
        while not ended.is_set():
            seen.append(nftables.ruleset(4))

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(30):
        for rules in (whole, "*filter\n:INPUT ACCEPT\nCOMMIT\n"):
            namespace.program("iptables-restore", stdin=rules)
            time.sleep(0.03)
    ended.set()
    looking.join()
    assert full in seen
    assert all(each in (full, Ruleset()) for each in seen)


OPEN = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("before", ["", OPEN, "*nat\nCOMMIT\n"], ids=["no table", "open", "another table"])
def test_it_is_shut_as_iptables_shuts_it(namespace: Namespace, nftables: Nftables, family: int, before: str) -> None:
    rules = [line for line in before.splitlines() if line.startswith("-A")]
    if before:
        put_in(namespace, family, before)
    nftables.shut(family)
    nftables.shut(family)
    assert nftables.ruleset(family).is_closed
    assert namespace.program(PROGRAMS[family], "-S").splitlines() == [
        "-P INPUT DROP",
        "-P FORWARD DROP",
        "-P OUTPUT ACCEPT",
        *(rule.replace("--dport", "-m tcp --dport") for rule in rules),
    ]
    put_in(namespace, family, CLOSING + restoring(ours("gateway")[family], Ruleset(), family))


def test_what_the_kernel_has_against_it_is_said(namespace: Namespace, nftables: Nftables) -> None:
    namespace.program("sh", "-ec", "nft add table ip filter; nft add chain ip filter FORWARD")  # it has no hook
    with pytest.raises(TemporaryError, match=r"looking at the firewall's rules \(nf_tables\): "):
        nftables.shut(4)
    assert nftables.ruleset(4) == Ruleset()  # all of it, or nothing
    nftables.shut(6)
    assert nftables.ruleset(6).is_closed


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_right_is_not_loaded_again(namespace: Namespace, family: int) -> None:
    """Of the other chains, no rule is another one: a new one's counter would begin anew."""
    iptables, text = namespace.call(Iptables), ours("gateway")[family]
    namespace.call(lambda: iptables.load(family, text, iptables.rules(family)))
    chain, other = [f"{'ufw' if family == 4 else 'ufw6'}-before-{direction}" for direction in ("input", "output")]
    namespace.program("ip", "link", "set", "lo", "up")
    namespace.call(send_to_itself, family)
    told = namespace.call(iptables.rules, family)
    assert told.loaded == mark_of(text), "a counter is nobody's change"
    namespace.program(PROGRAMS[family], "-F", chain)
    namespace.call(lambda: iptables.load(family, text, iptables.rules(family)))
    assert namespace.call(iptables.rules, family) == told
    saved = namespace.program(f"{PROGRAMS[family]}-save", "-c").splitlines()
    [counted] = [line for line in saved if line.endswith(f"-A {other} -o lo -j ACCEPT")]
    assert not counted.startswith("[0:0]")


def send_to_itself(family: int) -> None:
    with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1" if family == 4 else "::1", 9))


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("chain", ["appliance-mss", "appliance-nat"])
def test_a_chain_that_was_deleted_is_made_again(namespace: Namespace, family: int, chain: str) -> None:
    """Also one that had no rules."""
    iptables, text = namespace.call(Iptables), ours("gateway")[family]
    namespace.call(lambda: iptables.load(family, text, iptables.rules(family)))
    told = namespace.call(iptables.rules, family)
    [(table, hook)] = [(table, hook) for table, hook, target in hooks(family) if target == chain]
    namespace.program("sh", "-c", f"{PROGRAMS[family]} -t {table} -D {hook} -j {chain}; true")
    namespace.program(
        "sh", "-ec", f"{PROGRAMS[family]} -t {table} -F {chain}; {PROGRAMS[family]} -t {table} -X {chain}"
    )
    namespace.call(lambda: iptables.load(family, text, iptables.rules(family)))
    assert namespace.call(iptables.rules, family) == told


@pytest.mark.parametrize("family", [4, 6])
def test_the_legacy_iptables_is_asked_itself(namespace: Namespace, nftables: Nftables, family: int) -> None:
    namespace.program("mount", "--bind", "/usr/sbin/xtables-legacy-multi", "/usr/sbin/xtables-nft-multi")
    try:
        namespace.program(PROGRAMS[family], "-S")
    except AssertionError as error:
        pytest.skip(f"this kernel has no legacy iptables: {error}")
    iptables, text = namespace.call(Iptables), ours("gateway")[family]
    for _ in range(2):
        namespace.call(lambda: iptables.load(family, text, iptables.rules(family)))
    told = namespace.call(iptables.rules, family)
    assert told.is_closed
    assert told.version == parse(text).version
    assert told.jumps == listed(namespace, family).jumps
    assert all(told.jumps[hook] == count for hook, count in hooked(text, family).items())
    namespace.program(PROGRAMS[family], "-P", "INPUT", "ACCEPT")
    assert not namespace.call(iptables.rules, family).is_closed
    namespace.call(iptables.shut, family)
    assert namespace.call(iptables.rules, family) == told
    assert nftables.ruleset(family) == Ruleset()
    chain = "ufw-before-input" if family == 4 else "ufw6-before-input"
    assert told.loaded == mark_of(text)
    namespace.program(PROGRAMS[family], "-R", chain, "3", "-j", "ACCEPT")
    changed = namespace.call(iptables.rules, family)
    assert (changed.counts, changed.version, changed.loaded) == (told.counts, told.version, "")
    namespace.call(lambda: iptables.load(family, text, changed))
    assert namespace.call(iptables.rules, family) == told


def test_who_may_not_look_is_told_so(namespace: Namespace) -> None:
    script = "from firstboot.nftables import Nftables; Nftables().ruleset(4)"
    without = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    argv = [*without, sys.executable, "-c", script]
    finished = namespace.call(subprocess.run, argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "looking at the firewall's rules (nf_tables): Operation not permitted" in finished.stderr


@pytest.mark.parametrize("family", [4, 6])
def test_tables_of_the_legacy_iptables_are_seen_beside_them(namespace: Namespace, family: int) -> None:
    assert namespace.call(legacy_tables, family) == []
    namespace.program(f"{PROGRAMS[family]}-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "DROP")
    assert namespace.call(legacy_tables, family) == ["filter"]
    assert namespace.call(legacy_tables, 10 - family) == []
