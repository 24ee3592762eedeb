"""Rules of one's own that cannot match, that others come before, and that open what is protected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.addresses import Network, host_network, is_within, overlap
from appliance.finding import Check, Finding
from appliance.firewall import FilterRule, Verdict, Zone
from appliance.firewall_checks import inside_networks, services_of
from appliance.model import Appliance, Interfaces
from appliance.network_checks import lan_networks
from appliance.poison import until_unread
from appliance.ranges import PortRange
from appliance.services import ANY, SSH, Protocol, Service
from appliance.traffic_scalars import INSIDE

SSH_FROM = "firewall.management.ssh_from"
PROTECTED = {
    "ssh": SSH,
    "DNS": Service(Protocol.UDP, PortRange(53, 53)),
    "DNS over TCP": Service(Protocol.TCP, PortRange(53, 53)),
    "DHCP": Service(Protocol.UDP, PortRange(67, 68)),
    "DHCPv6": Service(Protocol.UDP, PortRange(546, 547)),
    "multicast DNS": Service(Protocol.UDP, PortRange(5353, 5353)),
}
"""What the Pi has for the inside, and the outside would misuse."""


@dataclass(frozen=True)
class Written:
    """A rule, and the setting that it is from."""

    rule: FilterRule
    path: str


def _never(appliance: Appliance) -> Iterator[Finding]:
    for written in _rules(appliance):
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


def _overshadowed(appliance: Appliance) -> Iterator[Finding]:
    before = list(until_unread(_standard(appliance)))
    for written in _rules(appliance):
        yield from until_unread(_covered(written, before))
        before.append(written)


def _covered(written: Written, before: list[Written]) -> Iterator[Finding]:
    for earlier in before:
        if covers(earlier.rule, written.rule):
            message = f"{written.path} can never match: {earlier.path} comes before it, and decides all of that"
            is_ssh = earlier.path.startswith(SSH_FROM)
            allowed = "list there who may, or take it out" if is_ssh else "put it before the other, or take it out"
            yield Finding(written.path, message, allowed, also=earlier.path)
            return


def _denied(appliance: Appliance) -> Iterator[Finding]:
    """What is let in, or out, by another setting, and denied by rules that come before that."""
    own = [each for each in _rules(appliance) if each.rule.action is Verdict.DENY]
    for path, wanted in (*_let_in(appliance), *_let_out(appliance)):
        yield from until_unread(_is_denied(path, wanted, own))


def _is_denied(path: str, wanted: Sequence[FilterRule], own: Sequence[Written]) -> Iterator[Finding]:
    for written in own:
        if wanted and all(covers(written.rule, rule) for rule in wanted):
            message = f"{path} allows nothing: {written.path} comes before it, and denies all of that"
            yield Finding(path, message, "take one of the two out", also=written.path)
            return


def _let_in(appliance: Appliance) -> Iterator[tuple[str, Sequence[FilterRule]]]:
    for number, rule in enumerate(appliance.firewall.allow_in):
        to = rule.to if isinstance(rule.to, str) else host_network(rule.to)
        port = tuple(_behind(service, rule.nat_port) for service in services_of(rule))
        yield (
            f"firewall.allow_in[{number}]",
            [
                FilterRule(
                    from_=Zone.OUTSIDE, source=source, to=Zone.INSIDE, destination=to, port=port, action=Verdict.ALLOW
                )
                for source in rule.from_ or (None,)
            ],
        )


def _behind(service: Service, port: int | None) -> Service:
    """Where it is at the machine."""
    return service if port is None else Service(service.protocol, PortRange(port, port))


def _let_out(appliance: Appliance) -> Iterator[tuple[str, Sequence[FilterRule]]]:
    """What is listed; without a list everything is meant, but for what rules deny."""
    for number, service in enumerate(appliance.firewall.outbound):
        if service != ANY:
            rule = FilterRule(from_=Zone.INSIDE, to=Zone.OUTSIDE, port=(service,), action=Verdict.ALLOW)
            yield f"firewall.outbound[{number}]", [rule]


def _opened(appliance: Appliance) -> Iterator[Finding]:
    for written in _rules(appliance):
        yield from until_unread(_opens(written.rule, written.path))


def _opens(rule: FilterRule, path: str) -> Iterator[Finding]:
    """From outside to the Pi; what says from or to anywhere is meant as well."""
    if rule.action is not Verdict.ALLOW or not rule.from_.covers(Zone.OUTSIDE) or not rule.to.covers(Zone.BOX):
        return
    opened = [name for name, service in PROTECTED.items() if any(each.overlaps(service) for each in rule.port)]
    if opened:
        message = f"{path} opens {opened[0]} of the Pi to the outside"
        allowed = "ssh from listed hosts: firewall.management.ssh_from" if "ssh" in opened else "from: inside"
        yield Finding(path, message, allowed, also=SSH_FROM if "ssh" in opened else "")


def covers(one: FilterRule, other: FilterRule) -> bool:
    """Whether all packets that fit the other fit this one, too."""
    return (
        one.from_.covers(other.from_)
        and one.to.covers(other.to)
        and _has(one.source, other.source)
        and _has(one.destination, other.destination)
        and (one.nat is None or other.nat is not None)  # which is about IPv4 alone
        and all(any(service.covers(wanted) for service in one.port) for wanted in other.port)
    )


def _standard(appliance: Appliance) -> Iterator[Written]:
    """What comes before rules of one's own: those who look after the Pi are let in, and it logs to them."""
    for number, host in enumerate(appliance.firewall.management.ssh_from):
        zone, source = (Zone.INSIDE, None) if isinstance(host, str) else (Zone.ANY, host)
        rule = FilterRule(from_=zone, source=source, to=Zone.BOX, port=(SSH,), action=Verdict.ALLOW)
        yield Written(rule, SSH_FROM + (f"[{number}]" if host != INSIDE else ""))
    if (log := appliance.firewall.management.syslog_to) is not None:
        port = (Service(Protocol.UDP, PortRange(514, 514)), Service(Protocol.TCP, PortRange(6514, 6514)))
        rule = FilterRule(from_=Zone.BOX, destination=host_network(log), port=port, action=Verdict.ALLOW)
        yield Written(rule, "firewall.management.syslog_to")


def _rules(appliance: Appliance) -> Iterator[Written]:
    for number, rule in enumerate(appliance.firewall.rules):
        yield Written(rule, f"firewall.rules[{number}]")


def _is_divided(appliance: Appliance) -> bool:
    """Whether the inside has several networks, and what goes from one to another comes by."""
    gadget = appliance.gadget
    return len(lan_networks(appliance)) > 1 or (gadget is not None and gadget.interfaces is Interfaces.SEPARATE)


def _other(zone: Zone) -> Zone:
    return Zone.INSIDE if zone is not Zone.INSIDE else Zone.OUTSIDE


def _families(end: Network | str | None) -> set[int]:
    return {4, 6} if end is None or isinstance(end, str) else {end.version}


def _has(one: Network | str | None, other: Network | str | None) -> bool:
    if one is None or one == other:
        return True
    return not (isinstance(one, str) or isinstance(other, str) or other is None) and is_within(other, one)


CHECKS: tuple[Check, ...] = (_never, _overshadowed, _denied, _opened)
