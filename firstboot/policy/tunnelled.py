"""Whose packets of the tunnel's are let in."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.firewall import Zone
from appliance.model import Appliance, TunnelForm
from firstboot.facts import Facts
from firstboot.policy.rules import Action, Group, Rule, Traffic
from firstboot.topology import known_address
from firstboot.tunnels.forms import form_of

IPV6_IN_IPV4 = "41"

_OTHERS = {
    TunnelForm.SIX_IN_FOUR: "the tunnel's packets come from its server only",
    TunnelForm.SIX_RD: "the tunnel's packets come from the provider's relays and customers only",
}


def comes_first(appliance: Appliance) -> bool:
    """Whether this is before known connections: of many senders, one that was answered could send in anybody's name."""
    return appliance.tunnel is not None and appliance.tunnel.kind is TunnelForm.SIX_RD


def of_the_tunnel(appliance: Appliance, facts: Facts) -> Iterator[Rule]:
    """Those of the senders that the tunnel's form has, and no others."""
    tunnel, uplink = appliance.known_tunnel, appliance.uplink
    if tunnel is None or uplink is None:
        return
    own = known_address(uplink, facts)
    setting = "tunnel.server" if tunnel.kind is TunnelForm.SIX_IN_FOUR else "tunnel.kind"
    for senders in form_of(tunnel).senders(tunnel, own.ip if own is not None else None, facts):
        yield Rule(
            Group.CONTROL, Action.ALLOW, to=Zone.BOX, source=(senders.network,),
            traffic=(Traffic(IPV6_IN_IPV4, inner=senders.inner),), families=(4,), interface=uplink.interface,
            note="the tunnel", setting=setting,
        )  # fmt: skip
    yield Rule(
        Group.CONTROL, Action.DENY, to=Zone.BOX, traffic=(Traffic(IPV6_IN_IPV4),), families=(4,),
        note=_OTHERS[tunnel.kind], setting=setting,
    )  # fmt: skip
