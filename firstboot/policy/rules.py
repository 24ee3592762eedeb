"""What a policy is made of: rules that a person can read, top down; the first one that a packet fits decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Network
from typing import Generic, TypeVar

from appliance.addresses import Network
from appliance.firewall import Deny, Logged, Zone
from appliance.ranges import PortRange, Rate
from firstboot.forwarding import Path

T = TypeVar("T")

FAMILIES = (4, 6)

ICMP = {4: "icmp", 6: "icmpv6"}
"""What the protocol of control messages is called."""


class Group(StrEnum):
    """The parts of a policy, in their order."""

    LOOPBACK = "loopback"
    ESTABLISHED = "established"
    LINKS = "links"
    NOISE = "noise"
    MANAGEMENT = "management"
    CONTROL = "control"
    OWN = "own rules"
    SERVICES = "services of the box"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    UFW = "ufw rules"
    REST = "the rest"


class Action(StrEnum):
    """What becomes of a packet."""

    ALLOW = "allow"
    DROP = "drop"
    """Silently, however the policy denies: it is nobody's fault, or an answer would go to somebody else."""
    DENY = "deny"
    """As the policy denies, and logged as it logs."""
    REJECT = "reject"
    """With an answer that says so, however the policy denies."""
    UNKNOWN = "unknown"
    """It cannot be told: a rule of ufw's that may be about the packet is not understood."""


class State(StrEnum):
    """What connection tracking knows of a packet; ANY: does not matter."""

    ANY = ""
    KNOWN = "RELATED,ESTABLISHED"
    INVALID = "INVALID"


@dataclass(frozen=True)
class Traffic:
    """What a packet is, whatever its addresses. What is not said does not matter.

    `protocol`: tcp, udp, icmp (of the family), or a number. `types`: of control messages, as the kernel numbers them.
    `hops`: the hop limit that it must have arrived with. `routing`: the type of its routing header. `opening`: whether
    it asks for a connection (TCP's SYN). `broadcast`: only what is for everybody on one of the box's IPv4 networks.
    `inner`: of which the sender of the IPv6 packet in it must be.
    """

    protocol: str = ""
    ports: PortRange | None = None
    source_ports: PortRange | None = None
    types: tuple[int, ...] = ()
    hops: int | None = None
    routing: int | None = None
    opening: bool | None = None
    broadcast: bool = False
    inner: IPv6Network | None = None


@dataclass(frozen=True)
class Rule:
    """One rule. Networks are those of which a packet's address must be in one; None: any.

    `interface`, `exit`: by which it must come in and leave, where that is narrower than the zone. `redirected`: to whom
    it was sent: a port of the box's own address, which stands for the destination. `nat`: whether it leaves with the
    box's address; None: as usual. `setting`: which one of appliance.yaml wants it, or "".

    Of ufw's own, `chains`: the directions in which it is asked, whatever the zones say; `lines`: where it is in the
    kernel, as (family, chain, place).
    """

    group: Group
    action: Action
    from_: Zone = Zone.ANY
    to: Zone = Zone.ANY
    source: tuple[Network, ...] | None = None
    destination: tuple[Network, ...] | None = None
    traffic: tuple[Traffic, ...] = (Traffic(),)
    families: tuple[int, ...] = FAMILIES
    state: State = State.ANY
    interface: str = ""
    exit: str = ""
    redirected: PortRange | None = None
    nat: bool | None = None
    log: bool = False
    note: str = ""
    setting: str = ""
    chains: tuple[str, ...] | None = None
    lines: tuple[tuple[int, str, int], ...] = ()

    def has(self, family: int) -> bool:
        """Whether it is about packets of a family."""
        ends = (end for end in (self.source, self.destination) if end is not None)
        return family in self.families and all(any(network.version == family for network in end) for end in ends)


@dataclass(frozen=True)
class Arm:
    """An interface that a zone is reached by, and the addresses that are believed there; (): all."""

    interface: str
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True)
class ByFamily(Generic[T]):
    """Something of IPv4, and the same of IPv6: `found[4]`, `found[6]`."""

    ipv4: T
    ipv6: T

    def __getitem__(self, family: int) -> T:
        return self.ipv4 if family == 4 else self.ipv6


@dataclass(frozen=True)
class Zones:
    """Where the zones are, by family. What comes by any other interface, as IPv6 beside a tunnel does, is of no zone:
    only rules from `any` are about it.

    `inside`: for packets to the box; `ways`: of what passes through from inside; `outside`: the interfaces that lead
    out, the preferred one first; () where nothing passes.
    """

    inside: ByFamily[tuple[Arm, ...]]
    ways: ByFamily[tuple[Path, ...]]
    outside: ByFamily[tuple[str, ...]]


@dataclass(frozen=True)
class Policy:
    """All rules in order, and how packets are denied and logged.

    `mss`: the largest TCP segment, in bytes, that an IPv6 connection is told of; None: the kernel finds it out.
    """

    rules: tuple[Rule, ...]
    zones: Zones
    deny: Deny
    log: Logged
    rate: Rate
    mss: int | None = None
