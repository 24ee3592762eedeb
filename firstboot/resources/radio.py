"""The radio of a wireless uplink: switched on, everywhere that it can be switched off, and told where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action, EnableWireless, SetCountry, UnblockRadio
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change


@dataclass(frozen=True)
class Switches:
    """A wireless interface's switches (`firstboot.wireless.Radio`), and the country."""

    interface: str
    country: str
    blocked: bool = False
    switched_off: bool = False
    enabled: bool = True

    @property
    def key(self) -> str:
        """The interface's name."""
        return self.interface


class Radios(Kind[Switches]):
    """The wireless uplink's radio. Raspberry Pi OS switches it off twice until somebody names a country."""

    name = "radio"
    title = "the Wi-Fi radio"
    setting = "uplink.wifi.country"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Switches]:
        """On, in the country of appliance.yaml; one that is not there is the uplink's to tell."""
        uplink = appliance.uplink
        if uplink is None or uplink.wifi is None or uplink.interface not in facts.links:
            return ()
        if not facts.networkmanager:
            raise TemporaryError("NetworkManager does not run", hint="systemctl status NetworkManager says why")
        return (Switches(uplink.interface, uplink.wifi.country),)

    def observe(self, machine: Machine, wanted: Sequence[Switches]) -> Sequence[Switches]:
        """As it is. A country that is more restrictive than the one told is the kernel's right."""
        return [self._observed(machine, want) for want in wanted]

    def _observed(self, machine: Machine, want: Switches) -> Switches:
        radio = machine.radio(want.interface)
        country = radio.country or want.country
        return Switches(want.interface, country, radio.blocked, radio.switched_off, radio.enabled)

    def actions(self, change: Change[Switches]) -> Sequence[Action]:
        """Undo what software did; a switch that a hand has moved is not ours."""
        want, have = change.want, change.have
        if want is None or have is None:
            return []
        found: list[Action] = [SetCountry(want.country)] if have.country != want.country else []
        if have.switched_off:
            return found
        found += [UnblockRadio(want.interface)] if have.blocked else []
        found += [EnableWireless()] if not have.enabled else []
        return found

    def explain(self, change: Change[Switches]) -> ApplianceError | None:
        """What the person could do."""
        want, have = change.want, change.have
        if want is None or have is None:
            return None
        if have.switched_off:
            return TemporaryError(f"the radio of {want.interface} is switched off", hint="its switch is on the device")
        if have.country != want.country:
            hint = "is the package wireless-regdb there? journalctl --dmesg --grep=regulatory says more"
            return TemporaryError(f"the kernel does not know the channels of {want.country}", hint=hint)
        return None
