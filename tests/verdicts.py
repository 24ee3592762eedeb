"""Who may send what to whom: the standard policy, with one service inside, as a table of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from firstboot.policy.rules import FAMILIES, State
from tests.netns.packets import Crafted

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443, udp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443, udp: 443}
"""
BROKER = "198.51.100.100"
TABLE = """
from     to       what                    IPv4   IPv6
outside  box      tcp/22                  no     no
outside  box      tcp/80                  no     no
outside  box      tcp/443                 yes    no
outside  box      tcp/8080                no     no
outside  box      udp/53                  no     no
outside  box      udp/443                 yes    no
outside  box      echo                    yes    yes
outside  box      echo-reply              no     no
outside  box      unreachable             no     no
outside  box      time-exceeded           no     no
outside  box      redirect                no     no
outside  box      timestamp               no     -
outside  box      router-advertisement    no     no
outside  box      lying tcp/22            no     no
outside  box      lying udp/443           no     no
outside  box      lying echo              no     no
outside  box      amid tcp/22             no     no
outside  box      amid tcp/443            no     no
outside  box      accepting tcp/50000     no     no
outside  box      resetting tcp/443       no     no
outside  box      null tcp/443            no     no
outside  box      all-flags tcp/443       no     no
outside  box      syn-fin tcp/443         no     no
outside  box      answering udp/50000     no     no
outside  box      corrupt udp/443         no     no
outside  box      fragmented udp/443      yes    no
outside  box      fragmented udp/53       no     no
outside  box      fragmented tcp/443      yes    no
outside  box      fragmented tcp/22       no     no
outside  box      fragmented echo         yes    yes
outside  box      optional tcp/22         -      no
outside  box      41                      no     no
outside  box      47                      no     no
outside  box      50                      no     no
outside  inside   tcp/443                 yes    yes
outside  inside   tcp/22                  no     no
outside  inside   udp/443                 yes    yes
outside  inside   udp/53                  no     no
outside  inside   echo                    no     yes
outside  inside   echo-reply              no     no
outside  inside   unreachable             no     no
outside  inside   time-exceeded           no     no
outside  inside   redirect                no     no
outside  inside   timestamp               no     -
outside  inside   lying tcp/443           no     no
outside  inside   amid tcp/443            no     no
outside  inside   accepting tcp/50000     no     no
outside  inside   resetting tcp/443       no     no
outside  inside   answering udp/50000     no     no
outside  inside   fragmented udp/443      yes    yes
outside  inside   fragmented udp/53       no     no
outside  inside   fragmented tcp/443      yes    yes
outside  inside   fragmented tcp/22       no     no
outside  inside   optional tcp/443        -      yes
outside  inside   optional tcp/22         -      no
outside  inside   41                      no     no
outside  inside   50                      no     no
outside  outside  tcp/443                 no     no
outside  outside  echo                    no     no
broker   box      41                      yes    -
broker   box      fragmented 41           yes    -
broker   box      tcp/22                  no     -
broker   box      47                      no     -
broker   inside   41                      no     -
inside   box      tcp/22                  yes    yes
inside   box      tcp/53                  yes    yes
inside   box      tcp/80                  yes    yes
inside   box      tcp/8080                no     no
inside   box      udp/53                  yes    yes
inside   box      udp/514                 no     no
inside   box      echo                    yes    yes
inside   box      unreachable             no     no
inside   box      timestamp               no     -
inside   box      lying tcp/22            no     no
inside   box      amid tcp/8080           no     no
inside   box      resetting tcp/22        no     no
inside   box      fragmented udp/53       yes    yes
inside   box      fragmented udp/514      no     no
inside   box      41                      no     no
inside   box      as-broker 41            no     -
inside   inside   tcp/443                 no     no
inside   outside  tcp/443                 yes    yes
inside   outside  udp/53                  yes    yes
inside   outside  echo                    yes    yes
inside   outside  unreachable             no     no
inside   outside  amid tcp/443            yes    yes
inside   outside  accepting tcp/443       no     no
inside   outside  resetting tcp/443       no     no
inside   outside  answering udp/50000     yes    yes
inside   outside  fragmented udp/443      yes    yes
inside   outside  41                      yes    yes
inside   outside  lying tcp/443           no     no
inside   outside  lying udp/53            no     no
inside   outside  lying echo              no     no
inside   outside  lying 41                no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      outside  unreachable             yes    yes
box      outside  amid tcp/443            yes    yes
box      outside  resetting tcp/443       yes    yes
box      outside  fragmented udp/443      yes    yes
box      broker   41                      yes    -
box      inside   tcp/80                  yes    yes
box      inside   udp/68                  yes    yes
box      inside   echo                    yes    yes
box      box      tcp/22                  yes    yes
box      box      udp/53                  yes    yes
box      box      echo                    yes    yes
"""
"""`lying`: from an address that is elsewhere, `as-broker`: from the broker's; the manners of TCP are about a connection
that nobody knows. Port 443 of the box's IPv4 address is the machine's inside. An answer about no connection is none.
"""
TYPES = {
    "echo": (8, 128),
    "echo-reply": (0, 129),
    "unreachable": (3, 1),
    "time-exceeded": (11, 3),
    "redirect": (5, 137),
    "timestamp": (13, 0),
    "router-advertisement": (9, 134),
}
FLAGS = {"accepting": 0x12, "resetting": 0x04, "null": 0x00, "all-flags": 0xFF, "syn-fin": 0x03}
"""Of TCP; no connection begins like that."""
UNASKED: dict[int, tuple[str, ...]] = {6: ("echo-reply", "unreachable", "time-exceeded")}
UNASKED[4] = (*UNASKED[6], "redirect", "router-advertisement")
INVALID = {*FLAGS, "corrupt", *((name, family) for family, names in UNASKED.items() for name in names)}
"""What connection tracking takes for that: the manner in which it is sent, or what it is, and of which family."""


NEIGHBOURS = {
    4: {"outside": "203.0.113.10", "inside": "192.168.2.21", "box": "192.168.2.1"},
    6: {"outside": "2001:db8:eeee::7", "inside": "2001:db8:123d:abc::21", "box": "2001:db8:123d:abc::1"},
}
LIES = {
    4: {"outside": "192.168.2.66", "inside": "198.51.100.66"},
    6: {"outside": "2001:db8:123d:abc::66", "inside": "2001:db8:9::66"},
}


@dataclass(frozen=True)
class Places:
    """Where the ends are: by family, an address of each, and the box's interface toward it ("": itself).

    `neighbours`: who is sent something by somebody of the same zone; `lies`: addresses that nobody has there.
    """

    hosts: Mapping[int, Mapping[str, str]]
    wires: Mapping[int, Mapping[str, str]]
    neighbours: Mapping[int, Mapping[str, str]] = field(default_factory=lambda: NEIGHBOURS)
    lies: Mapping[int, Mapping[str, str]] = field(default_factory=lambda: LIES)


@dataclass(frozen=True)
class Row:
    """A line of the table; `verdicts` by family, of those in which there is such a packet."""

    source: str
    destination: str
    what: str
    verdicts: Mapping[int, bool]

    def __str__(self) -> str:
        return f"{self.source} {self.destination} {self.what}"


def rows(table: str = TABLE) -> Sequence[Row]:
    """Those of a table."""
    found = []
    for line in table.strip().splitlines()[1:]:
        source, destination, rest = line.split(maxsplit=2)
        what, *verdicts = rest.rsplit(maxsplit=2)
        told = dict(zip(FAMILIES, verdicts, strict=True))
        is_yes = {family: verdict == "yes" for family, verdict in told.items() if verdict != "-"}
        found.append(Row(source, destination, what.strip(), is_yes))
    return found


def asked(table: str = TABLE) -> Sequence[tuple[Row, int]]:
    """Each row with each family that it is about."""
    return [(row, family) for row in rows(table) for family in row.verdicts]


def packet(places: Places, source: str, destination: str, what: str, family: int) -> Crafted:
    """The packet that a row is about."""
    *manner, name = what.split()
    [how] = manner or [""]
    hosts, wires = places.hosts[family], places.wires[family]
    there = places.neighbours[family] if source == destination else hosts
    protocol, _, port = name.partition("/")
    kind = TYPES[name][FAMILIES.index(family)] if name in TYPES else 0
    sources = {"lying": places.lies[family].get(source), "as-broker": BROKER}
    return Crafted(
        source=ip_address(sources.get(how) or hosts[source]),
        destination=ip_address(there[destination]),
        protocol="icmp" if name in TYPES else protocol,
        arriving=wires[source],
        leaving=wires[destination] or ("lo" if source == "box" else ""),
        port=int(port or 0),
        source_port=443 if how == "answering" else 0,
        type=kind,
        state=State.INVALID if how in INVALID or (name, family) in INVALID else State.ANY,
        opening=how not in ("amid", *FLAGS),
        flags=FLAGS.get(how),
        pieces=((0, 24), (24, 100)) if how == "fragmented" else (),
        optional=how == "optional",
        corrupt=how == "corrupt",
        size=56,
    )
