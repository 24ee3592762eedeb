"""Which network interfaces a policy means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from appliance.model import InterfaceSelection
from firstboot.facts import Facts, Link

HARDWARE = "hardware"
"""What a policy calls the kind of those that have none for the kernel."""


def selected(policy: InterfaceSelection, facts: Facts) -> Sequence[Link]:
    """The interfaces that there are now of which all holds that the policy says."""
    return [link for link in facts.links.values() if _matches(policy, link)]


def told(policy: InterfaceSelection) -> str:
    """The selection in a person's words."""
    names = ("interface", "driver", "mac", "kind")
    return ", ".join(f"{name} {value}" for name in names if (value := getattr(policy, name)) is not None)


def _matches(policy: InterfaceSelection, link: Link) -> bool:
    return (
        (policy.interface is None or fnmatchcase(link.name, policy.interface))
        and (policy.driver is None or fnmatchcase(link.driver, policy.driver))
        and (policy.mac is None or link.mac == policy.mac)
        and (policy.kind is None or (link.kind or HARDWARE) == policy.kind)
    )
