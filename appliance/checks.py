"""What involves more than one setting.

Each check is a small generator, so that a value that could not be read (see `poison`) silences only the
checks that need it. Paths in findings may be of settings that the file lacks; they are shown at the
nearest section that it has.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from appliance import (
    fallback_checks,
    firewall_checks,
    name_checks,
    network_checks,
    policy_checks,
    redirect_checks,
    rule_checks,
    shadow_checks,
    standing_checks,
    tunnel_checks,
)
from appliance.finding import Check, Finding
from appliance.model import Appliance, FallbackTunnel, Profile, Tunnel
from appliance.poison import until_unread

EVERY_PROFILE = ("profile", "hostname", "ssh")
NEEDS = {Profile.GATEWAY: ("uplink", "tunnel", "lan"), Profile.GADGET: ("gadget",), Profile.CUSTOM: ()}
TAKES = {
    Profile.GATEWAY: (*EVERY_PROFILE, "led", "status_page", "uplink", "tunnel", "lan", "firewall"),
    Profile.GADGET: (*EVERY_PROFILE, "led", "status_page", "uplink", "tunnel", "gadget", "firewall"),
    Profile.CUSTOM: (*EVERY_PROFILE, "manager", "uplinks", "routing"),
}
_TUNNELS = (tuple(tunnel_checks.PAGE), ("broker",), ("kind",))
ONE_OF: Mapping[type, Sequence[Sequence[str]]] = {Tunnel: _TUNNELS, FallbackTunnel: _TUNNELS}
"""What a section needs, where that is one thing or another."""
SECTIONS = tuple(dict.fromkeys(name for names in TAKES.values() for name in names))


NOBODY_CAN_LOG_IN = "there is no ssh key: nobody can log in"


def findings(appliance: Appliance, given: Container[str]) -> list[Finding]:
    """Give all that is wrong or risky; `given` has the paths of the settings that are in the file."""
    found = list(until_unread(_profile(appliance, given)))
    for check in CHECKS:
        found += until_unread(check(appliance))
    return found


def _profile(appliance: Appliance, given: Container[str]) -> Iterator[Finding]:
    profile = appliance.profile
    for name in NEEDS[profile]:
        if name not in given:
            message = f"profile {profile} needs the section {name}, which is missing"
            yield Finding("profile", message, f"`appliance init {profile}` shows one")
    for name in SECTIONS:
        if name in given and name not in TAKES[profile]:
            others = " or ".join(other for other in Profile if name in TAKES[other])
            message = f"{name} does not belong to profile {profile}"
            yield Finding(name, message, f"it belongs to profile {others}; here: {', '.join(TAKES[profile])}")
    if profile is Profile.CUSTOM and "routing" not in given and "uplinks" not in given:
        yield Finding("profile", "profile custom does nothing without routing or uplinks", warning=True)
    for name in ("hostname", "ssh"):
        if profile is Profile.CUSTOM and name in given:
            message = f"{name} does nothing with profile custom: the machine keeps its own"
            yield Finding(name, message, "leave it out", warning=True)


def _login(appliance: Appliance) -> Iterator[Finding]:
    if appliance.profile != Profile.CUSTOM and not appliance.ssh.authorized_keys:
        yield Finding("ssh", NOBODY_CAN_LOG_IN, "ssh.authorized_keys", warning=True)


CHECKS: tuple[Check, ...] = (
    _login,
    *network_checks.CHECKS,
    *tunnel_checks.CHECKS,
    *fallback_checks.CHECKS,
    *firewall_checks.CHECKS,
    *rule_checks.CHECKS,
    *shadow_checks.CHECKS,
    *redirect_checks.CHECKS,
    *standing_checks.CHECKS,
    *name_checks.CHECKS,
    *policy_checks.CHECKS,
)
