"""The service that asks others for the cable's sake: the uplink for an IPv6 prefix, or the laptop for everything."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.model import Appliance
from firstboot.actions import Action, RestartUnit, StopUnit
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered import dhcpcd
from firstboot.resources.units import Unit, is_current
from firstboot.sharing import Mode, uplink_has_ipv6

DHCPCD = "appliance-dhcpcd.service"


class Dhcpcd(Kind[Unit]):
    """It runs while somebody could answer. Whether the uplink has a prefix to lend is not for us to say."""

    name = "dhcpcd"
    needs = ("firewall",)
    setting = "gadget.share"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Unit]:
        """It runs with its present configuration, or not at all."""
        is_client = bool(dhcpcd.on_cable(appliance, facts, Mode.HOST))
        if dhcpcd.files(appliance, facts) and (is_client or uplink_has_ipv6(appliance, facts)):
            return (Unit(DHCPCD, active=True, current=True),)
        return (Unit(DHCPCD, active=False),)

    def observe(self, machine: Machine, wanted: Sequence[Unit]) -> Sequence[Unit]:
        """The unit as it is."""
        return (Unit(DHCPCD, machine.unit_is_active(DHCPCD), is_current(machine, dhcpcd.CONFIG, dhcpcd.LOADED)),)

    def actions(self, change: Change[Unit]) -> Sequence[Action]:
        """Start, restart, or stop."""
        if change.want is None:
            return []
        return [RestartUnit(DHCPCD) if change.want.active else StopUnit(DHCPCD)]
