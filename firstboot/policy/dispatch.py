"""Looking up by chains: of a thousand services a packet is compared with twenty lines, and not with all.

iptables has no maps, and ipset's sets are neither exchanged in one step with the rules nor there when ufw starts. So
the lines are put into small chains, and chains above those choose: by the beginning of the address, or by the port.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil

from appliance.addresses import Network, is_within
from appliance.ranges import PortRange
from firstboot.policy.compiled import Line

FAN = 10
"""Among so many chains one chooses, at most. A jump costs a packet more than some lines that it does not fit: of 2 to
16, this is the fastest.
"""

LEAF = 10
"""So few lines are not divided."""


@dataclass(frozen=True)
class ByAddress:
    """A line, without its chain, that asks for this destination, protocol and ports; `rule`: as in `Line`."""

    destination: Network
    protocol: str
    ports: PortRange
    words: str
    rule: int


@dataclass(frozen=True)
class ByPort:
    """The same for a destination port."""

    ports: PortRange
    words: str
    rule: int


def by_address(chain: str, entries: Sequence[ByAddress]) -> Iterator[Line]:
    """The lines of a chain, and of those below it, which have its name with a number.

    The order is kept among those whose destinations overlap, and whose ports do: all of them have some.
    """
    yield from _divided(chain, entries, (f"{chain}-{number}" for number in count(1)))


def _divided(chain: str, entries: Sequence[ByAddress], names: Iterator[str]) -> Iterator[Line]:
    if len(entries) <= LEAF:
        yield from (Line(chain, entry.words, entry.rule) for entry in entries)
        return
    parts = _parts(entries)
    if len(parts) == 1:
        yield from _of_one(chain, entries, names)
        return
    named = [(next(names), part) for part in parts]
    for name, part in named:
        yield Line(chain, f"-d {_around([entry.destination for entry in part])} -g {name}")
    for name, part in named:
        yield from _divided(name, part, names)


def _parts(entries: Sequence[ByAddress]) -> Sequence[Sequence[ByAddress]]:
    """By the beginning of the address: the largest is halved until there are enough, or none that can be."""
    divisible: list[Sequence[ByAddress]] = [entries]
    whole: list[Sequence[ByAddress]] = []
    while divisible and len(divisible) + len(whole) < FAN:
        largest = divisible.pop(max(range(len(divisible)), key=lambda at: len(divisible[at])))
        halves = _halves(largest)
        if halves:
            divisible += halves
        else:
            whole.append(largest)
    return sorted((*divisible, *whole), key=lambda part: min(int(entry.destination[0]) for entry in part))


def _halves(entries: Sequence[ByAddress]) -> Sequence[Sequence[ByAddress]]:
    """None, where they are few, or one is about all addresses that any of them is about."""
    networks = [entry.destination for entry in entries]
    node = _around(networks) if len(entries) > LEAF else None
    if node is None or any(network.prefixlen <= node.prefixlen for network in networks):
        return ()
    return [[entry for entry in entries if is_within(entry.destination, half)] for half in node.subnets(1)]


def _of_one(chain: str, entries: Sequence[ByAddress], names: Iterator[str]) -> Iterator[Line]:
    """Of one host, those of each protocol by port."""
    parts: dict[str, list[ByPort]] = {}
    for entry in entries:
        found = parts.setdefault(entry.protocol, [])
        found.append(ByPort(entry.ports, entry.words, entry.rule))
    chains = {protocol: next(names) for protocol in parts}
    yield from (Line(chain, f"-p {protocol} -g {name}") for protocol, name in chains.items())
    for protocol, found in parts.items():
        yield from _sliced(chains[protocol], _clusters(found), protocol, names)


def by_port(chain: str, entries: Sequence[ByPort], protocol: str) -> Iterator[Line]:
    """The same by port, of one protocol."""
    yield from _sliced(chain, _clusters(entries), protocol, (f"{chain}-{number}" for number in count(1)))


def _sliced(chain: str, clusters: Sequence[Sequence[ByPort]], protocol: str, names: Iterator[str]) -> Iterator[Line]:
    if len(clusters) <= 1 or sum(map(len, clusters)) <= LEAF:
        yield from (Line(chain, entry.words, entry.rule) for cluster in clusters for entry in cluster)
        return
    size = ceil(len(clusters) / min(FAN, ceil(sum(map(len, clusters)) / LEAF)))
    parts = [(next(names), clusters[at : at + size]) for at in range(0, len(clusters), size)]
    for name, part in parts:
        first = min(entry.ports.first for entry in part[0])
        last = max(entry.ports.last for entry in part[-1])
        yield Line(chain, f"-p {protocol} --dport {first}:{last} -g {name}")
    for name, part in parts:
        yield from _sliced(name, part, protocol, names)


def _clusters(entries: Sequence[ByPort]) -> list[list[ByPort]]:
    """Those whose ports overlap together, in the order that they had; all by port."""
    order = {id(entry): number for number, entry in enumerate(entries)}
    found: list[list[ByPort]] = []
    last = 0
    for entry in sorted(entries, key=lambda entry: entry.ports.first):
        if found and entry.ports.first <= last:
            found[-1].append(entry)
        else:
            found.append([entry])
        last = max(last, entry.ports.last)
    return [sorted(cluster, key=lambda entry: order[id(entry)]) for cluster in found]


def _around(networks: Sequence[Network]) -> Network:
    """The smallest network that has all of these in it."""
    first = networks[0]
    length = min(network.prefixlen for network in networks)
    for network in networks:
        differing = int(first.network_address) ^ int(network.network_address)
        length = min(length, first.max_prefixlen - differing.bit_length())
    return type(first)((int(first.network_address), length), strict=False)
