"""Machines that the firewall's settings name: a name is an address only while the machine has a lease."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.finding import Check, Finding
from appliance.firewall import Verdict
from appliance.model import Appliance
from appliance.poison import until_unread


def named(appliance: Appliance) -> Iterator[tuple[str, str]]:
    """Each setting that may name a machine and does, and the name."""
    firewall = appliance.firewall
    ends: list[tuple[str, object]] = []
    ends += [(f"firewall.allow_in[{number}].to", rule.to) for number, rule in enumerate(firewall.allow_in)]
    ends += [(f"firewall.port_forwards[{number}].to", each.to) for number, each in enumerate(firewall.port_forwards)]
    for number, rule in enumerate(firewall.rules):
        path = f"firewall.rules[{number}]"
        ends += [(f"{path}.source", rule.source), (f"{path}.destination", rule.destination)]
    yield from ((setting, end) for setting, end in ends if isinstance(end, str))


def _nobody_is_named(appliance: Appliance) -> Iterator[Finding]:
    """Where no addresses are given out, no machine has a name."""
    lan = appliance.lan
    if appliance.gadget is not None or (lan is not None and lan.dhcp4 is not None):
        return
    for setting, name in named(appliance):
        message = f"{setting}: no machine is known by the name {name}, as the Pi gives out no addresses by DHCP"
        yield Finding(setting, message, "its address, or the section lan.dhcp4")


def _denied_by_name(appliance: Appliance) -> Iterator[Finding]:
    """Who is not known now, or calls himself something else, is not denied anything."""
    for number, rule in enumerate(appliance.firewall.rules):
        path = f"firewall.rules[{number}]"
        yield from until_unread(_denied(path, rule.action, {"source": rule.source, "destination": rule.destination}))


def _denied(path: str, action: Verdict, ends: dict[str, object]) -> Iterator[Finding]:
    for name, end in ends.items():
        if action is Verdict.DENY and isinstance(end, str):
            message = f"{path} denies nothing while no machine that calls itself {end} has an address by DHCP"
            yield Finding(f"{path}.{name}", message, "an address", warning=True)


CHECKS: tuple[Check, ...] = (_nobody_is_named, _denied_by_name)
