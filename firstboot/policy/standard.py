"""The standard policy for a box with an outside and an inside, with what appliance.yaml adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from appliance.addresses import PRIVATE, host_network
from appliance.firewall import Logged, Zone
from appliance.model import Appliance
from appliance.ranges import PortRange
from firstboot.facts import Facts
from firstboot.policy.compiled import FORWARD, INPUT
from firstboot.policy.rules import FAMILIES, Action, Group, Rule, State, Traffic, Zones
from firstboot.policy.tunnelled import comes_first, of_the_tunnel
from firstboot.sharing import Mode, segments_in

MDNS = (IPv4Network("224.0.0.251/32"), IPv6Network("ff02::fb/128"))
"""Where hosts ask for names that end in .local (RFC 6762, 3)."""

STATUS_PAGE = "status_page"
"""The setting that wants the page."""

LINK_LOCAL = IPv6Network("fe80::/10")
UNROUTED = (*PRIVATE, IPv4Network("169.254.0.0/16"), LINK_LOCAL)
"""Addresses that no router forwards from the Internet (RFC 1918, RFC 3927, RFC 4291)."""

MULTICAST = (IPv4Network("224.0.0.0/4"), IPv6Network("ff00::/8"))
NOBODY = (IPv4Network("0.0.0.0/32"),)
"""Who has no address yet."""

ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
"""Destination unreachable, packet too big, time exceeded, parameter problem (RFC 792, RFC 4443)."""
ECHO = {4: (8,), 6: (128,)}
NEIGHBOURS = (133, 134, 135, 136, 141, 142, 148, 149)
"""Router and neighbour discovery, inverse and secured too: of one link, so the hop limit is 255 (RFC 4861, 3971)."""
LISTENERS = (130, 131, 132, 143, 151, 152, 153)
"""Multicast listeners (RFC 3810): query, report, done, report version 2; and multicast routers (RFC 4286). A host
without an address sends from ::."""


def tcp(port: int) -> Traffic:
    """TCP to a port."""
    return Traffic("tcp", PortRange(port, port))


def udp(port: int, source: int | None = None) -> Traffic:
    """UDP to a port."""
    return Traffic("udp", PortRange(port, port), PortRange(source, source) if source is not None else None)


def control(*types: int) -> tuple[Traffic, ...]:
    """Control messages of these types."""
    return tuple(Traffic("icmp", types=(each,)) for each in types)


def before_own(appliance: Appliance, facts: Facts, zones: Zones) -> Iterator[Rule]:
    """What comes before the rules of one's own."""
    yield Rule(Group.LOOPBACK, Action.ALLOW, Zone.BOX, Zone.BOX, note="the machine itself")
    if comes_first(appliance):
        yield from of_the_tunnel(appliance, facts)
    yield Rule(Group.ESTABLISHED, Action.ALLOW, state=State.KNOWN, note="answers, and errors about what was sent")
    note = "routing headers of type 0 amplify traffic (RFC 5095)"
    yield Rule(Group.NOISE, Action.DROP, traffic=(Traffic(routing=0),), families=(6,), note=note)
    yield from _pretended(appliance, zones)
    yield _discovery()
    yield from _unknown()
    yield from _links(appliance, facts)
    yield from _noise()
    yield from _management(appliance, facts)
    yield from _control(appliance)
    if not comes_first(appliance):
        yield from of_the_tunnel(appliance, facts)
    yield from _echoes()


def _pretended(appliance: Appliance, zones: Zones) -> Iterator[Rule]:
    """No address of the inside comes by another interface than its own: the outside's, the uplink beside a tunnel, or
    that of another network. An answer would go to the machine that has the address, and asked for nothing.
    """
    uplink = [appliance.uplink.interface] if appliance.uplink is not None else []
    for family in FAMILIES:
        arms, outside = zones.inside[family], zones.outside[family]
        others = [name for name in (*uplink, *(arm.interface for arm in arms)) if name not in outside]
        for interface in dict.fromkeys(["", *others]):  # "": the outside's
            here = (interface,) if interface else outside
            elsewhere = [arm for arm in arms if arm.interface not in here]
            networks = tuple(network for arm in elsewhere for network in arm.networks if network != LINK_LOCAL)
            if networks and here:
                yield Rule(
                    Group.NOISE, Action.DROP, Zone.ANY if interface else Zone.OUTSIDE, source=networks,
                    families=(family,), interface=interface, log=appliance.firewall.log is not Logged.NONE,
                    note="pretends to be from inside", chains=(INPUT, FORWARD),
                )  # fmt: skip


def _discovery() -> Rule:
    """Connection tracking does not know all of these, and takes what it does not know for invalid."""
    neighbours = tuple(Traffic("icmp", types=(each,), hops=255) for each in NEIGHBOURS)
    listeners = tuple(Traffic("icmp", types=(each,), hops=1) for each in LISTENERS)
    note = "who is on the link (RFC 4890, 4.4.1)"
    return Rule(Group.LINKS, Action.ALLOW, to=Zone.BOX, traffic=neighbours + listeners, families=(6,), note=note)


def _unknown() -> Iterator[Rule]:
    yield Rule(Group.NOISE, Action.DROP, state=State.INVALID, note="what belongs to no connection")
    # What the inside has open goes on after the Pi was off: its next packet makes the connection known again.
    unknown = (Traffic("tcp", opening=False),)
    yield Rule(Group.NOISE, Action.DROP, Zone.OUTSIDE, traffic=unknown, note="of a connection that nobody knows")


def _links(appliance: Appliance, facts: Facts) -> Iterator[Rule]:
    """What configures the networks themselves: some of it is sent to everybody, and would be noise."""
    for interface in _dhcp_clients(appliance, facts, 4):
        yield Rule(
            Group.LINKS, Action.ALLOW, to=Zone.BOX, traffic=(udp(68, 67),), families=(4,), interface=interface,
            note="configured by DHCP",
        )  # fmt: skip
    for interface in _dhcp_clients(appliance, facts, 6):
        yield Rule(
            Group.LINKS, Action.ALLOW, to=Zone.BOX, source=(LINK_LOCAL,), traffic=(udp(546, 547),), families=(6,),
            interface=interface, note="configured by DHCP",
        )  # fmt: skip
    for interface in _served_interfaces(appliance, facts):
        yield Rule(
            Group.LINKS, Action.ALLOW, to=Zone.BOX, source=NOBODY, traffic=(udp(67, 68),), interface=interface,
            note="asking for an address by DHCP",
        )  # fmt: skip
    yield Rule(Group.LINKS, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(udp(67),), families=(4,), note="DHCP")
    yield Rule(Group.LINKS, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(udp(547),), families=(6,), note="DHCP")

    yield Rule(Group.LINKS, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(udp(5353),), note="names ending in .local")
    for interface, network in _looked_after_from(appliance, facts):
        yield Rule(
            Group.LINKS, Action.ALLOW, to=Zone.BOX, source=(network,), destination=MDNS, traffic=(udp(5353),),
            interface=interface, note="names ending in .local",
        )  # fmt: skip


def _noise() -> Iterator[Rule]:
    note = "sent to everybody"
    yield Rule(Group.NOISE, Action.DROP, to=Zone.BOX, destination=MULTICAST, note=note)
    yield Rule(Group.NOISE, Action.DROP, to=Zone.BOX, traffic=(Traffic(broadcast=True),), families=(4,), note=note)


def _management(appliance: Appliance, facts: Facts) -> Iterator[Rule]:
    management, setting = appliance.firewall.management, "firewall.management.ssh_from"
    for number, host in enumerate(management.ssh_from):
        where, note = f"{setting}[{number}]", "ssh"
        if isinstance(host, str):
            yield Rule(
                Group.MANAGEMENT, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(tcp(22),), note=note, setting=where
            )
            for interface, network in _looked_after_from(appliance, facts):
                yield Rule(
                    Group.MANAGEMENT, Action.ALLOW, to=Zone.BOX, source=(network,), traffic=(tcp(22),),
                    interface=interface, note=note, setting=where,
                )  # fmt: skip
        else:
            yield Rule(
                Group.MANAGEMENT,
                Action.ALLOW,
                to=Zone.BOX,
                source=(host,),
                traffic=(tcp(22),),
                note=note,
                setting=where,
            )
    if management.syslog_to is not None:
        yield Rule(
            Group.MANAGEMENT, Action.ALLOW, Zone.BOX, Zone.ANY, destination=(host_network(management.syslog_to),),
            traffic=(udp(514), tcp(6514)), note="the log", setting="firewall.management.syslog_to",
        )  # fmt: skip


def _control(appliance: Appliance) -> Iterator[Rule]:
    for family, types in ERRORS.items():
        # Others' errors are about a known connection, or invalid (nf_conntrack_proto_icmp.c): neither comes here.
        yield Rule(
            Group.CONTROL, Action.ALLOW, Zone.BOX, traffic=control(*types), families=(family,),
            note="path MTU discovery needs them; those of others are of known connections",
        )  # fmt: skip
    if appliance.gadget is None or appliance.tunnel is not None:
        note = "echo, which the broker asks for"
        yield Rule(Group.CONTROL, Action.ALLOW, to=Zone.BOX, traffic=control(8), families=(4,), note=note)
    if appliance.gadget is None:
        for from_, to in ((Zone.ANY, Zone.BOX), (Zone.OUTSIDE, Zone.INSIDE)):
            note = "echoes (RFC 4890, 4.3.1 and 4.4.1)"
            yield Rule(Group.CONTROL, Action.ALLOW, from_, to, traffic=control(*ECHO[6]), families=(6,), note=note)


def _echoes() -> Iterator[Rule]:
    for family, types in ECHO.items():
        for to in (Zone.BOX, Zone.OUTSIDE):
            yield Rule(
                Group.CONTROL, Action.ALLOW, Zone.INSIDE, to, traffic=control(*types), families=(family,), note="echo"
            )


def after_own(appliance: Appliance, facts: Facts) -> Iterator[Rule]:
    """What the box does for the inside, and for whoever looks after it where nothing is served."""
    yield Rule(Group.SERVICES, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(udp(53), tcp(53)), note="DNS")
    if appliance.status_page:
        page = Rule(
            Group.SERVICES, Action.ALLOW, Zone.INSIDE, Zone.BOX, traffic=(tcp(80),), note="the status page",
            setting=STATUS_PAGE,
        )  # fmt: skip
        yield page
        for segment in segments_in(appliance, facts, Mode.HOST):
            yield replace(page, from_=Zone.ANY, source=UNROUTED, interface=segment.interface)
    for interface, network in _looked_after_from(appliance, facts):
        for family, types in ECHO.items():
            if network.version == family:
                yield Rule(
                    Group.SERVICES, Action.ALLOW, to=Zone.BOX, source=(network,), traffic=control(*types),
                    families=(family,), interface=interface, note="echo",
                )  # fmt: skip


def _looked_after_from(appliance: Appliance, facts: Facts) -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
    """Where nothing is served, but whoever looks after the Pi comes from: (interface, network)."""
    found = [segment.interface for segment in segments_in(appliance, facts, Mode.HOST)]
    if appliance.lan is None and appliance.gadget is None and appliance.uplink is not None:
        found.append(appliance.uplink.interface)
    yield from ((name, network) for name in found for network in UNROUTED)


def _served_interfaces(appliance: Appliance, facts: Facts) -> Iterator[str]:
    """Those on which the Pi gives out IPv4 addresses."""
    if appliance.lan is not None:
        yield from (network.interface for network in appliance.lan.networks if network.dhcp4 is not None)
    yield from (segment.interface for segment in segments_in(appliance, facts, Mode.ROUTE, Mode.LOCAL))


def _dhcp_clients(appliance: Appliance, facts: Facts, family: int) -> Iterator[str]:
    """The interfaces on which the Pi itself is a client of DHCP; a fixed IPv4 address says nothing about IPv6."""
    is_fixed = family == 4 or appliance.gadget is None
    if appliance.uplink is not None and not (appliance.uplink.address and is_fixed):
        yield appliance.uplink.interface
    yield from (segment.interface for segment in segments_in(appliance, facts, Mode.HOST))
