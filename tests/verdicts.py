"""Who may send what to whom: the standard policy, with one service inside, as a table of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from firstboot.policy.decision import Packet
from firstboot.policy.rules import FAMILIES, State

FIREWALL = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443, udp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443, udp: 443}
"""
LIES = {
    4: {"outside": "192.168.2.66", "inside": "198.51.100.66"},
    6: {"outside": "2001:db8:123d:abc::66", "inside": "2001:db8:9::66"},
}
"""Addresses that nobody has there."""

TABLE = """
from     to       what                    IPv4   IPv6
outside  box      tcp/22                  no     no
outside  box      tcp/443                 yes    no
outside  box      tcp/8080                no     no
outside  box      udp/53                  no     no
outside  box      udp/443                 yes    no
outside  box      echo                    yes    yes
outside  box      unreachable             no     no
outside  box      lying tcp/22            no     no
outside  box      lying udp/443           no     no
outside  box      amid tcp/22             no     no
outside  inside   tcp/443                 yes    yes
outside  inside   tcp/22                  no     no
outside  inside   udp/443                 yes    yes
outside  inside   udp/53                  no     no
outside  inside   echo                    no     yes
outside  inside   unreachable             no     no
outside  inside   lying tcp/443           no     no
outside  inside   amid tcp/443            no     no
inside   box      tcp/22                  yes    yes
inside   box      tcp/53                  yes    yes
inside   box      tcp/8080                no     no
inside   box      udp/53                  yes    yes
inside   box      udp/514                 no     no
inside   box      echo                    yes    yes
inside   box      lying tcp/22            no     no
inside   outside  tcp/443                 yes    yes
inside   outside  udp/53                  yes    yes
inside   outside  echo                    yes    yes
inside   outside  amid tcp/443            yes    yes
inside   outside  lying tcp/443           no     no
inside   outside  lying udp/53            no     no
box      outside  tcp/443                 yes    yes
box      outside  udp/123                 yes    yes
box      outside  echo                    yes    yes
box      inside   tcp/80                  yes    yes
box      inside   udp/68                  yes    yes
"""
"""`lying`: from an address that is elsewhere; `amid`: of a TCP connection that nobody knows. The port 443 of the box's
IPv4 address is the machine's inside. An answer about no connection is none.
"""
PROBE = """
table inet probe {
  set came { typeof @th,0,16; size 65535; flags dynamic; }
  set passed { typeof @th,0,16; size 65535; flags dynamic; }
  chain note_came {
    meta l4proto { tcp, udp } add @came { @th,0,16 }
    meta l4proto { icmp, icmpv6 } add @came { @th,32,16 }
  }
  chain note_passed {
    meta l4proto { tcp, udp } add @passed { @th,0,16 }
    meta l4proto { icmp, icmpv6 } add @passed { @th,32,16 }
  }
  chain prerouting { type filter hook prerouting priority -350; jump note_came; }
  chain own { type filter hook output priority -350; jump note_came; }
  chain input { type filter hook input priority 200; jump note_passed; }
  chain output { type filter hook output priority 200; jump note_passed; }
  chain forward { type filter hook forward priority 200; jump note_passed; }
}
"""
"""What comes by before the firewall has had its say, and after it: each packet by its number (`packets.frame`)."""


@dataclass(frozen=True)
class Places:
    """Where the ends are: by family, an address of each, and the box's interface toward it ("": itself)."""

    hosts: Mapping[int, Mapping[str, str]]
    wires: Mapping[int, Mapping[str, str]]


@dataclass(frozen=True)
class Row:
    """A line of the table; `verdicts` by family."""

    source: str
    destination: str
    what: str
    verdicts: Mapping[int, bool]

    def __str__(self) -> str:
        return f"{self.source} {self.destination} {self.what}"


def rows() -> Sequence[Row]:
    """The table."""
    found = []
    for line in TABLE.strip().splitlines()[1:]:
        source, destination, rest = line.split(maxsplit=2)
        what, *verdicts = rest.rsplit(maxsplit=2)
        told = {family: verdict == "yes" for family, verdict in zip(FAMILIES, verdicts, strict=True)}
        found.append(Row(source, destination, what.strip(), told))
    return found


def packet(places: Places, source: str, destination: str, what: str, family: int) -> Packet:
    """The packet that a row is about."""
    *manner, name = what.split()
    hosts, wires = places.hosts[family], places.wires[family]
    protocol, _, port = name.partition("/")
    types = {"echo": {4: 8, 6: 128}, "unreachable": {4: 3, 6: 1}}.get(name)
    return Packet(
        source=ip_address(LIES[family][source] if "lying" in manner else hosts[source]),
        destination=ip_address(hosts[destination]),
        protocol="icmp" if types else protocol,
        arriving=wires[source],
        leaving=wires[destination],
        port=int(port or 0),
        type=types[family] if types else 0,
        state=State.INVALID if name == "unreachable" else State.ANY,
        opening="amid" not in manner,
    )
