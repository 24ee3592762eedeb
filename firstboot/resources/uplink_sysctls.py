"""The kernel's part in several uplinks: one whose cable is out is not used."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance, Profile
from firstboot.facts import Facts
from firstboot.managers.ranked import ranked
from firstboot.resources.sysctls import Setting, Sysctls


class UplinkSysctls(Sysctls):
    """Of an uplink whose cable is out, routes stay with some DHCP clients (dhclient), and would be used."""

    name = "uplink-sysctls"
    title = "kernel settings of the uplinks"
    needs = ()
    setting = "uplinks"
    profiles = frozenset({Profile.CUSTOM})

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Setting]:
        """The next uplink is used instead (ip-sysctl, ignore_routes_with_linkdown)."""
        links = (facts.links.get(each.interface) for each in ranked(appliance, facts))
        return tuple(
            Setting(f"net/ipv4/conf/{link.name}/ignore_routes_with_linkdown", "1", link.index)
            for link in links
            if link is not None
        )
