"""dnsmasq's configuration: DNS, DHCPv4, and router advertisements with SLAAC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network
from pathlib import Path

from appliance.model import Appliance
from firstboot.cable import foreseen
from firstboot.facts import Facts
from firstboot.paths import ETC, RUN
from firstboot.render import render
from firstboot.rendered import ipv4_only
from firstboot.rendered.file import File, kept, text
from firstboot.served import Served, served, served_at_boot
from firstboot.topology import awaits_lease

CONFIG = ETC / "appliance" / "dnsmasq.conf"
"""What holds from power-on until the daemon knows more."""

IN_FORCE = RUN / "dnsmasq.conf"
"""What holds now: gone with the power, as what was offered may not be true any more."""

LOADED = Path("/run/appliance-dnsmasq/dnsmasq.conf")
"""The copy of the latter that the unit makes when it starts, and that the process read."""

OWNED = (CONFIG, IN_FORCE)

DEPRECATED = "deprecated"
"""In place of a time: nobody is to choose an address of that prefix (dnsmasq(8), --dhcp-range)."""

LAN_LEASES = "/var/lib/appliance-dnsmasq/leases"
CABLE_LEASES = "/run/appliance-dnsmasq/leases"


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The private instance's configuration at boot and now, where there is a network to serve."""
    if awaits_lease(appliance, facts):
        return (kept(CONFIG), kept(IN_FORCE))
    at_boot, now = served_at_boot(appliance, foreseen(appliance, facts)), offer(appliance, facts)
    found = [text(CONFIG, _rendered(appliance, at_boot))] if at_boot else []
    if now is None:
        return (*found, kept(IN_FORCE))
    return (*found, text(IN_FORCE, now)) if now else tuple(found)


def offer(appliance: Appliance, facts: Facts) -> str | None:
    """The configuration that holds now; "" where nothing is served, None while it is not known what is."""
    if awaits_lease(appliance, facts):
        return None
    networks = served(appliance, foreseen(appliance, facts))
    if networks is None:
        return None
    return _rendered(appliance, networks) if networks else ""


def _rendered(appliance: Appliance, networks: Sequence[Served]) -> str:
    upstream = appliance.uplink.dns if appliance.uplink is not None else ()
    return render(
        "dnsmasq.conf.j2",
        hostname=appliance.hostname,
        networks=tuple(networks),
        upstream=upstream,
        # Who the DNS servers are that DHCP tells of, nobody knows: a home's own may name the home's own.
        upstream_is_public=bool(upstream) and all(server.is_global for server in upstream),
        ipv4_only=ipv4_only.domains(appliance),
        ipv4_server=ipv4_only.SERVER,
        deprecated=DEPRECATED,
        leases=LAN_LEASES if appliance.lan is not None else CABLE_LEASES,
    )


@dataclass(frozen=True)
class Heard:
    """What a host on an interface hears: all that DHCPv4 says; how long we are its IPv6 router, and the prefixes of
    which it is to choose addresses.
    """

    dhcp: tuple[str, ...] = ()
    router6_s: int = 0
    prefixes: frozenset[IPv6Network] = frozenset()

    @property
    def ways_out(self) -> frozenset[str]:
        """What of it leads to the Internet: a default route for a family, a DNS server."""
        found = {name for name in ("router", "dns-server") if any(f",option:{name}," in line for line in self.dhcp)}
        return frozenset(found | {"router6"} if self.router6_s else found)

    @property
    def families(self) -> tuple[int, ...]:
        """Those (4, 6) for which it has a default route."""
        return tuple(family for family, way in ((4, "router"), (6, "router6")) if way in self.ways_out)


def heard(config: str, interface: str) -> Heard:
    """What a configuration that was rendered here tells the hosts on an interface."""
    _, _, rest = config.partition(f"\n# --- {interface}\n")
    lines = rest.partition("\n# ---")[0].splitlines()
    lifetimes = [int(line.rpartition(",")[2]) for line in lines if line.startswith("ra-param=")]
    return Heard(tuple(_dhcp(lines)), max(lifetimes, default=0), frozenset(_prefixes(lines)))


def _dhcp(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        option, _, value = line.partition("=")
        if (option == "dhcp-option" and ",option:" in value) or (option == "dhcp-range" and ",ra-" not in value):
            yield line


def _prefixes(lines: Sequence[str]) -> Iterator[IPv6Network]:
    for line in lines:
        option, _, value = line.partition("=")
        if option == "dhcp-range" and ",ra-" in value:
            address, *_, length, lifetime = value.split(",")
            if lifetime != DEPRECATED:
                yield IPv6Network((address, int(length)))
