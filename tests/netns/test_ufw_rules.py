"""Rules made with the real ufw: what is told of them is what the kernel does, and counts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES, Action, Group
from firstboot.policy.told import rows
from firstboot.rendered.ufw import other_paths
from tests.netns.crossing import OUTSIDE, TUNNEL, Crossing, appliance_with, crossing
from tests.netns.generated_policies import TWO_ARMS, batches
from tests.netns.ufw_files import own_lock

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parent.parent.parent
OVERLAY = ROOT / "overlays" / "base" / "etc"
PACKAGED = Path("/usr/share/ufw/iptables")
PROFILE = "[Web Server]\ntitle=a web server\ndescription=for tests\nports=80,443/tcp|443/udp\n"
RULES = (
    "allow 8080/tcp",
    "deny 8080",
    "reject 443/tcp",
    "allow 25",
    "limit 22/tcp",
    "allow log 53/udp",
    "allow Web%20Server",
    "allow proto tcp from 198.51.100.0/24 to any port 22,25",
    "allow in on eth0 to any port 8080",
    "allow in on he-ipv6 to any port 5353 proto udp",
    "deny in on eth1 to any port 53",
    "allow from 2001:db8:eeee::/48",
    "deny out 25/tcp",
    "reject out to 198.51.100.7",
    "route allow proto tcp from any to 192.168.2.20 port 80",
    "route allow in on he-ipv6 out on eth1 to any port 8080",
    "route deny from 2001:db8:ffff::80",
    "route reject in on eth1 out on eth0 to any port 25",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    folder = tmp_path_factory.mktemp("ufw")
    with crossing(folder) as made:
        _give_ufw(made, folder / "etc")
        yield made


def _give_ufw(site: Crossing, etc: Path) -> None:
    """Its files as they are in the image, for the router alone."""
    shutil.copytree(OVERLAY / "ufw", etc)
    for name in ("before.rules", "before6.rules", "after.rules", "after6.rules"):
        shutil.copy(PACKAGED / name, etc / name)
    (etc / "applications.d").mkdir(exist_ok=True)
    (etc / "applications.d" / "web").write_text(PROFILE)
    own_lock(site.router)
    site.router.program("mount", "--bind", str(etc), "/etc/ufw")
    site.router.program("mount", "--bind", str(OVERLAY / "default" / "ufw"), "/etc/default/ufw")


def with_rules(site: Crossing, rules: list[str]) -> None:
    """Begin anew, have ufw make these, and look at its files."""
    for name in ("user.rules", "user6.rules"):
        site.router.program("sh", "-ec", f"cat > /etc/ufw/{name}", stdin=(OVERLAY / "ufw" / name).read_text())
    look(site)
    site.load(appliance_with(""))
    for rule in rules:
        site.router.program("ufw", *(word.replace("%20", " ") for word in rule.split()))
    look(site)


def look(site: Crossing) -> None:
    """Let the facts have what ufw would load."""
    texts = {family: site.router.program("cat", *map(str, other_paths(family))) for family in FAMILIES}
    site.facts = replace(site.facts, other_rules=texts)


# Nothing is made smaller: each try takes ufw seconds.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],
)
@given(
    rules=st.lists(st.sampled_from(RULES), unique=True, min_size=2, max_size=6),
    sent=batches(TWO_ARMS, 120),
)
def test_what_is_said_of_users_rules_the_kernel_does(site: Crossing, rules: list[str], sent: list[Packet]) -> None:
    with_rules(site, rules)
    policy = policy_of(appliance_with(""), site.facts)
    assert all(rule.action is not Action.UNKNOWN for rule in policy.rules)
    expected = [decide(policy, packet) for packet in sent]
    for packet, decision, passed in zip(sent, expected, site.passing(sent), strict=True):
        assert passed == (decision.action is Action.ALLOW), (rules, packet, decision)


@pytest.mark.parametrize("rule", RULES)
def test_each_is_known_by_the_words_that_ufw_itself_has_for_it(site: Crossing, rule: str) -> None:
    with_rules(site, [rule])
    shown = site.router.program("ufw", "show", "added").splitlines()[1:]
    told = [each.note for each in policy_of(appliance_with(""), site.facts).rules if each.group is Group.UFW]
    assert {note.partition(";")[0].removeprefix("ufw rule: ") for note in told} == {
        line.removeprefix("ufw ") for line in shown
    }


def test_a_rule_of_the_users_survives_a_load_and_counts(site: Crossing) -> None:
    with_rules(site, ["allow 8443/tcp", "deny 25"])
    site.load(appliance_with("firewall:\n  allow_in: [{to: 192.168.2.20, tcp: 443}]\n"))
    sent = [
        Packet(ip_address("198.51.100.7"), ip_address("203.0.113.5"), "tcp", OUTSIDE, port=8443),
        Packet(ip_address("2001:db8:eeee::7"), ip_address("2001:db8:123c:abd::2"), "tcp", TUNNEL, port=8443),
        Packet(ip_address("198.51.100.7"), ip_address("203.0.113.5"), "udp", OUTSIDE, port=25),
        Packet(ip_address("198.51.100.7"), ip_address("203.0.113.5"), "tcp", OUTSIDE, port=26),
    ]
    assert site.passing(sent) == [True, True, False, False]
    policy = policy_of(appliance_with(""), site.facts)
    counts = {family: site.router.call(site.iptables.counts, family) for family in FAMILIES}
    web, mail, rest = rows(policy, {}, counts)[-3:]
    assert (web.note, web.action, web.packets) == ("ufw rule: allow 8443/tcp", "allow", 2)
    assert (mail.note, mail.action, mail.packets) == ("ufw rule: deny 25", "drop", 1)
    assert rest.packets is not None
    assert rest.packets >= 1
