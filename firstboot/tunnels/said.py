"""What others have said of the tunnels: the broker, or with DHCP the provider. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.he import BrokerTunnel
from appliance.model import AnyTunnel, Appliance, TunnelForm
from firstboot.facts import Facts
from firstboot.topology import known_address
from firstboot.tunnels.six_rd import own_address


def said_of(appliance: Appliance, facts: Facts) -> Sequence[BrokerTunnel | None]:
    """By which the configuration is completed, by the tunnels' ranks; None: nothing yet, or the file says it all."""
    return [
        _by_the_provider(appliance, facts) if tunnel.kind is TunnelForm.SIX_RD else _by_the_broker(tunnel, facts)
        for tunnel in appliance.tunnels
    ]


def _by_the_broker(tunnel: AnyTunnel, facts: Facts) -> BrokerTunnel | None:
    """Whatever rank the tunnel had when it was said."""
    number = tunnel.broker.tunnel if tunnel.broker is not None else None
    return next((each for each in facts.broker_tunnels if each is not None and each.number == number), None)


def _by_the_provider(appliance: Appliance, facts: Facts) -> BrokerTunnel | None:
    """With the IPv4 address of now: on the same network, another one has another prefix of the same domain at once.

    Without one, it is as it was with the last.
    """
    told, uplink = facts.six_rd, appliance.uplink
    if told is None or told.domain is None or uplink is None or told.interface != uplink.interface:
        return None
    own = known_address(uplink, facts)
    address = own.ip if own is not None else told.address
    delegated = told.domain.delegated(address)
    return BrokerTunnel(told.domain.relay, own_address(delegated, address), delegated)
