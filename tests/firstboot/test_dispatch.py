"""Looking a service up by chains ends where comparing a packet with all lines does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ranges import PortRange
from firstboot.policy.compiled import Line, port_words
from firstboot.policy.dispatch import ByAddress, ByPort, by_address, by_port

FIRST = int(IPv4Address("192.168.2.0"))
ADDRESSES = st.integers(FIRST, FIRST + 15)
PORTS = st.integers(1, 60)
RANGES = st.builds(lambda first, more: PortRange(first, first + more), PORTS, st.sampled_from((0, 0, 0, 1, 9)))
NETWORKS = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    ADDRESSES,
    st.sampled_from((32, 32, 32, 30, 28)),
)
PROTOCOLS = st.sampled_from(("tcp", "udp"))
SERVICES = st.lists(st.tuples(NETWORKS, PROTOCOLS, RANGES), min_size=60, max_size=120)
ASKED = st.lists(st.tuples(ADDRESSES.map(IPv4Address), PROTOCOLS, PORTS), min_size=20, max_size=20)


def words_of(protocol: str, ports: PortRange) -> str:
    return f"-p {protocol} --dport {port_words(ports)} -j ACCEPT"


def decider(lines: Sequence[Line], chain: str, address: IPv4Address, protocol: str, port: int) -> int | None:
    """The rule of the line that decides about a packet, as iptables goes through the chains."""
    for line in lines:
        if line.chain != chain:
            continue
        words = shlex.split(line.words)
        asked = dict(zip(words[::2], words[1::2], strict=True))
        first, _, last = asked.get("--dport", "0:65535").partition(":")
        if (
            address in ip_network(asked.get("-d", "0.0.0.0/0"))
            and asked.get("-p", protocol) == protocol
            and int(first) <= port <= int(last or first)
        ):
            return decider(lines, asked["-g"], address, protocol, port) if "-g" in asked else line.rule
    return None


@settings(max_examples=50, deadline=None)
@given(SERVICES, ASKED)
def test_by_address(
    services: list[tuple[IPv4Network, str, PortRange]], asked: list[tuple[IPv4Address, str, int]]
) -> None:
    entries = [
        ByAddress(network, protocol, ports, f"-d {network} {words_of(protocol, ports)}", number)
        for number, (network, protocol, ports) in enumerate(services)
    ]
    lines = list(by_address("in", entries))
    one_by_one = [Line("in", entry.words, entry.rule) for entry in entries]
    for packet in asked:
        assert decider(lines, "in", *packet) == decider(one_by_one, "in", *packet)


@settings(max_examples=50, deadline=None)
@given(st.lists(RANGES, min_size=60, max_size=120), st.lists(PORTS, min_size=20, max_size=20))
def test_by_port(services: list[PortRange], asked: list[int]) -> None:
    entries = [ByPort(ports, words_of("tcp", ports), number) for number, ports in enumerate(services)]
    lines = list(by_port("dnat", entries, "tcp"))
    one_by_one = [Line("dnat", entry.words, entry.rule) for entry in entries]
    for port in asked:
        packet = IPv4Address(FIRST), "tcp", port
        assert decider(lines, "dnat", *packet) == decider(one_by_one, "dnat", *packet)
