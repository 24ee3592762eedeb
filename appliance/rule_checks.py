"""Rules of one's own that no packet can match, and that open what is protected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from appliance.addresses import Network, is_within, overlap
from appliance.finding import Check, Finding
from appliance.firewall import FilterRule, Verdict, Zone
from appliance.firewall_checks import inside_networks
from appliance.model import Appliance, Interfaces
from appliance.network_checks import lan_networks
from appliance.poison import until_unread
from appliance.ranges import PortRange
from appliance.services import SSH, Protocol, Service
from appliance.shadow_checks import SSH_FROM, own_rules

PROTECTED = {
    "ssh": SSH,
    "DNS": Service(Protocol.UDP, PortRange(53, 53)),
    "DNS over TCP": Service(Protocol.TCP, PortRange(53, 53)),
    "DHCP": Service(Protocol.UDP, PortRange(67, 68)),
    "DHCPv6": Service(Protocol.UDP, PortRange(546, 547)),
    "multicast DNS": Service(Protocol.UDP, PortRange(5353, 5353)),
}
"""What the Pi has for the inside, and the outside would misuse."""

STATUS_PAGE = Service(Protocol.TCP, PortRange(80, 80))
"""So is the page, where there is one: without it, port 80 is anybody's."""


def protected(*, status_page: bool) -> Mapping[str, Service]:
    """What the Pi has for the inside, by name; `status_page`: whether that is among it."""
    return {**PROTECTED, "the status page": STATUS_PAGE} if status_page else PROTECTED


def _never(appliance: Appliance) -> Iterator[Finding]:
    for written in own_rules(appliance):
        yield from until_unread(_contradiction(appliance, written.rule, written.path))


def _contradiction(appliance: Appliance, rule: FilterRule, path: str) -> Iterator[Finding]:
    """What no packet can be."""
    families = _families(rule.source) & _families(rule.destination)
    if not families:
        message = f"{path} can never match: source and destination are of different families"
        yield Finding(f"{path}.destination", message, "both of IPv4, or both of IPv6")
    elif rule.from_ is rule.to and rule.to is not Zone.ANY and not (rule.to is Zone.INSIDE and _is_divided(appliance)):
        message = f"{path} can never match: what goes from {rule.from_} to {rule.to} does not pass here"
        yield Finding(f"{path}.to", message, f"from {rule.from_} to {_other(rule.from_)}")
    elif rule.nat is not None and (rule.to is not Zone.OUTSIDE or rule.from_ is not Zone.INSIDE):
        message = f"{path}.nat: the Pi's address stands in only for what goes from inside to outside"
        yield Finding(f"{path}.nat", message, "from: inside and to: outside")
    elif rule.nat is not None and families == {6}:
        yield Finding(f"{path}.nat", f"{path}.nat: IPv6 needs none", "leave it out")
    elif rule.nat is not None and rule.action is Verdict.DENY:
        yield Finding(f"{path}.nat", f"{path}.nat: what is denied does not leave", "leave it out")
    else:
        yield from _places(appliance, rule, path)


def _places(appliance: Appliance, rule: FilterRule, path: str) -> Iterator[Finding]:
    """Hosts that are not where the rule has them."""
    for zone, end, name in ((rule.from_, rule.source, "source"), (rule.to, rule.destination, "destination")):
        if end is None or isinstance(end, str):
            continue
        inside = tuple(inside_networks(appliance, end.version))
        where = f"{path}.{name}"
        if zone is Zone.INSIDE and inside and not any(overlap(end, network) for network in inside):
            message = f"{path} can never match: {end} is not inside, where {', '.join(map(str, inside))} is"
            yield Finding(where, message, f"an address in {inside[0]}")
        elif zone is Zone.OUTSIDE and any(is_within(end, network) for network in inside):
            yield Finding(where, f"{path} can never match: {end} is inside", f"{name} in zone inside")


def _opened(appliance: Appliance) -> Iterator[Finding]:
    for written in own_rules(appliance):
        yield from until_unread(_opens(appliance, written.rule, written.path))


def _opens(appliance: Appliance, rule: FilterRule, path: str) -> Iterator[Finding]:
    """From outside to the Pi; what says from or to anywhere is meant as well."""
    if rule.action is not Verdict.ALLOW or not rule.from_.covers(Zone.OUTSIDE) or not rule.to.covers(Zone.BOX):
        return
    services = protected(status_page=appliance.status_page)
    opened = [name for name, service in services.items() if any(each.overlaps(service) for each in rule.port)]
    if opened:
        message = f"{path} opens {opened[0]} of the Pi to the outside"
        allowed = "ssh from listed hosts: firewall.management.ssh_from" if "ssh" in opened else "from: inside"
        yield Finding(path, message, allowed, also=SSH_FROM if "ssh" in opened else "")


def _is_divided(appliance: Appliance) -> bool:
    """Whether the inside has several networks, and what goes from one to another comes by."""
    gadget = appliance.gadget
    return len(lan_networks(appliance)) > 1 or (gadget is not None and gadget.interfaces is Interfaces.SEPARATE)


def _other(zone: Zone) -> Zone:
    return Zone.INSIDE if zone is not Zone.INSIDE else Zone.OUTSIDE


def _families(end: Network | str | None) -> set[int]:
    return {4, 6} if end is None or isinstance(end, str) else {end.version}


CHECKS: tuple[Check, ...] = (_never, _opened)
