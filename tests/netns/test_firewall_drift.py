"""Whatever somebody does to the firewall of a living daemon is put right, and said to who asks for the status."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.firstboot.conftest import EXAMPLES
from tests.netns.gateways import NOT_HERE, give_ufw_files, lay_wires
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

SOON_S = 10.0
QUIET_S = 1.5
"""A pass that somebody else interferes with waits for longer each time."""

CONFIG = (EXAMPLES / "gateway.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as namespace:
        lay_wires(namespace)
        made = Living(namespace, tmp_path_factory.mktemp("gateway"), CONFIG, without=NOT_HERE)
        give_ufw_files(namespace)
        with made:
            made.rested()
            yield made


def is_closed(gateway: Living, program: str) -> bool:
    rules = gateway.namespace.program(program, "-S").splitlines()
    return {"-P INPUT DROP", "-P FORWARD DROP"} < set(rules) and any("appliance-deny" in line for line in rules)


def repairs(gateway: Living) -> set[str]:
    """What `appliance status` says of them, which `--json` says as well."""
    found = json.loads(gateway.namespace.program("cat", "/run/appliance/status.json"))["repairs"]
    text = gateway.namespace.program("cat", "/run/appliance/status.txt")
    return {line for line in found if line in text}


def test_a_rule_of_the_users_is_no_repair(gateway: Living) -> None:
    before = repairs(gateway)
    gateway.namespace.program("ufw", "allow", "8443/tcp")
    gateway.rested(QUIET_S)
    assert "8443" in gateway.namespace.program("iptables", "-S", "ufw-user-input")
    assert repairs(gateway) == before


def test_ufw_can_be_reloaded_while_the_daemon_puts_things_right(gateway: Living) -> None:
    """Neither fills what the other one empties: ufw would end with an error."""
    for _ in range(3):
        gateway.namespace.program("ufw", "reload")
        assert soon(lambda: is_closed(gateway, "iptables") and is_closed(gateway, "ip6tables"), within_s=SOON_S)


@pytest.mark.parametrize(
    ("disturbance", "said"),
    [
        ("iptables -P INPUT ACCEPT", "firewall: shut the firewall for IPv4, repaired: the policy of INPUT was ACCEPT"),
        ("ip6tables -P OUTPUT DROP", "firewall: shut the firewall for IPv6, repaired: the policy of OUTPUT was DROP"),
        ("ip6tables -F ufw6-before-input", "ufw6-before-input had no rules"),
        ("iptables -F INPUT", "INPUT did not lead to ufw-before-logging-input and 6 more"),
        ("nft flush ruleset", "the policy of FORWARD was ACCEPT, the table filter was flushed"),
        ("ufw disable", "ufw: write /etc/ufw/ufw.conf, repaired: ENABLED was no"),
        ("ufw default allow incoming", 'ufw: write /etc/default/ufw, repaired: DEFAULT_INPUT_POLICY was "ACCEPT"'),
    ],
)
def test_it_is_put_right_and_said(gateway: Living, disturbance: str, said: str) -> None:
    before = repairs(gateway)
    # ufw does not like to be interfered with, and may end with an error.
    gateway.namespace.program("sh", "-c", f"{disturbance} || true")
    assert soon(lambda: any(said in line for line in repairs(gateway) - before), within_s=SOON_S), repairs(gateway)
    gateway.rested(QUIET_S)
    assert is_closed(gateway, "iptables")
    assert is_closed(gateway, "ip6tables")
    assert "ENABLED=yes" in gateway.namespace.program("cat", "/etc/ufw/ufw.conf")
    assert 'DEFAULT_INPUT_POLICY="DROP"' in gateway.namespace.program("cat", "/etc/default/ufw")
