"""Whose packets of the tunnel's are let in."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.firewall import Zone
from appliance.model import Appliance, KnownTunnel, TunnelForm
from firstboot.facts import Facts
from firstboot.policy.rules import Action, Group, Rule, Traffic
from firstboot.topology import known_address
from firstboot.tunnels.forms import form_of

IPV6_IN_IPV4 = "41"

_OTHERS = {
    TunnelForm.SIX_IN_FOUR: "the tunnel's packets come from its server only",
    TunnelForm.SIX_RD: "the tunnel's packets come from the provider's relays and customers only",
}


_ALL_OTHERS = "the tunnels' packets come from their own servers, relays and customers only"


def comes_first(appliance: Appliance) -> bool:
    """Whether this is before known connections: of many senders, one that was answered could send in anybody's name."""
    return any(tunnel.kind is TunnelForm.SIX_RD for tunnel in appliance.tunnels)


def of_the_tunnel(appliance: Appliance, facts: Facts) -> Iterator[Rule]:
    """Those of the senders that each tunnel's form has, and no others."""
    tunnels, uplink = appliance.known_tunnels, appliance.uplink
    if not tunnels or uplink is None:
        return
    own = known_address(uplink, facts)
    for tunnel in tunnels:
        for senders in form_of(tunnel).senders(tunnel, own.ip if own is not None else None, facts):
            yield Rule(
                Group.CONTROL, Action.ALLOW, to=Zone.BOX, source=(senders.network,),
                traffic=(Traffic(IPV6_IN_IPV4, inner=senders.inner),), families=(4,), interface=uplink.interface,
                note="the tunnel", setting=_setting(tunnel),
            )  # fmt: skip
    kinds = {tunnel.kind for tunnel in tunnels}
    yield Rule(
        Group.CONTROL, Action.DENY, to=Zone.BOX, traffic=(Traffic(IPV6_IN_IPV4),), families=(4,),
        note=_OTHERS[tunnels[0].kind] if len(kinds) == 1 else _ALL_OTHERS, setting=_setting(tunnels[0]),
    )  # fmt: skip


def _setting(tunnel: KnownTunnel) -> str:
    return f"{tunnel.path}.{'server' if tunnel.kind is TunnelForm.SIX_IN_FOUR else 'kind'}"
