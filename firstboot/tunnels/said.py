"""What others have said of the tunnels: the broker, or with DHCP the provider. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

from appliance.he import BrokerTunnel
from appliance.model import Appliance, TunnelForm
from firstboot.facts import Facts
from firstboot.topology import known_address
from firstboot.tunnels.six_rd import own_address


def said_of(appliance: Appliance, facts: Facts) -> Sequence[BrokerTunnel | None]:
    """By which the configuration is completed, by the tunnels' ranks; None: nothing yet, or the file says it all."""
    brokers = chain(facts.broker_tunnels, repeat(None))
    return [
        _by_the_provider(appliance, facts) if tunnel.kind is TunnelForm.SIX_RD else broker
        for tunnel, broker in zip(appliance.tunnels, brokers, strict=False)
    ]


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
