"""What rules of ufw's open to the outside that the Pi has for the inside: of one's own, such are refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from appliance.addresses import is_within
from appliance.firewall import Zone
from appliance.ranges import PortRange
from appliance.rule_checks import protected
from appliance.services import Service
from firstboot.policy.compiled import INPUT, chains_of
from firstboot.policy.rules import Action, Policy, Rule, Traffic
from firstboot.policy.shadows import shadowing
from firstboot.policy.standard import STATUS_PAGE

ONLY = {"DHCP": 4, "DHCPv6": 6}
"""What there is in one family alone."""


def opened(policy: Policy, number: int) -> Sequence[str]:
    """By name, what the rule of that number lets the outside use, if none before it decides about all of that."""
    rule = policy.rules[number]
    if rule.action is not Action.ALLOW or INPUT not in chains_of(rule):
        return ()
    families = tuple(family for family in rule.families if rule.has(family) and _is_outside(rule, policy, family))
    page = any(each.setting == STATUS_PAGE for each in policy.rules)
    from_outside = replace(rule, from_=Zone.OUTSIDE, to=Zone.BOX, families=families, chains=(INPUT,))
    return [
        name
        for name, service in protected(status_page=page).items()
        if families and ONLY.get(name, families[0]) in families and _lets(policy, number, from_outside, service)
    ]


def _lets(policy: Policy, number: int, rule: Rule, service: Service) -> bool:
    before = policy.rules[:number]
    meant = (replace(rule, traffic=(traffic,)) for traffic in _common(rule.traffic, service))
    return any(shadowing((*before, each), number) is None for each in meant)


def _is_outside(rule: Rule, policy: Policy, family: int) -> bool:
    """Whether it is also about an interface that is not the inside's alone, and an address that is not there."""
    arms, outside = policy.zones.inside[family], policy.zones.outside[family]
    inside = [network for arm in arms for network in arm.networks]
    sources = [source for source in rule.source or () if source.version == family]
    is_inside = rule.source is not None and all(any(is_within(each, network) for network in inside) for each in sources)
    return not is_inside and rule.interface not in {"lo", *(arm.interface for arm in arms)} - set(outside)


def _common(traffic: Sequence[Traffic], service: Service) -> Iterator[Traffic]:
    """What is both."""
    for each in traffic:
        if each.protocol in ("", service.protocol) and service.ports is not None:
            ports = each.ports or service.ports
            if ports.overlaps(service.ports):
                both = PortRange(max(ports.first, service.ports.first), min(ports.last, service.ports.last))
                yield replace(each, protocol=str(service.protocol), ports=both)
