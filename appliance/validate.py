"""`appliance check`: whether a file is right, and what the Pi would be with it."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from appliance.cli import installed
from appliance.model import AnyTunnel, Appliance, Profile, TunnelForm
from appliance.parse import Parsed, load
from appliance.terminal import Colour, painted

BUILD = "image.cli.build"
"""The command that makes an image of it, which is on no Pi."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what `appliance check` takes."""
    parser.description = (
        "Reads a configuration and says all that is wrong with it, each with its line and what is allowed.\n"
        "Nothing is changed. Exit code 0: it is right (there may be warnings); 2: it is not."
    )
    parser.epilog = "example:\n  appliance check appliance.yaml"
    parser.add_argument("file", metavar="FILE", type=Path, help="the configuration, e.g. appliance.yaml")


def run(arguments: argparse.Namespace) -> int:
    """Check a file; raises ConfigError with its problems."""
    parsed = load(arguments.file)
    warn(parsed)
    print(f"{painted('fine', Colour.GREEN, sys.stdout)}: {summary(parsed.appliance)}")
    if parsed.appliance.profile is not Profile.CUSTOM and installed(BUILD):
        print(f"next: appliance build --config {shlex.quote(str(arguments.file))}")
    return 0


def warn(parsed: Parsed) -> None:
    """Say on stderr what is allowed and perhaps not meant."""
    for warning in parsed.warnings:
        allowed = f" ({warning.allowed})" if warning.allowed else ""
        label = painted("warning:", Colour.YELLOW, sys.stderr)
        print(f"{warning.mark}: {label} {warning.message}{allowed}", file=sys.stderr)


def summary(appliance: Appliance) -> str:
    """Give in one line what a Pi with that configuration is."""
    parts = {Profile.GATEWAY: _gateway, Profile.GADGET: _gadget, Profile.CUSTOM: _custom}[appliance.profile]
    name = "any machine" if appliance.profile is Profile.CUSTOM else appliance.hostname
    return f"{name}, {', '.join(parts(appliance))}"


def _gateway(appliance: Appliance) -> list[str]:
    parts = ["an IPv6 gateway", *_uplink(appliance)]
    parts.extend(_tunnel(tunnel) for tunnel in appliance.tunnels)
    for lan in appliance.lan.networks if appliance.lan is not None else ():
        dhcp4 = f" and DHCP ({lan.dhcp4.range})" if lan.dhcp4 is not None else ""
        parts.append(f"serving IPv6{dhcp4} on {lan.interface}")
    return [*parts, *_firewall(appliance)]


def _tunnel(tunnel: AnyTunnel) -> str:
    if tunnel.kind is TunnelForm.SIX_RD:
        return "a prefix of the provider's 6rd"
    what = str(tunnel.routed) if tunnel.routed is not None else "what the broker says"
    return f"{what} through a tunnel" + (f" to {tunnel.server}" if tunnel.server is not None else "")


def _gadget(appliance: Appliance) -> list[str]:
    parts = ["a USB gadget"]
    if appliance.gadget is not None:
        functions = "/".join(appliance.gadget.functions)
        parts.append(f"{functions} at {appliance.gadget.network or 'an address of its own choice'}")
        parts.append(f"share {appliance.gadget.share}")
    return [*parts, *_uplink(appliance), *_firewall(appliance)]


def _custom(appliance: Appliance) -> list[str]:
    routing = appliance.routing
    policies = len(routing.tables) + len(routing.sysctl) + len(routing.on_interface_change)
    counts = {"uplinks": len(appliance.uplinks), "routing policies": policies}
    return [f"{count} {name}" for name, count in counts.items() if count] or ["nothing configured"]


def _uplink(appliance: Appliance) -> list[str]:
    if appliance.uplink is None:
        return []
    network = f" on {appliance.uplink.wifi.ssid}" if appliance.uplink.wifi is not None else ""
    return [f"uplink {appliance.uplink.interface}{network} ({appliance.uplink.address or 'DHCP'})"]


def _firewall(appliance: Appliance) -> list[str]:
    count = len(appliance.firewall.allow_in)
    return [f"{count} service{'s' if count > 1 else ''} open to the outside"] if count else []
