"""The rules that the section `firewall` of appliance.yaml adds to the standard policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from appliance.addresses import Network, host_network
from appliance.firewall import AllowIn, FilterRule, Verdict, Zone
from appliance.firewall_checks import services_of
from appliance.model import Appliance
from appliance.ranges import PortRange
from appliance.services import Protocol, Service
from firstboot.facts import Gateway
from firstboot.policy.rules import Action, Group, Rule, Traffic

ACTIONS = {Verdict.ALLOW: Action.ALLOW, Verdict.DENY: Action.DENY}

Hosts = Mapping[str, Sequence[Gateway]]
"""By name: the addresses that a machine inside has now."""


def own(appliance: Appliance, hosts: Hosts) -> Iterator[Rule]:
    """Rules of one's own. One about a machine that has no address now is about no packet."""
    for number, rule in enumerate(appliance.firewall.rules):
        yield Rule(
            Group.OWN,
            ACTIONS[rule.action],
            rule.from_,
            rule.to,
            _networks(rule.source, hosts) if rule.source is not None else None,
            _networks(rule.destination, hosts) if rule.destination is not None else None,
            tuple(traffic for service in rule.port for traffic in _traffic(service)),
            _families(rule),
            nat=rule.nat,
            log=rule.log,
            note=rule.note,
            setting=f"firewall.rules[{number}]",
        )


def inbound(appliance: Appliance, hosts: Hosts, *, families: Sequence[int]) -> Iterator[Rule]:
    """What the outside may reach inside: a port that leads there first, as it is the more special.

    A machine that has no address now is reached by nobody. `families`: those whose packets pass through the box; of
    another one, a port of the box's would lead nowhere.
    """
    for number, forward in enumerate(appliance.firewall.port_forwards):
        machine = _of(_networks(forward.to, hosts), [4] if 4 in families else [])[:1]
        setting = f"firewall.port_forwards[{number}]"
        yield _reaching(machine, forward.port, forward.to_port, forward.from_, setting)
    for number, rule in enumerate(appliance.firewall.allow_in):
        yield from _allowed(rule, _of(_networks(rule.to, hosts), families), f"firewall.allow_in[{number}]")


def _allowed(rule: AllowIn, machine: tuple[Network, ...], setting: str) -> Iterator[Rule]:
    first4 = [network for network in machine if network.version == 4][:1]
    rest = tuple(network for network in machine if network.version == 6)
    for service in services_of(rule):
        yield _reaching((*first4, *rest), service, rule.nat_port, rule.from_, setting)


def _reaching(
    machine: tuple[Network, ...], service: Service, port: int | None, sources: tuple[Network, ...], setting: str
) -> Rule:
    """To where it listens: behind the box's address that may be another port."""
    ports = PortRange(port, port) if port is not None else service.ports
    return Rule(
        Group.INBOUND,
        Action.ALLOW,
        Zone.OUTSIDE,
        Zone.INSIDE,
        sources or None,
        machine,
        (Traffic(service.protocol, ports),),
        redirected=service.ports if any(network.version == 4 for network in machine) else None,
        setting=setting,
    )


def outbound(appliance: Appliance) -> Iterator[Rule]:
    """What the inside may use outside."""
    for number, service in enumerate(appliance.firewall.outbound):
        yield Rule(
            Group.OUTBOUND,
            Action.ALLOW,
            Zone.INSIDE,
            Zone.OUTSIDE,
            traffic=_traffic(service),
            setting=f"firewall.outbound[{number}]",
        )


def _traffic(service: Service) -> tuple[Traffic, ...]:
    return (Traffic("" if service.protocol is Protocol.ANY else str(service.protocol), service.ports),)


def _families(rule: FilterRule) -> tuple[int, ...]:
    """One that speaks of translation is about IPv4."""
    return (4,) if rule.nat is not None else (4, 6)


def _of(networks: Sequence[Network], families: Sequence[int]) -> tuple[Network, ...]:
    return tuple(network for network in networks if network.version in families)


def _networks(end: Network | IPv4Address | IPv6Address | str, hosts: Hosts) -> tuple[Network, ...]:
    if isinstance(end, IPv4Network | IPv6Network):
        return (end,)
    addresses = hosts.get(end, ()) if isinstance(end, str) else (end,)
    return tuple(host_network(address) for address in addresses)
