"""Which rule decides about a packet: the policy read as a person reads it. The kernel must agree."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from appliance.firewall import Zone
from firstboot.policy.compiled import FORWARD, INPUT, OUTPUT, chains_of
from firstboot.policy.rules import Action, Group, Policy, Rule, State, Traffic

Address = IPv4Address | IPv6Address
SSH_PORT = 22


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, or one by itself.

    `arriving`, `leaving`: the interfaces by which it comes and goes; "" where it is the box itself that sends it, or
    gets it. `protocol`, `opening`: as in `Traffic`; ports are those of TCP and UDP, `type` that of a control message;
    `inner`: who sends the IPv6 packet that is in it.
    """

    source: Address
    destination: Address
    protocol: str
    arriving: str = ""
    leaving: str = ""
    port: int = 0
    source_port: int = 0
    type: int = 0
    hops: int = 64
    state: State = State.ANY
    opening: bool = True
    routing: int | None = None
    broadcast: bool = False
    inner: IPv6Address | None = None

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.destination.version


@dataclass(frozen=True)
class Decision:
    """What becomes of a packet. `number`: that of the rule that decides; None: what no rule decides is denied.

    `passed_on`: the packet as it is after the box's address was exchanged for the machine's that is meant.
    """

    number: int | None
    rule: Rule | None
    action: Action
    passed_on: Packet | None = None


def decide(policy: Policy, packet: Packet) -> Decision:
    """The first rule that the packet fits."""
    meant = _redirected(policy, packet)
    seen = meant or packet
    for number, rule in enumerate(policy.rules):
        if _fits(policy, rule, seen):
            return Decision(number, rule, rule.action, meant)
    if direction_of(seen) == OUTPUT:
        return Decision(None, None, Action.ALLOW)
    return Decision(None, None, Action.DENY, meant)


def admits_ssh(policy: Policy, own: Address, peer: Address, interface: str) -> bool:
    """Whether a new connection by ssh comes in there. What nobody understands of the user's rules may let it."""
    packet = Packet(peer, own, "tcp", arriving=interface, port=SSH_PORT)
    return decide(policy, packet).action in (Action.ALLOW, Action.UNKNOWN)


def direction_of(packet: Packet) -> str:
    """The chain that it comes by."""
    if not packet.arriving:
        return OUTPUT
    return FORWARD if packet.leaving else INPUT


def _redirected(policy: Policy, packet: Packet) -> Packet | None:
    """The packet as it is for the machine inside; None where it stays what it is."""
    if packet.family == 6 or packet.arriving not in policy.zones.outside[4] or packet.leaving or not packet.arriving:
        return None
    if packet.broadcast or packet.destination.is_multicast:  # what is for all is not the box's own
        return None
    for rule in policy.rules:
        if rule.group is not Group.INBOUND or rule.redirected is None or not rule.has(4):
            continue
        [traffic], [machine] = rule.traffic, [each for each in rule.destination or () if each.version == 4]
        if (
            traffic.protocol == packet.protocol
            and packet.port in rule.redirected
            and _is_among(packet.source, rule.source)
        ):
            port = packet.port if traffic.ports is None or traffic.ports == rule.redirected else traffic.ports.first
            leaving = next((way.interface for way in policy.zones.ways[4]), "")
            return replace(packet, destination=machine.network_address, leaving=leaving, port=port)
    return None


def _fits(policy: Policy, rule: Rule, packet: Packet) -> bool:
    if not rule.has(packet.family) or direction_of(packet) not in chains_of(rule):
        return False
    if rule.group is Group.LOOPBACK:
        return "lo" in (packet.arriving, packet.leaving)
    return (
        rule.state in (State.ANY, packet.state)
        and rule.interface in ("", packet.arriving)
        and rule.exit in ("", packet.leaving)
        and rule.from_.covers(_from(policy, packet))
        and rule.to.covers(_to(policy, packet))
        and _is_among(packet.source, rule.source)
        and _is_among(packet.destination, rule.destination)
        and any(_is(traffic, packet) for traffic in rule.traffic)
    )


def _from(policy: Policy, packet: Packet) -> Zone:
    direction = direction_of(packet)
    if direction == OUTPUT:
        return Zone.BOX
    if direction == INPUT:
        inside = any(
            arm.interface == packet.arriving and (not arm.networks or _is_among(packet.source, arm.networks))
            for arm in policy.zones.inside[packet.family]
        )
    else:
        inside = any(
            way.interface == packet.arriving and packet.source in way.network
            for way in policy.zones.ways[packet.family]
        )
    if inside:
        return Zone.INSIDE
    return Zone.OUTSIDE if packet.arriving in policy.zones.outside[packet.family] else Zone.ANY


def _to(policy: Policy, packet: Packet) -> Zone:
    """Of a box with one arm, the inside is behind the same interface as the outside."""
    if not packet.leaving:
        return Zone.BOX
    if _is_inside(policy, packet):
        return Zone.INSIDE
    return Zone.OUTSIDE if packet.leaving in policy.zones.outside[packet.family] else Zone.ANY


def _is_inside(policy: Policy, packet: Packet) -> bool:
    if direction_of(packet) == FORWARD:
        return any(way.interface == packet.leaving for way in policy.zones.ways[packet.family])
    arms = (arm for arm in policy.zones.inside[packet.family] if arm.interface == packet.leaving)
    return any(not arm.networks or _is_among(packet.destination, arm.networks) for arm in arms)


def _is_among(address: Address, networks: object) -> bool:
    return networks is None or any(address in network for network in networks)  # type: ignore[attr-defined]


def _is(traffic: Traffic, packet: Packet) -> bool:
    return (
        traffic.protocol in ("", packet.protocol)
        and (traffic.ports is None or packet.port in traffic.ports)
        and (traffic.source_ports is None or packet.source_port in traffic.source_ports)
        and (not traffic.types or packet.type in traffic.types)
        and traffic.hops in (None, packet.hops)
        and traffic.routing in (None, packet.routing)
        and traffic.opening in (None, packet.opening)
        and (packet.broadcast or not traffic.broadcast)
        and (traffic.inner is None or packet.inner in traffic.inner)
    )
