"""The fallback: it is another tunnel than the preferred one, in all by which packets are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from appliance.finding import Check, Finding
from appliance.model import Appliance, FallbackTunnel, Tunnel, TunnelForm

FALLBACK = "tunnel.fallback"


def _both(appliance: Appliance) -> Iterator[tuple[Tunnel, FallbackTunnel]]:
    """Both, where there are two."""
    if appliance.tunnel is not None and appliance.tunnel.fallback is not None:
        yield appliance.tunnel, appliance.tunnel.fallback


def _form(appliance: Appliance) -> Iterator[Finding]:
    for tunnel, fallback in _both(appliance):
        if tunnel.kind is TunnelForm.SIX_RD and fallback.kind is TunnelForm.SIX_RD:
            message = f"{FALLBACK}.kind: the provider has one 6rd, and that is tunnel.kind"
            yield Finding(f"{FALLBACK}.kind", message, "a broker's tunnel: kind 6in4", also="tunnel.kind")


def _server(appliance: Appliance) -> Iterator[Finding]:
    """The kernel tells tunnels from each other by their ends, and ours is the same."""
    for tunnel, fallback in _both(appliance):
        if fallback.server is not None and fallback.server == tunnel.server:
            message = f"{FALLBACK}.server: {fallback.server} is that of the tunnel itself: one falls with the other"
            yield Finding(f"{FALLBACK}.server", message, "another of the broker's servers", also="tunnel.server")


def _networks(appliance: Appliance) -> Iterator[Finding]:
    """By a packet's source it is known which tunnel it leaves by."""
    for tunnel, fallback in _both(appliance):
        for name, network in _of(fallback):
            for other, taken in _of(tunnel):
                if network.overlaps(taken):
                    path = f"{FALLBACK}.{name}"
                    message = f"{path}: {network} is the other tunnel's, see tunnel.{other}"
                    yield Finding(path, message, "the other page's", also=f"tunnel.{other}")


def _of(tunnel: Tunnel | FallbackTunnel) -> Iterator[tuple[str, IPv6Network]]:
    if tunnel.address is not None:
        yield "address", tunnel.address.network
    if tunnel.routed is not None:
        yield "routed", tunnel.routed


def _account(appliance: Appliance) -> Iterator[Finding]:
    for tunnel, fallback in _both(appliance):
        if tunnel.broker is None or fallback.broker is None:
            continue
        if tunnel.broker.tunnel == fallback.broker.tunnel:
            path = f"{FALLBACK}.broker.tunnel"
            message = f"{path}: {fallback.broker.tunnel} is the other tunnel, see tunnel.broker.tunnel"
            yield Finding(path, message, 'the other page\'s "Tunnel ID"', also="tunnel.broker.tunnel")


CHECKS: tuple[Check, ...] = (_form, _server, _networks, _account)
