"""The scene of a gateway: the tunnel's provider, the IPv6 Internet, and a client on the LAN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from appliance.errors import PermanentError
from appliance.model import Appliance
from image import run as door
from image.lab import site as places
from image.lab.cables import NIC, WIRES, ip
from image.lab.client import Client
from image.lab.faults import ABOUT, Fault, fault
from image.lab.gateway import Lab, gateway_lab
from image.lab.guest import Guest
from image.lab.services import PAGE
from image.lab.session.scene import Breakage, Host, Pull, Scene, Seen
from image.lab.topology import CLIENT, INTERNET, ISP, PROVIDER, ROUTER, WEB

CERTIFICATES = "/etc/ssl/certs"
LEASE_S, FETCH_S = 15, 3


@contextmanager
def gateway_scene(appliance: Appliance, logs: Path) -> Iterator[Scene]:
    """It is there while the block runs; InputError if the lab cannot play this configuration."""
    with gateway_lab(appliance, logs) as lab:
        yield scene_of(lab, appliance)


def scene_of(lab: Lab, appliance: Appliance) -> Scene:
    """That of a lab that is laid for this configuration."""
    has_account = lab.site.account is not None
    return Scene(
        lab=lab,
        hosts=hosts(lab),
        faults={
            kind.value: Breakage(about, partial(fault, lab.world, kind))
            for kind, about in ABOUT.items()
            if has_account or kind is not Fault.BROKER
        },
        cables=cables(lab),
        look=partial(look, lab, leases=_leases(lab, appliance)),
        prepare=partial(trust, lab) if has_account else lambda _: None,
    )


def hosts(lab: Lab) -> Mapping[str, Host]:
    """Those of the world."""
    pi, beyond = str(lab.site.pi_lan.ip), str(lab.site.resolvers[0])
    return {
        CLIENT: Host("a host on the LAN, which the Pi serves", pi),
        WEB: Host("another one, for what firewall.allow_in lets in", pi),
        ROUTER: Host("the home router", beyond),
        ISP: Host("a router of its provider's", beyond),
        PROVIDER: Host("the tunnel's server", beyond),
        INTERNET: Host("everything beyond: a web server, DNS, the broker", beyond),
        WIRES: Host("the switches; the Pi's cables are pi0 and pi1", beyond),
    }


def cables(lab: Lab) -> Mapping[str, Pull]:
    """Those of the Pi; with one arm, both names are of the same cable."""
    last = len(lab.cards) - 1
    return {"uplink": lambda guest: guest.unplugged(0), "lan": lambda guest: guest.unplugged(last)}


def trust(lab: Lab, guest: Guest) -> None:
    """The Pi believes the lab's authority, which the broker's certificate is from, as it does those of Debian.

    By its name alone, which is how OpenSSL looks for one: update-ca-certificates takes an emulator minutes.
    """
    authority = lab.provider.authority
    digest = door.run(["openssl", "x509", "-noout", "-hash", "-in", authority]).strip()
    guest.write(f"{CERTIFICATES}/{digest}.0", authority.read_text())


def look(lab: Lab, _: Guest, *, leases: bool) -> Sequence[Seen]:
    """What the client has of the Pi."""
    addresses = [each for each in lab.client.ipv6_addresses("global") if each.ip in lab.site.routed]
    via = ip(lab.world, CLIENT, "-6", "route", "show", "default").split()
    reaches = bool(addresses) and bool(via) and _fetches(lab.client)
    seen = [
        Seen("client, IPv6 address", bool(addresses), str(addresses[0]) if addresses else "none"),
        Seen("client, way to the IPv6 Internet", bool(via), f"by {via[2]}" if via else "none"),
        Seen("client, web server over IPv6", reaches, "reached" if reaches else "not reached"),
    ]
    return [*seen, _lease(lab)] if leases else seen


def _leases(lab: Lab, appliance: Appliance) -> bool:
    """Whether anybody gives a client an IPv4 address."""
    by_router = lab.site.router_serves and not lab.site.two_armed
    return by_router or (appliance.lan is not None and appliance.lan.dhcp4 is not None)


def _fetches(client: Client) -> bool:
    try:
        return client.fetch(places.SERVER.ip, timeout_s=FETCH_S) == PAGE
    except PermanentError:
        return False


def _lease(lab: Lab) -> Seen:
    """The client asks as long as it has no address; with one, it takes the way out that it was told."""
    shown = ip(lab.world, CLIENT, "-4", "-o", "address", "show", "dev", NIC).split()
    if not shown:
        try:
            lease = lab.client.dhcp_lease(timeout_s=LEASE_S)
        except PermanentError:
            return Seen("client, IPv4 lease", False, "none")
        for router in lease.routers[:1]:
            ip(lab.world, CLIENT, "route", "replace", "default", "via", str(router))
        shown = ["", "", "", str(lease.address)]
    return Seen("client, IPv4 lease", True, shown[3])
