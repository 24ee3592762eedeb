"""The service that asks others for the cable's sake: the uplink for its IPv6, or the laptop for everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.model import Appliance
from firstboot.actions import Action, ReloadNetworkManager, RestartUnit, SetSysctl, StopUnit
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered import dhcpcd
from firstboot.resources.units import is_current
from firstboot.sharing import Mode, segments_in

DHCPCD = "appliance-dhcpcd.service"


@dataclass(frozen=True)
class Asking:
    """The service. `current`: whether the process has read its configuration as it is now.

    `shut`: whether the kernel has no IPv6 on the interface `asked` ("": none) for it to ask by.
    """

    active: bool
    current: bool | None = None
    shut: bool = False
    asked: str = field(default="", compare=False)
    networkmanager: bool = field(default=False, compare=False)

    @property
    def key(self) -> str:
        """The unit's name."""
        return DHCPCD


class Dhcpcd(Kind[Asking]):
    """It runs while somebody could answer. Whether the uplink has a prefix to lend is not for us to say."""

    name = "dhcpcd"
    title = "IPv6 from the provider"
    needs = ("firewall",)
    setting = "gadget.share"
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Asking]:
        """It runs with its present configuration, or not at all."""
        is_client = bool(segments_in(appliance, facts, Mode.HOST))
        uplink = appliance.uplink.interface if appliance.uplink is not None else ""
        active = bool(dhcpcd.files(appliance, facts)) and (is_client or uplink in facts.links)
        asked = uplink if active and dhcpcd.has_uplink(appliance) and facts.has_carrier(uplink) else ""
        return (Asking(active, True if active else None, False, asked, facts.networkmanager),)

    def observe(self, machine: Machine, wanted: Sequence[Asking]) -> Sequence[Asking]:
        """The unit as it is."""
        current = is_current(machine, dhcpcd.CONFIG, dhcpcd.LOADED)
        asked = next((want.asked for want in wanted), "")
        shut = bool(asked) and machine.sysctl(_disabled(asked)) == "1"
        return (Asking(machine.unit_is_active(DHCPCD), current, shut),)

    def actions(self, change: Change[Asking]) -> Sequence[Action]:
        """Start, restart, or stop. It leaves /etc/resolv.conf empty when it ends, so NetworkManager writes it again."""
        want, have = change.want, change.have
        if want is None:
            return []
        resolver: list[Action] = [ReloadNetworkManager()] if want.networkmanager else []
        # NetworkManager turns IPv6 off where it disconnects, and with "ignore" it may stay so.
        opened: list[Action] = [SetSysctl(_disabled(want.asked), "0")] if have is not None and have.shut else []
        return [*opened, RestartUnit(DHCPCD) if want.active else StopUnit(DHCPCD), *resolver]


def _disabled(interface: str) -> str:
    return f"net/ipv6/conf/{interface}/disable_ipv6"
