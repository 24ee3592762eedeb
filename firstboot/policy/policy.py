"""The policy of a machine: from appliance.yaml and the facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from appliance.model import Appliance
from firstboot.cable import foreseen
from firstboot.facts import Facts, Gateway
from firstboot.forwarding import paths
from firstboot.policy import configured, standard
from firstboot.policy.rules import FAMILIES, Arm, ByFamily, Policy, Zones
from firstboot.policy.ufw_rules import ufw_rules
from firstboot.sharing import SERVING, exits_of, segments_in
from firstboot.topology import lan_mtu, subnets

IPV6_AND_TCP_BYTES = 40 + 20
"""The headers in front of a segment, without options."""


def policy_of(appliance: Appliance, facts: Facts) -> Policy:
    """All rules, top down."""
    facts = foreseen(appliance, facts)
    zones = zones_of(appliance, facts)
    firewall, hosts = appliance.firewall, machines(appliance, facts)
    rules = (
        *standard.before_own(appliance, facts, zones),
        *configured.own(appliance, hosts),
        *standard.after_own(appliance, facts),
        *configured.inbound(appliance, hosts, families=tuple(family for family in FAMILIES if zones.ways[family])),
        *configured.outbound(appliance),
        *ufw_rules(facts.other_rules),
    )
    return Policy(rules, zones, firewall.deny, firewall.log, firewall.log_rate, _mss(appliance, facts))


def _mss(appliance: Appliance, facts: Facts) -> int | None:
    """The kernel would look for the way back without saying whose packet it is: through the tunnel there is none."""
    return lan_mtu(appliance, facts) - IPV6_AND_TCP_BYTES if appliance.tunnel is not None else None


def machines(appliance: Appliance, facts: Facts) -> Mapping[str, Sequence[Gateway]]:
    """By name: the addresses of machines of the first network. Whoever is on another one could take any name."""
    first, *others = subnets(appliance, facts) or (None,)
    if first is None or not others:
        return facts.hosts
    own = [own.network for own in (first.ipv4, *first.ipv6) if own is not None]
    return {
        name: tuple(each for each in addresses if any(each in network for network in own))
        for name, addresses in facts.hosts.items()
    }


def zones_of(appliance: Appliance, facts: Facts) -> Zones:
    """Where inside and outside are now."""
    return Zones(
        inside=ByFamily(*(tuple(_inside(appliance, facts, family)) for family in FAMILIES)),
        ways=ByFamily(*(tuple(paths(appliance, facts, family)) for family in FAMILIES)),
        outside=ByFamily(*(exits_of(appliance, family) for family in FAMILIES)),
    )


def _inside(appliance: Appliance, facts: Facts, family: int) -> Iterator[Arm]:
    """The interfaces on which the Pi serves, each with the networks that are on it."""
    for network in subnets(appliance, facts):
        if family == 6:
            yield Arm(network.interface, (standard.LINK_LOCAL, *(own.network for own in network.ipv6)))
        elif network.ipv4 is not None:
            yield Arm(network.interface, (network.ipv4.network,))
    for segment in segments_in(appliance, facts, *SERVING):
        found = [address.network for address in segment.all_addresses if address.version == family]
        yield Arm(segment.interface, (*([standard.LINK_LOCAL] if family == 6 else []), *found))
