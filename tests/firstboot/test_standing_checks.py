"""What `appliance check` says of standing rules is what the policy has: each that comes first is told of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pytest

from appliance.addresses import is_within
from appliance.errors import ConfigError
from appliance.firewall import Verdict, Zone
from appliance.parse import parse_text
from appliance.services import Protocol, Service
from appliance.standing_checks import Standing, standing
from firstboot.facts import Facts, Link
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, Group, Rule, State, Traffic

TWO_ARMED = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
lan: {interface: eth1, address: 192.168.2.1/24}
"""
SEVERAL = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d::/48"}
lan: {interface: eth1, address: 192.168.2.1/24, others: [{interface: eth2, address: 192.168.3.1/24}]}
"""
OFFLINE = "profile: gadget\nssh: {authorized_keys: []}\ngadget: {network: 10.55.0.1/28, functions: [ecm]}\n"
SITES = {
    "gateway": (TWO_ARMED, Facts(links={name: Link(name) for name in ("eth0", "eth1", "he-ipv6")})),
    "several networks": (SEVERAL, Facts(links={name: Link(name) for name in ("eth0", "eth1", "eth2", "he-ipv6")})),
    "gadget": (OFFLINE, Facts(serial="10000000deadbeef", gadget_ports={"ecm": "usb0"})),
}
ZONES = (Zone.OUTSIDE, Zone.INSIDE, Zone.BOX)
BEFORE = (Group.LINKS, Group.NOISE, Group.MANAGEMENT, Group.CONTROL)
ABOUT_KNOWN = "errors about known connections (RFC 4890)"
"""These are let by as known connections are, which no rule of one's own is about."""


def said(config: str, rule: str) -> list[str]:
    try:
        found = parse_text(f"{config}firewall: {{rules: [{rule}]}}\n".encode(), "a.yaml").warnings
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(warning) for warning in found]


def rules_of(site: str) -> Sequence[Rule]:
    """Those of a site without a section `firewall`."""
    config, facts = SITES[site]
    return policy_of(parse_text(config.encode(), "a.yaml").appliance, facts).rules


def named(rule: Rule) -> Iterator[str]:
    """The same rule as one of one's own would say it, of each service that it can name, to have the opposite done."""
    action = Verdict.DENY if rule.action is Action.ALLOW else Verdict.ALLOW
    for traffic, destination in product(rule.traffic, _destinations(rule)):
        if (port := _port(traffic, destination)) is not None:
            to = f"to: {rule.to}, destination: '{destination}'" if destination else f"to: {rule.to}"
            yield f"{{from: {rule.from_}, {to}, port: {port}, action: {action}}}"


def _destinations(rule: Rule) -> Sequence[str]:
    if rule.traffic[0].broadcast:
        return ["255.255.255.255"]
    return [str(network) for network in rule.destination or ()] or [""]


def _port(traffic: Traffic, destination: str) -> str | None:
    if traffic.protocol == "icmp":
        return "icmp"
    if traffic.protocol == "" and destination:
        return "any"
    return f"{traffic.protocol}/{traffic.ports}" if traffic.ports is not None else None


TOLD = ("standing rules come before it", "firewall.management.ssh_from comes before it")


@pytest.mark.parametrize("site", SITES)
def test_whoever_denies_what_comes_before_is_told(site: str) -> None:
    written = [each for rule in rules_of(site) if rule.group in BEFORE for each in named(rule)]
    for sort in ("icmp", "udp/67", "tcp/22", "224.0.0.0/4", "255.255.255.255"):
        assert any(sort in rule for rule in written), sort
    config, _ = SITES[site]
    untold = [rule for rule in written if not any(told in line for line in said(config, rule) for told in TOLD)]
    assert not untold


@pytest.mark.parametrize("site", SITES)
def test_what_is_said_to_come_before_does(site: str) -> None:
    """Between any two zones that it names, in both families."""
    config, _ = SITES[site]
    claimed = list(standing(parse_text(config.encode(), "a.yaml").appliance))
    rules = rules_of(site)
    assert ABOUT_KNOWN in [each.words for each in claimed]
    made_up = [
        (each.words, from_, to, family)
        for each in claimed
        for from_, to, family in product(_zones(each.from_), _zones(each.to), sorted(each.families))
        if not any(_is_that(rule, each, from_, to, family) for rule in rules)
    ]
    assert not made_up


def _zones(zone: Zone) -> Sequence[Zone]:
    return ZONES if zone is Zone.ANY else (zone,)


def _is_that(rule: Rule, claimed: Standing, from_: Zone, to: Zone, family: int) -> bool:
    """Whether a rule that comes before one's own decides what is claimed of packets from there to there."""
    return (
        rule.group in ((Group.ESTABLISHED,) if claimed.words == ABOUT_KNOWN else BEFORE)
        and rule.has(family)
        and rule.from_.covers(from_)
        and rule.to.covers(to)
        and (rule.action is Action.ALLOW) == (claimed.verdict is Verdict.ALLOW)
        and (_is_narrow(rule) <= claimed.is_part)
        and (claimed.destination is None or _is_to(rule, claimed))
        and any(_has(traffic, claimed.service) for traffic in rule.traffic)
    )


def _is_narrow(rule: Rule) -> bool:
    return bool(
        rule.source or rule.interface or rule.state is not State.ANY or any(each.types for each in rule.traffic)
    )


def _is_to(rule: Rule, claimed: Standing) -> bool:
    """A network's own broadcast address is one that the kernel knows for that."""
    assert claimed.destination is not None
    wide = rule.destination or ()
    is_broadcast = claimed.destination.prefixlen == 32
    return any(is_within(claimed.destination, each) for each in wide) or (is_broadcast and rule.traffic[0].broadcast)


def _has(traffic: Traffic, service: Service) -> bool:
    name = "" if service.protocol is Protocol.ANY else str(service.protocol)
    return traffic.protocol in ("", name) and (traffic.ports is None or traffic.ports == service.ports)


def test_between_two_networks_no_echo_is_let_by() -> None:
    lines = said(SEVERAL, "{from: inside, to: inside, port: icmp, action: deny}")
    [found] = [line for line in lines if "standing rules" in line]
    assert "errors about known connections" in found
    assert "echo" not in found


@pytest.mark.parametrize("port", ["tcp/22", "udp/53", "udp/123", "tcp/443"])
def test_of_what_does_not_come_before_nothing_is_said(port: str) -> None:
    found = said(TWO_ARMED, f"{{from: inside, to: box, port: {port}, action: deny}}")
    assert not any("standing rules" in line for line in found)
