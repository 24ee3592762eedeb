"""Sections `firewall`, and packets to send through them, for hypothesis: about a place as it is on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from hypothesis import strategies as st

from appliance.addresses import Network
from appliance.errors import InputError
from firstboot.policy.decision import Packet
from firstboot.policy.rules import State
from tests.netns.crossing import GATEWAY, LAN, ONE_ARMED, OUTSIDE, TUNNEL, Place, appliance_with

INSIDE_ZONE, OUTSIDE_ZONE, BOX = "inside", "outside", "box"


@dataclass(frozen=True)
class Site:
    """Who is where.

    `ends`: by family and zone, who sends from there, whoever he pretends to be, and is sent something; `wires`: the
    box's interface toward each zone; `inside`: the networks there; `everybody`: addresses of packets that are the box's
    as well; `named`: by zone, the hosts and networks that rules name; `managers`: who may use ssh; `ways`: from whom to
    whom the connections go that policies say most about; `typical`: what half of the rules are about. `forwards`: to
    whom ports of the box lead, if any.
    """

    place: Place
    ends: Mapping[int, Mapping[str, tuple[str, ...]]]
    wires: Mapping[int, Mapping[str, str]]
    inside: tuple[Network, ...]
    everybody: Mapping[int, tuple[str, ...]]
    named: Mapping[str, tuple[str, ...]]
    machines: tuple[str, ...]
    forwards: tuple[str, ...]
    managers: tuple[str, ...]
    ways: tuple[tuple[str, str, str, str], ...]
    typical: tuple[Mapping[str, str], ...]

    def is_inside(self, end: str) -> bool:
        """By its address."""
        return any(ip_address(end) in network for network in self.inside)

    def leads(self, end: str, zone: str) -> bool:
        """Whether the router sends what is for there to that zone."""
        return zone == BOX or self.is_inside(end) == (zone == INSIDE_ZONE)

    def accepts(self, text: str) -> bool:
        """Whether that is a section `firewall` without mistakes."""
        try:
            appliance_with(text, self.place)
        except InputError:
            return False
        return True


PEERS = ("198.51.100.0/24", "203.0.113.9", "2001:db8:eeee::/48")
INSIDE4, INSIDE6 = ("192.168.2.20", "192.168.2.21"), ("2001:db8:123d:abc::20", "2001:db8:123d:abc::21")
OUTSIDE6 = ("2001:db8:ffff::80", "2001:db8:eeee::7", "2001:db8:123d:abc::20")
TWO_ARMS = Site(
    place=GATEWAY,
    ends={
        4: {
            INSIDE_ZONE: (*INSIDE4, "192.168.7.7", "203.0.113.9"),
            OUTSIDE_ZONE: ("203.0.113.9", "198.51.100.7", "198.51.100.100", "192.168.2.20"),
            BOX: ("203.0.113.5", "192.168.2.1"),
        },
        6: {
            INSIDE_ZONE: (*INSIDE6, "2001:db8:9::9", "fe80::5"),
            OUTSIDE_ZONE: OUTSIDE6,
            BOX: ("2001:db8:123c:abd::2", "2001:db8:123d:abc::1"),
        },
    },
    wires={4: {INSIDE_ZONE: LAN, OUTSIDE_ZONE: OUTSIDE}, 6: {INSIDE_ZONE: LAN, OUTSIDE_ZONE: TUNNEL}},
    inside=(IPv4Network("192.168.2.0/24"), IPv6Network("2001:db8:123d:abc::/64")),
    everybody={4: ("224.0.0.1", "255.255.255.255", "192.168.2.255", "203.0.113.255"), 6: ("ff02::1", "ff02::2")},
    named={
        "inside": (*INSIDE4, *INSIDE6, "192.168.2.0/25"),
        "outside": PEERS,
        "box": ("203.0.113.5", "192.168.2.1"),
        "any": (*INSIDE4, *INSIDE6, *PEERS),
    },
    machines=(*INSIDE4, *INSIDE6),
    forwards=INSIDE4,
    managers=("inside", "198.51.100.0/24", "192.168.2.21"),
    ways=(
        ("203.0.113.9", OUTSIDE_ZONE, "203.0.113.5", BOX),
        ("198.51.100.7", OUTSIDE_ZONE, "203.0.113.5", BOX),
        ("2001:db8:eeee::7", OUTSIDE_ZONE, INSIDE6[0], INSIDE_ZONE),
        (INSIDE4[0], INSIDE_ZONE, "198.51.100.7", OUTSIDE_ZONE),
        (INSIDE4[1], INSIDE_ZONE, "203.0.113.9", OUTSIDE_ZONE),
    ),
    typical=tuple({"from": "inside", "to": "outside", "action": "allow", "nat": nat} for nat in ("yes", "no")),
)

NEIGHBOURS4 = ("192.168.1.20", "192.168.1.21")
ONE_ARM = Site(
    place=ONE_ARMED,
    ends={
        4: {
            INSIDE_ZONE: (*NEIGHBOURS4, "192.168.1.254"),
            OUTSIDE_ZONE: ("203.0.113.9", "198.51.100.7", "198.51.100.100", "192.168.7.7"),
            BOX: ("192.168.1.252",),
        },
        6: {
            INSIDE_ZONE: (*INSIDE6, "2001:db8:9::9", "fe80::5"),
            OUTSIDE_ZONE: OUTSIDE6,
            BOX: ("2001:db8:123c:abd::2", "2001:db8:123d:abc::1"),
        },
    },
    wires={4: {INSIDE_ZONE: OUTSIDE, OUTSIDE_ZONE: OUTSIDE}, 6: {INSIDE_ZONE: OUTSIDE, OUTSIDE_ZONE: TUNNEL}},
    inside=(IPv4Network("192.168.1.0/24"), IPv6Network("2001:db8:123d:abc::/64")),
    everybody={4: ("224.0.0.1", "255.255.255.255", "192.168.1.255"), 6: ("ff02::1", "ff02::2")},
    named={
        "inside": (*NEIGHBOURS4, *INSIDE6, "192.168.1.0/25", "192.168.0.0/16"),
        "outside": (*PEERS, "192.168.0.0/16", "192.168.1.0/25", "203.0.113.0/24"),
        "box": ("192.168.1.252",),
        "any": (*NEIGHBOURS4, *INSIDE6, *PEERS),
    },
    machines=INSIDE6,
    forwards=(),
    managers=("inside", "198.51.100.0/24", "192.168.1.21"),
    ways=(
        ("203.0.113.9", OUTSIDE_ZONE, "192.168.1.252", BOX),
        (NEIGHBOURS4[0], INSIDE_ZONE, "192.168.1.252", BOX),
        ("192.168.1.252", BOX, NEIGHBOURS4[1], INSIDE_ZONE),
        ("192.168.1.252", BOX, "203.0.113.9", OUTSIDE_ZONE),
        ("2001:db8:eeee::7", OUTSIDE_ZONE, INSIDE6[0], INSIDE_ZONE),
        (INSIDE6[1], INSIDE_ZONE, "2001:db8:eeee::7", OUTSIDE_ZONE),
    ),
    typical=(
        {"from": "box", "to": "inside", "action": "deny"},
        {"from": "box", "to": "outside", "action": "deny"},
        {"from": "inside", "to": "box", "action": "allow"},
        {"from": "outside", "to": "box", "action": "allow"},
    ),
)
"""IPv4 comes and goes by one interface, for the inside and the outside; IPv6 leaves by the tunnel."""

PORTS = (22, 25, 53, 80, 443, 5353, 8080)
RANGES = ("20-90", "50-90", "443-5353", "8000-8090")
TYPES = {
    4: (0, 3, 5, 8, 9, 11, 13, 14, 17),
    6: (1, 2, 3, 128, 129, 130, 133, 134, 135, 136, 137, 139, 141, 142, 143, 148, 149, 200),
}
UNASKED = {4: (0, 3, 5, 9, 11, 14), 6: (1, 2, 3, 129, 137, 141, 142, 148, 149, 200)}
"""Answers and errors, here about connections that nobody has, and what it does not know: to connection tracking they
are invalid."""
NUMBERED = {4: ("2", "41", "47", "50", "58", "99"), 6: ("1", "4", "47", "50", "59", "99")}
UNKNOWN = ("58", "1", "59")
"""Control messages of the other family, and no header at all: they are invalid, too."""
PORTED = ("tcp", "udp")


@st.composite
def packets(draw: st.DrawFn, site: Site) -> Packet:
    """Any from anywhere to anywhere."""
    family = draw(st.sampled_from((4, 6)))
    zones = (BOX, INSIDE_ZONE, OUTSIDE_ZONE)
    origin = draw(st.sampled_from(zones))
    target = draw(st.sampled_from([each for each in zones if each != origin or each == BOX]))
    protocol = draw(st.sampled_from((*PORTED, "icmp", *PORTED, draw(st.sampled_from(NUMBERED[family])))))
    kind = draw(st.sampled_from(TYPES[family])) if protocol == "icmp" else 0
    opening = protocol != "tcp" or draw(st.booleans())
    is_unasked = (protocol == "icmp" and kind in UNASKED[family]) or (not opening and draw(st.booleans()))
    is_unasked |= protocol in UNKNOWN
    hops = (1, 64, 255) if family == 6 and target == BOX else (64,)
    destination = draw(st.sampled_from(_destinations(site, family, origin, target)))
    wires = {BOX: "", **site.wires[family]}
    return Packet(
        source=ip_address(draw(st.sampled_from([end for end in site.ends[family][origin] if _goes(end, target)]))),
        destination=ip_address(destination),
        protocol=protocol,
        arriving=wires[origin],
        leaving="lo" if (origin, target) == (BOX, BOX) else wires[target],
        port=draw(st.sampled_from(PORTS)) if protocol in PORTED else 0,
        type=kind,
        hops=draw(st.sampled_from(hops)),
        state=State.INVALID if is_unasked else State.ANY,
        opening=opening,
        routing=draw(st.sampled_from((None, None, 0, 2))) if family == 6 else None,
        broadcast=destination in site.everybody[4][1:],
    )


@st.composite
def connections(draw: st.DrawFn, site: Site) -> Packet:
    """What the outside may reach, and the inside: of all that can be sent, policies say most about this."""
    source, origin, destination, target = draw(st.sampled_from(site.ways))
    protocol, port = draw(st.sampled_from(PORTED)), draw(st.sampled_from(PORTS))
    ends = ip_address(source), ip_address(destination)
    wires = {BOX: "", **site.wires[ends[0].version]}
    return Packet(*ends, protocol, wires[origin], wires[target], port)


def _destinations(site: Site, family: int, origin: str, target: str) -> list[str]:
    found = [end for end in site.ends[family][target] if site.leads(end, target)]
    return [*found, *site.everybody[family]] if target == BOX and origin != BOX else found


def _goes(end: str, target: str) -> bool:
    """What has an address of one link is forwarded by nobody."""
    return target == BOX or not end.startswith("fe80:")


def _key(packet: Packet) -> object:
    """Without ports, what goes the other way would be an answer: so there is one packet of each such protocol."""
    return id(packet) if packet.protocol in (*PORTED, "icmp") else (packet.family, packet.protocol)


def batches(site: Site, size: int = 60) -> st.SearchStrategy[list[Packet]]:
    """What is sent through one policy."""
    return st.lists(packets(site) | connections(site), min_size=20, max_size=size, unique_by=_key)


def services() -> st.SearchStrategy[str]:
    """As rules name them."""
    protocols, ports = st.sampled_from(PORTED), st.sampled_from((*PORTS, *RANGES))
    with_ports = st.builds("{}/{}".format, protocols, ports)
    return st.one_of(with_ports, with_ports, st.sampled_from(("any", "tcp", "udp", "icmp")))


@st.composite
def rules(draw: st.DrawFn, site: Site) -> str:
    """A rule of one's own."""
    zones = st.sampled_from(tuple(site.named))
    words = {"from": draw(zones), "to": draw(zones), "action": draw(st.sampled_from(("allow", "allow", "deny")))}
    if draw(st.booleans()):
        words = dict(draw(st.sampled_from(site.typical)))
    words["source"] = draw(st.sampled_from(("any", "any", *site.named[words["from"]])))
    words["destination"] = draw(st.sampled_from(("any", "any", *site.named[words["to"]])))
    words["port"] = draw(services())
    words["log"] = draw(st.sampled_from(("yes", "no")))
    return _flow(words)


@st.composite
def allowed(draw: st.DrawFn, site: Site) -> str:
    """One of `allow_in`."""
    words = {"to": draw(st.sampled_from(site.machines))}
    ports = st.lists(st.sampled_from((*PORTS, *RANGES)), min_size=1, max_size=2, unique=True)
    for protocol in draw(st.sampled_from((("tcp",), ("udp",), PORTED))):
        words[protocol] = f"[{', '.join(map(str, draw(ports)))}]"
    return _flow(words | draw(_limits("nat_port")))


@st.composite
def forwards(draw: st.DrawFn, site: Site) -> str:
    """One of `port_forwards`."""
    port = f"{draw(st.sampled_from(PORTED))}/{draw(st.sampled_from((*PORTS, *RANGES)))}"
    return _flow({"port": port, "to": draw(st.sampled_from(site.forwards))} | draw(_limits("to_port")))


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
def firewalls(draw: st.DrawFn, site: Site) -> str:
    """The section `firewall`; what would contradict the rest of it is left out."""
    lines = ["firewall:", f"  deny: {draw(st.sampled_from(('drop', 'reject')))}"]
    lines.append(f"  log: {draw(st.sampled_from(('all', 'drops', 'none')))}")
    ssh = draw(st.lists(st.sampled_from(site.managers), unique=True, max_size=2))
    lines.append(f"  management: {{ssh_from: [{', '.join(ssh)}]}}")
    lines.append(f"  outbound: [{', '.join(draw(st.lists(services(), max_size=4)))}]")
    parts = [("allow_in", allowed(site), 5), ("rules", rules(site), 5)]
    if site.forwards:
        parts.insert(1, ("port_forwards", forwards(site), 3))
    for name, each, most in parts:
        size, found = draw(st.integers(0, most)), [f"  {name}:"]
        for line in draw(st.lists(each, min_size=size, max_size=size)):
            found += [line] * site.accepts("\n".join((*lines, *found, line)))
        lines += found if len(found) > 1 else []
    return "\n".join(lines)
