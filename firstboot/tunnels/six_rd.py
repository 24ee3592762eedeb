"""6rd: the provider's own relays, and every other customer (RFC 5969)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from appliance.errors import TemporaryError
from appliance.model import Appliance, KnownTunnel, TunnelForm
from firstboot.facts import Facts
from firstboot.topology import address_on_the_line
from firstboot.tunnels.domain import Domain
from firstboot.tunnels.form import Form, Senders, Sit
from firstboot.tunnels.told import Line


class SixRd(Form):
    """An interface without another end: where a packet goes is in its address, or in the route."""

    def link(self, tunnel: KnownTunnel, local: IPv4Address, mtu: int, facts: Facts) -> Sit:
        """To all customers. Raises `TemporaryError` while the provider has told of no domain."""
        domain = _domain(facts)
        customers = domain.customers(local)
        return Sit(tunnel.interface, local, None, mtu, prefix=domain.prefix, customers=customers)

    def gateway(self, tunnel: KnownTunnel) -> IPv6Address | None:
        """The relay, as the kernel is told of an IPv4 address in a route (RFC 4291, 2.5.5.1; net/ipv6/sit.c)."""
        return IPv6Address(int(tunnel.server))

    def far_end(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> IPv6Address | None:
        """The relay's, where its IPv4 address is in the domain."""
        told = facts.six_rd
        if told is None or told.domain is None:
            return None
        return told.domain.anycast(local or told.address)

    def senders(self, tunnel: KnownTunnel, local: IPv4Address | None, facts: Facts) -> Sequence[Senders]:
        """The relays for everybody; other customers for themselves (RFC 5969, 12).

        That their addresses are those that they send from, the kernel sees to itself.
        """
        told = facts.six_rd
        if told is None or told.domain is None:
            return (Senders(IPv4Network(tunnel.server)),)
        relays = tuple(Senders(IPv4Network(relay)) for relay in told.domain.relays)
        return (*relays, Senders(told.domain.customers(local or told.address), told.domain.prefix))


def where_to_ask(appliance: Appliance, facts: Facts) -> Line | None:
    """Where the provider is to be asked; None: nowhere, or nowhere now."""
    uplink = appliance.uplink
    if uplink is None or not any(tunnel.kind is TunnelForm.SIX_RD for tunnel in appliance.tunnels):
        return None
    own = address_on_the_line(uplink, facts)
    return Line(uplink.interface, own) if own is not None else None


def own_address(delegated: IPv6Network, address: IPv4Address) -> IPv6Interface:
    """The Pi's on the tunnel's interface: of the first network's, with an end that nobody there makes up.

    It is alone: the network itself is on the LAN.
    """
    return IPv6Interface((int(delegated.network_address) + int(address), 128))


def _domain(facts: Facts) -> Domain:
    told = facts.six_rd
    if told is None or told.domain is None:
        raise TemporaryError("the provider has not yet said what the tunnel is")
    return told.domain
