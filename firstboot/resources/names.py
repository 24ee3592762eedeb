"""Whether the machines that the firewall's settings name have an address now: a rule about nobody lets nobody in."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import TemporaryError
from appliance.model import Appliance
from appliance.name_checks import named
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec
from firstboot.policy.policy import machines


class Names(Remark):
    """A machine that is named and has no address by DHCP."""

    name = "names"
    title = "machines that are named"
    setting = "firewall"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `TemporaryError` for machines without an address, with the first one's setting."""
        hosts = machines(appliance, facts)
        missing = [(setting, name) for setting, name in named(appliance) if not hosts.get(name)]
        if not missing:
            return ()
        told = ", ".join(f"{name} ({setting})" for setting, name in missing)
        known = ", ".join(sorted(name for name, addresses in hosts.items() if addresses)) or "none"
        raise TemporaryError(
            f"no machine of this name has an address by DHCP now: {told}",
            hint=f"is it switched on? Names with an address now: {known}",
            setting=missing[0][0],
        )
