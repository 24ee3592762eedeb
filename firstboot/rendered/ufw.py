"""ufw's framework files: the policy, in both families, around the user's own `ufw allow` rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from appliance.addresses import PRIVATE
from appliance.model import Appliance
from firstboot.cable import foreseen
from firstboot.facts import Facts, Network
from firstboot.forwarding import paths
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, kept, text
from firstboot.sharing import SERVING, Mode, exit_of, segments_in
from firstboot.topology import awaits_lease, own_ipv4

FAMILIES = (4, 6)
OWNED: tuple[Path, ...] = ()
_VERSION_DIGITS = 12

MDNS = {4: IPv4Address("224.0.0.251"), 6: IPv6Address("ff02::fb")}
"""Where hosts ask for names that end in .local (RFC 6762, 3)."""

LINK_LOCAL = IPv6Network("fe80::/10")
UNROUTED = (*PRIVATE, IPv4Network("169.254.0.0/16"), LINK_LOCAL)
"""Addresses that no router forwards from the Internet (RFC 1918, RFC 3927, RFC 4291)."""


@dataclass(frozen=True)
class Rules:
    """One family's rules: the text that iptables-restore reads, and its version, which stands in a rule's comment."""

    family: int
    text: str
    version: str


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The rules of both families, and the kernel settings, that ufw applies whenever it starts.

    At boot nobody knows yet whether the laptop shares its Internet: the Pi serves it until then.
    """
    facts = foreseen(appliance, replace(facts, neighbours={}))
    settings = render(
        "ufw-sysctl.conf.j2",
        forward_ipv4=bool(paths(appliance, facts, 4)),
        forward_ipv6=bool(paths(appliance, facts, 6)),
    )
    if awaits_lease(appliance, facts):
        return (*(kept(path_of(family)) for family in FAMILIES), text(ETC / "ufw" / "sysctl.conf", settings))
    rules = [text(path_of(family), rules_of(appliance, facts, family).text, 0o640) for family in FAMILIES]
    return (*rules, text(ETC / "ufw" / "sysctl.conf", settings))


def path_of(family: int) -> Path:
    """The file that ufw loads before the user's rules."""
    return ETC / "ufw" / ("before.rules" if family == 4 else "before6.rules")


def other_paths(family: int) -> Sequence[Path]:
    """The files that ufw loads after ours: its own, and what the user has made with `ufw allow`."""
    end = "" if family == 4 else "6"
    return (ETC / "ufw" / f"after{end}.rules", ETC / "ufw" / f"user{end}.rules")


def rules_of(appliance: Appliance, facts: Facts, family: int) -> Rules:
    """One family's rules. The version is a digest of all the rest."""
    facts = foreseen(appliance, facts)

    def rendered(version: str) -> str:
        ways = tuple(paths(appliance, facts, family))
        return render(
            "ufw-before.rules.j2",
            family=family,
            version=version,
            chain="ufw" if family == 4 else "ufw6",
            icmp="icmp" if family == 4 else "icmpv6",
            mdns=MDNS[family],
            uplink=appliance.uplink,
            tunnel=appliance.tunnel,
            is_pingable=appliance.gadget is None or (family == 4 and appliance.tunnel is not None),
            dhcp_clients=tuple(_dhcp_clients(appliance, facts, family)),
            lan=appliance.lan,
            inside=tuple(_lan_networks(appliance, facts, family)),
            cable=tuple(_on_cable(appliance, facts, family)),
            management=tuple(_management(appliance, facts, family)),
            paths=ways,
            outside=exit_of(appliance, family) if ways else None,
            allow_in=appliance.firewall.allow_in,
        )

    version = sha256(rendered("").encode()).hexdigest()[:_VERSION_DIGITS]
    return Rules(family, rendered(version), version)


def _lan_networks(appliance: Appliance, facts: Facts, family: int) -> Iterator[Network]:
    """The networks whose packets, arriving on the LAN's interface, are from inside."""
    if appliance.lan is None:
        return
    if family == 6:
        yield LINK_LOCAL
        if appliance.tunnel is not None:
            yield appliance.tunnel.routed
    elif (own := own_ipv4(appliance, facts)) is not None:
        yield own.network


def _on_cable(appliance: Appliance, facts: Facts, family: int) -> Iterator[tuple[str, tuple[Network, ...]]]:
    """The cable's interfaces on which the Pi serves, each with the networks that are on it."""
    for segment in segments_in(appliance, facts, *SERVING):
        found = [address.network for address in segment.all_addresses if address.version == family]
        yield segment.interface, (*([LINK_LOCAL] if family == 6 else []), *found)


def _management(appliance: Appliance, facts: Facts, family: int) -> Iterator[tuple[str, Network]]:
    """Where nothing is served, but whoever looks after the Pi comes from: (interface, network)."""
    names = [segment.interface for segment in segments_in(appliance, facts, Mode.HOST)]
    if appliance.lan is None and appliance.gadget is None and appliance.uplink is not None:
        names.append(appliance.uplink.interface)
    for name in names:
        yield from ((name, network) for network in UNROUTED if network.version == family)


def _dhcp_clients(appliance: Appliance, facts: Facts, family: int) -> Iterator[str]:
    """The interfaces on which the Pi itself is a client of DHCP; a fixed IPv4 address says nothing about IPv6."""
    is_fixed = family == 4 or appliance.gadget is None
    if appliance.uplink is not None and not (appliance.uplink.address and is_fixed):
        yield appliance.uplink.interface
    yield from (segment.interface for segment in segments_in(appliance, facts, Mode.HOST))
