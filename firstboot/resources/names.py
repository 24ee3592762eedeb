"""Whether the machines that the firewall's settings name have an address now: a rule about nobody lets nobody in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec


class Names(Remark):
    """A machine that is named and has no address by DHCP."""

    name = "names"
    setting = "firewall"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `TemporaryError` for machines without an address, with the first one's setting."""
        missing = [(setting, name) for setting, name in _named(appliance) if name not in facts.hosts]
        if not missing:
            return ()
        told = ", ".join(f"{name} ({setting})" for setting, name in missing)
        known = ", ".join(sorted(facts.hosts)) or "none"
        raise TemporaryError(
            f"no machine of this name has an address by DHCP now: {told}",
            hint=f"is it switched on? Names with an address now: {known}",
            setting=missing[0][0],
        )


def _named(appliance: Appliance) -> Iterator[tuple[str, str]]:
    """Each setting that may name a machine, and the name."""
    firewall = appliance.firewall
    ends: list[tuple[str, object]] = []
    ends += [(f"firewall.allow_in[{number}].to", rule.to) for number, rule in enumerate(firewall.allow_in)]
    ends += [(f"firewall.port_forwards[{number}].to", each.to) for number, each in enumerate(firewall.port_forwards)]
    for number, rule in enumerate(firewall.rules):
        path = f"firewall.rules[{number}]"
        ends += [(f"{path}.source", rule.source), (f"{path}.destination", rule.destination)]
    yield from ((setting, end) for setting, end in ends if isinstance(end, str))
