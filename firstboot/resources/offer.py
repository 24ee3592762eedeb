"""Whether the laptop is given a way out: what stands behind the uplink's cable, only a person can put right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appliance.errors import TemporaryError
from appliance.model import Appliance, Uplink
from firstboot.facts import Facts, Gateway
from firstboot.kind import Remark
from firstboot.plan import Spec
from firstboot.sharing import Mode, overlapping, segments_in, uplink_works, way_out
from firstboot.topology import address_of, is_static, known_address


class Offer(Remark):
    """A way out for whoever is on the cable. Waited for, as with any uplink: it comes back by itself."""

    name = "offer"
    title = "the laptop's way out"
    setting = "gadget.share"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `TemporaryError` for a way out that is not offered, once that is known.

        What the kinds `overlap`, `uplink`, `wifi`, `tunnel` and `routes` say is not said again.
        """
        uplink = appliance.uplink
        if uplink is None or not facts.has_carrier(uplink.interface) or overlapping(appliance, facts) is not None:
            return ()
        if not any(facts.has_carrier(found.interface) for found in segments_in(appliance, facts, Mode.ROUTE)):
            return ()
        works = {family: uplink_works(appliance, facts, family) for family in (4, 6)}
        if None in works.values():
            return ()  # what was offered stays until more is known
        silent = _silent(appliance, facts)
        if silent:
            families = "" if not any(works.values()) else f" for IPv{next(iter(silent))}"
            raise _given_none(f"the router {next(iter(silent.values()))} does not answer", families, _hint(uplink))
        if not any(works.values()):
            _say_what_is_missing(appliance, uplink, facts)
        return ()


def _silent(appliance: Appliance, facts: Facts) -> Mapping[int, Gateway]:
    """The uplink's routers that do not answer, by the family that they are the way out for."""
    # Through a tunnel, IPv6 goes as IPv4 does.
    ways = {family: way_out(appliance, facts, family) for family in ((4,) if appliance.tunnel is not None else (4, 6))}
    return {
        family: way.gateway
        for family, way in ways.items()
        if way is not None and way.gateway is not None and not facts.neighbours.get((way.interface, way.gateway))
    }


def _hint(uplink: Uplink) -> str:
    return "is it on, and is uplink.gateway its address?" if is_static(uplink) else "is it on?"


def _say_what_is_missing(appliance: Appliance, uplink: Uplink, facts: Facts) -> None:
    """Raises `TemporaryError` for an uplink that leads nowhere."""
    if is_static(uplink):
        return
    if known_address(uplink, facts) is not None:
        hint = "whoever gives out the addresses (DHCP) names no router: is it the right network?"
        raise _given_none(f"{uplink.interface} has an address, but no default route", "", hint)
    if uplink.wifi is None and appliance.tunnel is None:
        try:
            address_of(uplink, facts)
        except TemporaryError as error:
            raise _given_none(error.message, "", error.hint) from error


def _given_none(reason: str, families: str, hint: str) -> TemporaryError:
    return TemporaryError(f"{reason}: the laptop is given no way out{families}", hint=hint)
