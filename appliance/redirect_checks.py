"""Rules of one's own about a port of the Pi's that leads inside: of IPv4, they are not about what comes from outside.

Whose a packet is counts, not to whom it was sent: the Pi's IPv4 address stands for the machine, so it is one from
outside to inside, as it is in IPv6, where it is sent to the machine itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.finding import Check, Finding
from appliance.firewall import FilterRule, Zone
from appliance.firewall_checks import Given, led_inside
from appliance.model import Appliance
from appliance.poison import until_unread


def _redirected(appliance: Appliance) -> Iterator[Finding]:
    leading = tuple(until_unread(led_inside(appliance)))
    for number, rule in enumerate(appliance.firewall.rules):
        yield from until_unread(_not_about(rule, f"firewall.rules[{number}]", leading))


def _not_about(rule: FilterRule, path: str, leading: Sequence[Given]) -> Iterator[Finding]:
    """Only of ports that are named: whoever denies all that is left means what is left."""
    source, destination = rule.source, rule.destination
    if isinstance(source, str) or isinstance(destination, str) or rule.to is not Zone.BOX:
        return
    if not rule.from_.covers(Zone.OUTSIDE) or (destination is not None and destination.version != 4):
        return
    for service in rule.port:
        own = Given(service, "the Pi itself", (source,) if source is not None else (), path)
        given = next((each for each in leading if own.meets(each, family=4)), None)
        if service.ports is not None and given is not None:
            where = f"from {_senders(given)}, which leads to {given.machine}, by {given.path}"
            of = service if given.service.covers(service) else given.service
            message = f"{path} has no effect in IPv4 on {of} {where}"
            yield Finding(path, message, "to: inside", warning=True, also=given.path)
            return


def _senders(given: Given) -> str:
    return " or ".join(str(each) for each in given.from_ if each.version == 4) or Zone.OUTSIDE


CHECKS: tuple[Check, ...] = (_redirected,)
