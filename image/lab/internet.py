"""The Internet beyond the access points: one more computer inside the guest, with a DNS server and a web server.

Nothing translates or filters on the way: what does not get in was refused by the Pi.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from image.lab import computer
from image.lab import site as places
from image.lab.access_point import AccessPoint
from image.lab.computer import Computer
from image.lab.guest import Guest
from image.lab.home import RESOLVER
from image.lab.services import PAGE, resolvers

NAME = "internet"
LINKS_IPV4, LINKS_IPV6 = IPv4Network("203.0.113.0/24"), IPv6Network("2001:db8:fffe::/48")
"""The cables between it and the access points are numbered from these."""


class Internet(Computer):
    """It, with cables to some access points."""

    def connect(self, point: AccessPoint) -> None:
        """Lay a cable to an access point, with routes both ways."""
        self.lay_cable(point, point.radio, point.ipv4.network, point.ipv6.network)

    def lay_cable(self, point: Computer, number: int, *networks: IPv4Network | IPv6Network) -> None:
        """Lay the cable of that number to a computer: its way out, and the way to these networks."""
        here, there = (LINKS_IPV4[4 * number + end] for end in (1, 2))
        prefix = LINKS_IPV6[number << 64]
        here6, there6 = prefix + 1, prefix + 2
        self.lay(
            f"link add {point.name} type veth peer name {NAME} netns {point.name}",
            f"link set {point.name} up",
            f"address add {here}/30 dev {point.name}",
            f"address add {here6}/64 dev {point.name} nodad",
        )
        point.lay(
            f"link set {NAME} up",
            f"address add {there}/30 dev {NAME}",
            f"address add {there6}/64 dev {NAME} nodad",
            f"route add 0.0.0.0/0 via {here}",
            f"route add ::/0 via {here6}",
        )
        self.lay(*(f"route add {each} via {there if each.version == 4 else there6}" for each in networks))


def begun(guest: Guest) -> Internet:
    """The servers that `site` names, for whoever is connected."""
    computer.begun(guest, NAME)
    internet = Internet(guest, NAME)
    servers = (places.NAMED_IPV4, places.NAMED_IPV6, places.SERVER.ip, RESOLVER)
    internet.lay(*(f"address add {server} dev lo" for server in servers))
    internet.start("resolver", *(str(word) for word in resolvers([RESOLVER])))
    internet.write("/run/index.html", PAGE)
    # The drive has no Python; the guest's own is there.
    argv = ["python3", "-m", "http.server", "--bind", "::", "--directory", f"{internet.root}/run", "80"]
    guest.run(
        "systemd-run", "--quiet", "--collect", f"--unit={internet.unit('web')}", "--", *internet.in_network, *argv
    )
    return internet
