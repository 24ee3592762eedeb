"""6in4: a broker's server at the other end of a line (RFC 4213)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from appliance.model import KnownTunnel
from firstboot.facts import Facts
from firstboot.tunnels.form import Form, Senders, Sit


class SixInFour(Form):
    """Two ends, each with an address in the network between them."""

    def link(self, tunnel: KnownTunnel, local: IPv4Address, mtu: int, facts: Facts) -> Sit:
        """To the server."""
        return Sit(tunnel.interface, local, tunnel.server, mtu)

    def gateway(self, tunnel: KnownTunnel) -> IPv6Address | None:
        """Whoever is at the other end."""
        return None

    def far_end(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> IPv6Address | None:
        """The broker has the first address of the tunnel's network, the client the second."""
        return tunnel.address.network[1]

    def senders(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> Sequence[Senders]:
        """The server alone."""
        return (Senders(IPv4Network(tunnel.server)),)
