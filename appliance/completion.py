"""A tunnel of which the file leaves to others what it is: filled in, and checked as the file's own is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Network
from typing import Any

from appliance import checks
from appliance.addresses import is_within
from appliance.finding import Finding
from appliance.he import BrokerTunnel
from appliance.model import TUNNEL_PATHS, AnyTunnel, Appliance, TunnelForm
from appliance.poison import until_unread
from appliance.tunnel_checks import PAGE


@dataclass(frozen=True)
class Completion:
    """A configuration with all that is known of its tunnels.

    `wrong`: what was said and the file do not go together, so that it was left as the file has it. `warnings`: what is
    to be known of it all the same.
    """

    appliance: Appliance
    wrong: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def asks_broker(tunnel: AnyTunnel | None) -> bool:
    """Whether the broker is to be asked what the tunnel is, or has been."""
    return tunnel is not None and tunnel.broker is not None and (tunnel.known is None or bool(tunnel.told))


def completion(appliance: Appliance, *said: BrokerTunnel | None) -> Completion:
    """The configuration, completed by what the broker or the provider has said of each tunnel (None: nothing yet).

    One that was completed before is completed anew. The tunnels are by their rank.
    """
    whole = Completion(appliance)
    for rank, each in enumerate(said):
        found = completion_of(whole.appliance, rank, each)
        whole = Completion(found.appliance, (*whole.wrong, *found.wrong), (*whole.warnings, *found.warnings))
    return whole


def completion_of(appliance: Appliance, rank: int, said: BrokerTunnel | None) -> Completion:
    """The same by what was said of the tunnel of that rank alone."""
    tunnel = appliance.tunnels[rank] if rank < len(appliance.tunnels) else None
    if tunnel is None or said is None or not _is_about(tunnel, said):
        return Completion(appliance)
    if tunnel.told:
        emptied: Any = dict.fromkeys(tunnel.told)
        tunnel = replace(tunnel, told=frozenset(), **emptied)
        appliance = appliance.with_tunnel(rank, tunnel)
    values = _values(appliance, said)
    left_out = {name: value for name, value in values.items() if getattr(tunnel, name) is None and value is not None}
    filled: Any = {**left_out, "told": frozenset(left_out)}
    whole = appliance.with_tunnel(rank, replace(tunnel, **filled))
    before = _findings(appliance)
    found = [_weighed(finding, tunnel) for finding in _findings(whole) if finding not in before]
    wrong = tuple(finding for finding in found if not finding.warning)
    path = TUNNEL_PATHS[rank]
    others = [
        _difference(path, name, value)
        for name, value in values.items()
        if _is_other(getattr(tunnel, name), value, said)
    ]
    warnings = (*others, *(finding for finding in found if finding.warning))
    return Completion(appliance if wrong else whole, wrong, warnings)


def _is_about(tunnel: AnyTunnel, said: BrokerTunnel) -> bool:
    """Whether what was said is to be filled in there: it has the number of a broker's; a provider's has none."""
    if tunnel.kind is TunnelForm.SIX_RD:
        return said.number is None
    return asks_broker(tunnel) and tunnel.broker is not None and said.number == tunnel.broker.tunnel


def _weighed(finding: Finding, tunnel: AnyTunnel) -> Finding:
    """A provider's prefix is another with each IPv4 address: what was written for a former one must not end it all."""
    is_passing = tunnel.kind is TunnelForm.SIX_RD and finding.path.startswith("firewall")
    return replace(finding, warning=True) if is_passing else finding


def _values(appliance: Appliance, said: BrokerTunnel) -> dict[str, Any]:
    """By setting: what the broker says. One /64 is for one network."""
    has_several = appliance.lan is not None and len(appliance.lan.networks) > 1
    routed = (said.routed48 if has_several else None) or said.routed
    return {"server": said.server, "address": said.address, "routed": routed}


def _findings(appliance: Appliance) -> list[Finding]:
    return [finding for check in checks.CHECKS for finding in until_unread(check(appliance))]


def _is_other(given: Any, value: Any, said: BrokerTunnel) -> bool:
    """Whether the file gives something else; of networks, a part of what is routed here is right as well."""
    if given is None or value is None:
        return False
    if not isinstance(given, IPv6Network):
        return bool(given != value)
    return not any(is_within(given, network) for network in (said.routed, said.routed48) if network is not None)


def _difference(path: str, name: str, value: Any) -> Finding:
    message = f"{path}.{name}: the broker has {value} for this tunnel, and the file wins"
    allowed = f'the page\'s "{PAGE[name]}"; left out, it is what the broker says'
    return Finding(f"{path}.{name}", message, allowed, warning=True)
