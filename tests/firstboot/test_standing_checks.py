"""What `appliance check` says of standing rules is what the policy has: each that comes first is told of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.errors import ConfigError
from appliance.parse import parse_text
from firstboot.facts import Facts, Link
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, Group, Rule, Traffic

TWO_ARMED = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
lan: {interface: eth1, address: 192.168.2.1/24}
"""
OFFLINE = "profile: gadget\nssh: {authorized_keys: []}\ngadget: {network: 10.55.0.1/28, functions: [ecm]}\n"
SITES = {
    "gateway": (TWO_ARMED, Facts(links={name: Link(name) for name in ("eth0", "eth1", "he-ipv6")})),
    "gadget": (OFFLINE, Facts(serial="10000000deadbeef", gadget_ports={"ecm": "usb0"})),
}


def said(config: str, rule: str) -> list[str]:
    try:
        found = parse_text(f"{config}firewall: {{rules: [{rule}]}}\n".encode(), "a.yaml").warnings
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(warning) for warning in found]


def named(rule: Rule) -> Iterator[str]:
    """The same rule as one of one's own would say it, of each service that it can name, to deny it."""
    for traffic in rule.traffic:
        if (port := _port(traffic)) is not None:
            yield f"{{from: {rule.from_}, to: {rule.to}, port: {port}, action: deny}}"


def _port(traffic: Traffic) -> str | None:
    if traffic.protocol == "icmp":
        return "icmp"
    return f"{traffic.protocol}/{traffic.ports}" if traffic.ports is not None else None


@pytest.mark.parametrize("site", SITES)
def test_whoever_denies_what_comes_before_is_told(site: str) -> None:
    config, facts = SITES[site]
    rules = policy_of(parse_text(config.encode(), "a.yaml").appliance, facts).rules
    standing = [rule for rule in rules if rule.group in (Group.LINKS, Group.CONTROL) and rule.action is Action.ALLOW]
    written = [each for rule in standing for each in named(rule)]
    assert any("icmp" in rule for rule in written)
    assert any("udp/67" in rule for rule in written)
    untold = [
        rule for rule in written if not any("standing rules come before it" in line for line in said(config, rule))
    ]
    assert not untold


@pytest.mark.parametrize("port", ["tcp/22", "udp/53", "udp/123", "tcp/443"])
def test_of_what_does_not_come_before_nothing_is_said(port: str) -> None:
    found = said(TWO_ARMED, f"{{from: inside, to: box, port: {port}, action: deny}}")
    assert not any("standing rules" in line for line in found)
