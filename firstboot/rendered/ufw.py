"""ufw's framework files: the policy, in both families, around the user's own `ufw allow` rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from appliance.model import Appliance
from firstboot.facts import Facts, Network
from firstboot.paths import ETC
from firstboot.render import render
from firstboot.rendered.file import File, kept, text
from firstboot.topology import awaits_lease, forwards_ipv4, own_ipv4

FAMILIES = (4, 6)
OWNED: tuple[Path, ...] = ()
_VERSION_DIGITS = 12

MDNS = {4: IPv4Address("224.0.0.251"), 6: IPv6Address("ff02::fb")}
"""Where hosts ask for names that end in .local (RFC 6762, 3)."""

LINK_LOCAL = IPv6Network("fe80::/10")
PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("169.254.0.0/16"),
    LINK_LOCAL,
)
"""Addresses that no router forwards from the Internet (RFC 1918, RFC 3927, RFC 4291)."""


@dataclass(frozen=True)
class Rules:
    """One family's rules: the text that iptables-restore reads, and its version, which stands in a rule's comment."""

    family: int
    text: str
    version: str


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The rules of both families, and the kernel settings that ufw applies whenever it starts."""
    settings = render(
        "ufw-sysctl.conf.j2", forward_ipv4=forwards_ipv4(appliance), forward_ipv6=appliance.tunnel is not None
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

    def rendered(version: str) -> str:
        return render(
            "ufw-before.rules.j2",
            family=family,
            version=version,
            chain="ufw" if family == 4 else "ufw6",
            icmp="icmp" if family == 4 else "icmpv6",
            mdns=MDNS[family],
            uplink=appliance.uplink,
            lan=appliance.lan,
            tunnel=appliance.tunnel,
            inside=tuple(_inside(appliance, facts, family)),
            management=() if appliance.lan else tuple(net for net in PRIVATE if net.version == family),
            allow_in=appliance.firewall.allow_in,
            forward_ipv4=forwards_ipv4(appliance),
        )

    version = sha256(rendered("").encode()).hexdigest()[:_VERSION_DIGITS]
    return Rules(family, rendered(version), version)


def _inside(appliance: Appliance, facts: Facts, family: int) -> Iterator[Network]:
    """The networks whose packets, arriving on the LAN's interface, are from inside."""
    if appliance.lan is None:
        return
    if family == 6:
        yield LINK_LOCAL
        if appliance.tunnel is not None:
            yield appliance.tunnel.routed
    elif (own := own_ipv4(appliance, facts)) is not None:
        yield own.network
