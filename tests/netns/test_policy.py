"""The policy and the kernel agree about every packet: what `firewall test` says is what happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import InputError
from firstboot.policy.decision import Decision, Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, Group, Policy, State
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, Passed, appliance_with, crossing

pytestmark = pytest.mark.netns

BOX = "box"
ENDS = {
    4: {
        LAN: ("192.168.2.20", "192.168.2.21", "192.168.7.7", "203.0.113.9"),
        OUTSIDE: ("203.0.113.9", "198.51.100.7", "198.51.100.100", "192.168.2.20"),
        BOX: ("203.0.113.5", "192.168.2.1"),
    },
    6: {
        LAN: ("2001:db8:123d:abc::20", "2001:db8:123d:abc::21", "2001:db8:9::9", "fe80::5"),
        TUNNEL: ("2001:db8:ffff::80", "2001:db8:eeee::7", "2001:db8:123d:abc::20"),
        BOX: ("2001:db8:123c:abd::2", "2001:db8:123d:abc::1"),
    },
}
EVERYBODY = {4: ("224.0.0.1", "255.255.255.255", "192.168.2.255", "203.0.113.255"), 6: ("ff02::1", "ff02::2")}
"""To whom packets are sent that are the box's as well."""
INSIDE4, INSIDE6 = ("192.168.2.20", "192.168.2.21"), ("2001:db8:123d:abc::20", "2001:db8:123d:abc::21")
PEERS = ("198.51.100.0/24", "203.0.113.9", "2001:db8:eeee::/48")
ZONES = {
    "inside": (*INSIDE4, *INSIDE6, "192.168.2.0/25"),
    "outside": PEERS,
    "box": ("203.0.113.5", "192.168.2.1"),
    "any": (*INSIDE4, *INSIDE6, *PEERS),
}
PORTS = (22, 25, 53, 80, 443, 5353, 8080)
RANGES = ("20-90", "50-90", "443-5353", "8000-8090")
TYPES = {
    4: (0, 3, 5, 8, 9, 11, 13, 14, 17),
    6: (1, 2, 3, 128, 129, 130, 133, 134, 135, 136, 137, 139, 141, 142, 143, 148, 149, 200),
}
UNASKED = {4: (0, 3, 5, 9, 11, 14), 6: (1, 2, 3, 129, 141, 142, 148, 149, 200)}
"""Answers and errors, here about connections that nobody has, and what it does not know: to connection tracking they
are invalid."""
NUMBERED = {4: ("2", "41", "47", "50", "58", "99"), 6: ("1", "4", "47", "50", "59", "99")}
UNKNOWN = ("58", "1", "59")
"""Control messages of the other family, and no header at all: they are invalid, too."""
PORTED = ("tcp", "udp")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        yield made


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    family = draw(st.sampled_from((4, 6)))
    outer = OUTSIDE if family == 4 else TUNNEL
    origin = draw(st.sampled_from((LAN, outer, BOX)))
    target = draw(st.sampled_from([each for each in (BOX, LAN, outer) if each != origin or each == BOX]))
    protocol = draw(st.sampled_from((*PORTED, "icmp", *PORTED, draw(st.sampled_from(NUMBERED[family])))))
    kind = draw(st.sampled_from(TYPES[family])) if protocol == "icmp" else 0
    opening = protocol != "tcp" or draw(st.booleans())
    is_unasked = (protocol == "icmp" and kind in UNASKED[family]) or (not opening and draw(st.booleans()))
    is_unasked |= protocol in UNKNOWN
    hops = (1, 64, 255) if family == 6 and target == BOX else (64,)
    destination = draw(st.sampled_from(_destinations(family, origin, target)))
    return Packet(
        source=ip_address(draw(st.sampled_from([end for end in ENDS[family][origin] if _goes(end, target)]))),
        destination=ip_address(destination),
        protocol=protocol,
        arriving="" if origin == BOX else origin,
        leaving=target if target != BOX else "lo" if origin == BOX else "",
        port=draw(st.sampled_from(PORTS)) if protocol in PORTED else 0,
        type=kind,
        hops=draw(st.sampled_from(hops)),
        state=State.INVALID if is_unasked else State.ANY,
        opening=opening,
        routing=draw(st.sampled_from((None, None, 0, 2))) if family == 6 else None,
        broadcast=destination in EVERYBODY[4][1:],
    )


WAYS = (
    ("203.0.113.9", "203.0.113.5", OUTSIDE, ""),
    ("198.51.100.7", "203.0.113.5", OUTSIDE, ""),
    ("2001:db8:eeee::7", INSIDE6[0], TUNNEL, LAN),
    (INSIDE4[0], "198.51.100.7", LAN, OUTSIDE),
    (INSIDE4[1], "203.0.113.9", LAN, OUTSIDE),
)


@st.composite
def connections(draw: st.DrawFn) -> Packet:
    """What the outside may reach, and the inside: of all that can be sent, policies say most about this."""
    source, destination, arriving, leaving = draw(st.sampled_from(WAYS))
    protocol, port = draw(st.sampled_from(PORTED)), draw(st.sampled_from(PORTS))
    return Packet(ip_address(source), ip_address(destination), protocol, arriving, leaving, port)


def _destinations(family: int, origin: str, target: str) -> list[str]:
    found = [end for end in ENDS[family][target] if target == BOX or _leads(end, target)]
    return [*found, *EVERYBODY[family]] if target == BOX and origin != BOX else found


def _goes(end: str, target: str) -> bool:
    """What has an address of one link is forwarded by nobody."""
    return target == BOX or not end.startswith("fe80:")


def _leads(end: str, interface: str) -> bool:
    """Whether the router sends what is for there by that interface."""
    is_inside = end.startswith(("192.168.2.", "2001:db8:123d:abc:"))
    return is_inside if interface == LAN else not is_inside and not end.startswith("192.168.")


def _key(packet: Packet) -> object:
    """Without ports, what goes the other way would be an answer: so there is one packet of each such protocol."""
    return id(packet) if packet.protocol in (*PORTED, "icmp") else (packet.family, packet.protocol)


def batches(size: int = 60) -> st.SearchStrategy[list[Packet]]:
    """What is sent through one policy."""
    return st.lists(packets() | connections(), min_size=20, max_size=size, unique_by=_key)


def services() -> st.SearchStrategy[str]:
    protocols, ports = st.sampled_from(PORTED), st.sampled_from((*PORTS, *RANGES))
    with_ports = st.builds("{}/{}".format, protocols, ports)
    return st.one_of(with_ports, with_ports, st.sampled_from(("any", "tcp", "udp", "icmp")))


@st.composite
def rules(draw: st.DrawFn) -> str:
    zones = st.sampled_from(tuple(ZONES))
    words = {"from": draw(zones), "to": draw(zones), "action": draw(st.sampled_from(("allow", "allow", "deny")))}
    if draw(st.booleans()):
        words = {"from": "inside", "to": "outside", "action": "allow", "nat": draw(st.sampled_from(("yes", "no")))}
    words["source"] = draw(st.sampled_from(("any", "any", *ZONES[words["from"]])))
    words["destination"] = draw(st.sampled_from(("any", "any", *ZONES[words["to"]])))
    words["port"] = draw(services())
    words["log"] = draw(st.sampled_from(("yes", "no")))
    return _flow(words)


@st.composite
def allowed(draw: st.DrawFn) -> str:
    words = {"to": draw(st.sampled_from((*INSIDE4, *INSIDE6)))}
    ports = st.lists(st.sampled_from((*PORTS, *RANGES)), min_size=1, max_size=2, unique=True)
    for protocol in draw(st.sampled_from((("tcp",), ("udp",), PORTED))):
        words[protocol] = f"[{', '.join(map(str, draw(ports)))}]"
    return _flow(words | draw(_limits("nat_port")))


@st.composite
def forwards(draw: st.DrawFn) -> str:
    port = f"{draw(st.sampled_from(PORTED))}/{draw(st.sampled_from((*PORTS, *RANGES)))}"
    return _flow({"port": port, "to": draw(st.sampled_from(INSIDE4))} | draw(_limits("to_port")))


@st.composite
def _limits(draw: st.DrawFn, port: str) -> dict[str, str]:
    """From where, and to which port of the machine; both only at times."""
    peers = draw(st.lists(st.sampled_from(PEERS), unique=True, max_size=2)) if draw(st.booleans()) else []
    found = {"from": f"[{', '.join(peers)}]"} if peers else {}
    return found | ({port: str(draw(st.sampled_from(PORTS)))} if draw(st.booleans()) else {})


def _flow(words: dict[str, str]) -> str:
    shown = (f"{name}: {value if value.startswith('[') else repr(value)}" for name, value in words.items())
    return f"    - {{{', '.join(shown)}}}"


@st.composite
def firewalls(draw: st.DrawFn) -> str:
    """The section `firewall`; what would contradict the rest of it is left out."""
    lines = ["firewall:", f"  deny: {draw(st.sampled_from(('drop', 'reject')))}"]
    lines.append(f"  log: {draw(st.sampled_from(('all', 'drops', 'none')))}")
    ssh = draw(st.lists(st.sampled_from(("inside", "198.51.100.0/24", "192.168.2.21")), unique=True, max_size=2))
    lines.append(f"  management: {{ssh_from: [{', '.join(ssh)}]}}")
    lines.append(f"  outbound: [{', '.join(draw(st.lists(services(), max_size=4)))}]")
    for name, each, most in (("allow_in", allowed(), 5), ("port_forwards", forwards(), 3), ("rules", rules(), 5)):
        size, found = draw(st.integers(0, most)), [f"  {name}:"]
        for line in draw(st.lists(each, min_size=size, max_size=size)):
            found += [line] * accepted("\n".join((*lines, *found, line)))
        lines += found if len(found) > 1 else []
    return "\n".join(lines)


def accepted(text: str) -> bool:
    try:
        appliance_with(text)
    except InputError:
        return False
    return True


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(text=firewalls(), sent=batches())
def test_whatever_the_policy_says_the_kernel_does(site: Crossing, text: str, sent: list[Packet]) -> None:
    appliance = appliance_with(text)
    site.load(appliance)
    policy = policy_of(appliance, site.facts)
    for packet, passed in zip(sent, site.passed(sent), strict=True):
        decision = decide(policy, packet)
        assert (passed is not None) == (decision.action is Action.ALLOW), (text, packet, decision)
        if passed is not None and packet.arriving and packet.family == 4:
            assert_ends(policy, packet, decision, passed)


def assert_ends(policy: Policy, packet: Packet, decision: Decision, passed: Passed) -> None:
    """It goes to whom the decision says; and leaves as whom the policy says, which is the box where nothing is said."""
    meant = decision.passed_on or packet
    if not meant.leaving:
        assert passed == Passed(), (packet, decision, passed)
        return
    assert passed.destination == str(meant.destination), (packet, decision, passed)
    assert packet.protocol not in PORTED or passed.port == meant.port, (packet, decision, passed)
    own = meant.leaving == OUTSIDE and is_translated(policy, packet)
    assert passed.source == ("203.0.113.5" if own else str(packet.source)), (packet, decision, passed)


def is_translated(policy: Policy, packet: Packet) -> bool:
    """Of the rules of one's own that would let it leave, the first one says so; or it is as usual."""
    own = tuple(rule for rule in policy.rules if rule.group is Group.OWN and rule.action is Action.ALLOW)
    rule = decide(replace(policy, rules=own), packet).rule
    if rule is not None and rule.nat is not None:
        return rule.nat
    return any(packet.source in way.network for way in policy.zones.ways[4] if way.translated)
