"""The services inside that the outside may reach: looked up among many. See `dispatch`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from firstboot.policy.compiled import FORWARD, REDIRECTED, Line, packet, port_words, target_of
from firstboot.policy.dispatch import ByAddress, ByPort, by_address, by_port
from firstboot.policy.rules import Group, Policy

IN = "appliance-in"


def filter_lines(policy: Policy, family: int) -> Iterator[Line]:
    """What leads to the chain, by direction as in `compiled.filter_lines`, and the chain."""
    outside, ways = policy.zones.outside[family], policy.zones.ways[family]
    entries = tuple(_allowed(policy, family))
    if not outside or not entries:
        return
    for entrance, interface in product(outside, dict.fromkeys(way.interface for way in ways)):
        yield Line(FORWARD, f"-i {entrance} -o {interface} -j {IN}")
    yield from by_address(IN, entries)


def nat_lines(policy: Policy) -> Iterator[Line]:
    """What is sent to the box's own IPv4 address, and is for somebody inside."""
    outside = policy.zones.outside[4]
    entries = {protocol: tuple(_redirected(policy, protocol)) for protocol in ("tcp", "udp")}
    if not outside or not any(entries.values()):
        return
    for entrance, (protocol, found) in product(outside, entries.items()):
        if found:
            words = f"-i {entrance} -p {protocol} -m addrtype --dst-type LOCAL -j {REDIRECTED}-{protocol}"
            yield Line(REDIRECTED, words)
    for protocol, found in entries.items():
        yield from by_port(f"{REDIRECTED}-{protocol}", found, protocol)


def _allowed(policy: Policy, family: int) -> Iterator[ByAddress]:
    for number, rule in enumerate(policy.rules):
        if rule.group is not Group.INBOUND or not rule.has(family):
            continue
        sources = rule.source if rule.source is not None else (None,)
        for destination in rule.destination or ():
            for source in sources:
                for traffic in rule.traffic if destination.version == family else ():
                    if traffic.ports is not None and (source is None or source.version == family):
                        words = f"-s {source} " if source is not None else ""
                        words += f"-d {destination} {packet(traffic, family)} {target_of(policy, rule)}"
                        yield ByAddress(destination, traffic.protocol, traffic.ports, words, number)


def _redirected(policy: Policy, protocol: str) -> Iterator[ByPort]:
    for number, rule in enumerate(policy.rules):
        if rule.group is not Group.INBOUND or rule.redirected is None or not rule.has(4):
            continue
        [traffic] = rule.traffic
        [machine] = [network for network in rule.destination or () if network.version == 4]
        if traffic.protocol != protocol or traffic.ports is None:
            continue
        port = "" if traffic.ports == rule.redirected else f":{traffic.ports.first}"
        for source in rule.source if rule.source is not None else (None,):
            if source is None or source.version == 4:
                words = f"-s {source} " if source is not None else ""
                words += f"-p {protocol} --dport {port_words(rule.redirected)}"
                words += f" -j DNAT --to-destination {machine.network_address}{port}"
                yield ByPort(rule.redirected, words, number)
