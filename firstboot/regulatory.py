"""The country whose law the kernel applies to all its radios, by nl80211."""

from __future__ import annotations

from typing import Any

from appliance.errors import TemporaryError
from firstboot import netlink  # noqa: F401 - it lets pyroute2's modules be imported without all of pyroute2

_RESTRICTED = ("97", "98", "99")
"""The kernel's names for what is no country: a device's own rules, or what two sets of rules have in common, as
when an access point announces another country than ours (net/wireless/reg.c)."""


def country() -> str:
    """The country; "00" is the world, "" something that is more restrictive than what the kernel was told."""
    with _nl80211() as socket:
        # Radios with rules of their own follow in messages of their own.
        (message, *_) = [one for one in socket.get_regulatory_domain() if one.get_attr("NL80211_ATTR_WIPHY") is None]
    name = str(message.get_attr("NL80211_ATTR_REG_ALPHA2"))
    return "" if name in _RESTRICTED else name


def set_country(name: str) -> None:
    """Tell the kernel; what it makes of it shows a little later."""
    with _nl80211() as socket:
        socket.set_regulatory_domain(name)


def _nl80211() -> Any:
    """A socket. `TemporaryError` if the kernel has no wireless driver loaded."""
    from pyroute2.iwutil import IW  # noqa: PLC0415 - 0.7 MiB, and only a wireless uplink needs it
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415

    try:
        return IW(groups=0)
    except NetlinkError as error:
        raise TemporaryError("the kernel has no wireless driver loaded") from error
