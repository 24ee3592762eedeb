"""A laptop that shares its own Internet with the Pi, as Windows does: an address, a DHCP server, DNS, a way out."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Interface

from image.lab import internet
from image.lab import site as places
from image.lab.guest import Guest
from image.lab.home import RESOLVER
from image.lab.internet import Internet
from image.lab.laptop import CABLE, NAME, Laptop
from image.lab.services import PAGE
from image.lab.session.scene import Seen

OWN = IPv4Interface("192.168.137.1/24")
"""What Windows calls itself on a network that it shares its Internet with."""
NUMBER = 3
"""Of its cable to the Internet; those of access points have the numbers of their radios."""
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=3).read().decode(), end='')"
FETCH_S = 20.0


def begin(guest: Guest) -> None:
    """The laptop has an Internet of its own, beside that of a wireless uplink the same."""
    is_there = guest.ask(["test", "-e", f"/run/netns/{internet.NAME}"]).code == 0
    beyond = Internet(guest, internet.NAME) if is_there else internet.begun(guest)
    laptop = Laptop(guest)
    beyond.lay_cable(laptop, NUMBER, OWN.network)
    guest.run(*laptop.in_network, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    options = [
        f"--interface={CABLE}",
        "--bind-dynamic",
        "--no-resolv",
        f"--server={RESOLVER}",
        f"--dhcp-range={OWN.network[10]},{OWN.network[20]}",
    ]
    laptop.start("sharing", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--leasefile-ro", *options)


def look(guest: Guest) -> Sequence[Seen]:
    """Share, where the cable was plugged in since the last look, and what the Pi has of it."""
    laptop = Laptop(guest)
    has_adapter = laptop.has_adapter()
    seen = [Seen(f"{NAME}, network adapter", has_adapter, CABLE if has_adapter else "none")]
    if has_adapter and laptop.ipv4() != OWN:
        laptop.ask(["dhcpcd", "--exit", CABLE])
        laptop.lay(f"address flush dev {CABLE}", f"address add {OWN} dev {CABLE}")
    reaches = has_adapter and _reaches(guest)
    return [*seen, Seen("the Pi, the laptop's Internet", reaches, "reached" if reaches else "not reached")]


def _reaches(guest: Guest) -> bool:
    answer = guest.python(FETCH, f"http://{places.NAMED_IPV4}/", timeout_s=FETCH_S)
    return answer.code == 0 and answer.output == PAGE
