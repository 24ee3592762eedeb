"""What a line that ufw writes for iptables-restore asks for, and what becomes of such packets. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from ipaddress import ip_network
from itertools import product

from appliance.ranges import PortRange
from firstboot.policy.rules import Action, Group, Rule, Traffic

PROTOCOLS = {name: name for name in ("tcp", "udp", "icmp")} | {
    "all": "",
    "icmpv6": "icmp",
    "ipv6-icmp": "icmp",
    "igmp": "2",
    "ipv6": "41",
    "gre": "47",
    "esp": "50",
    "ah": "51",
    "vrrp": "112",
}
"""Those that ufw knows, as `Traffic` has them."""

_OPTIONS = {
    "-p": "protocol",
    "-i": "interface",
    "-o": "exit",
    "-s": "source",
    "-d": "destination",
    "--sport": "source_ports",
    "--sports": "source_ports",
    "--dport": "ports",
    "--dports": "ports",
    "-j": "target",
    "-m": "",
    "--comment": "",
    "--reject-with": "",
}
"""What each says; "": nothing that matters."""

_MODULES = ("multiport", "comment", "tcp", "udp")


class UnreadError(ValueError):
    """A line that this does not understand."""


def rule_of(words: str, ufw: str) -> Rule:
    """What a line says, without its chain; `ufw`: what ufw's chains begin with. Raises `UnreadError`."""
    try:
        said = _said(words)
        protocol = PROTOCOLS[said.get("protocol", "all")]
        traffic = tuple(
            Traffic(protocol, ports, source_ports)
            for ports, source_ports in product(_ports(said, "ports"), _ports(said, "source_ports"))
        )
        return Rule(
            Group.UFW,
            _actions(ufw)[said["target"]],
            source=(ip_network(said["source"]),) if "source" in said else None,
            destination=(ip_network(said["destination"]),) if "destination" in said else None,
            traffic=traffic,
            interface=_interface(said.get("interface", "")),
            exit=_interface(said.get("exit", "")),
        )
    except (KeyError, ValueError) as error:
        raise UnreadError(words) from error


def _actions(ufw: str) -> Mapping[str, Action]:
    """By target. Where ufw skips to its own end, that drops what comes in or through (`rulesets.framework`)."""
    skipping = {f"{ufw}-skip-to-policy-{way}": Action.DROP for way in ("input", "forward")}
    return skipping | {
        "ACCEPT": Action.ALLOW,
        "DROP": Action.DROP,
        "REJECT": Action.REJECT,
        f"{ufw}-user-limit-accept": Action.ALLOW,
        f"{ufw}-skip-to-policy-output": Action.ALLOW,
    }


def _said(words: str) -> Mapping[str, str]:
    """By what it is about, each option's value. Anything else, even a negation, is not understood."""
    found = shlex.split(words)
    options = list(zip(found[::2], found[1::2], strict=True))
    if any(option == "-m" and value not in _MODULES for option, value in options):
        raise ValueError(words)
    return {_OPTIONS[option]: value for option, value in options}


def _ports(said: Mapping[str, str], name: str) -> list[PortRange | None]:
    """As iptables has them: 80, 8000:8010, 80,443."""
    if name not in said:
        return [None]
    ends = [each.partition(":") for each in said[name].split(",")]
    return [PortRange(int(first), int(last or first)) for first, _, last in ends]


def _interface(name: str) -> str:
    """One; a + at the end stands for all that begin so."""
    if name.endswith("+"):
        raise ValueError(name)
    return name
