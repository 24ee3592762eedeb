"""What the broker says that a tunnel is: believed only where it could be one. Pure.

https://forums.he.net/index.php?topic=3109.0 has the form. No XML parser reads it, so
there is nothing that it could unfold.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from appliance.errors import InputError
from appliance.he import BrokerTunnel, read_information
from appliance.model import Appliance, Profile, Tunnel
from appliance.tunnel_checks import CHECKS
from firstboot.broker.answers import Answer, Word, of_status, of_text, refusal

LONGEST = 8192
"""Characters. One tunnel takes some five hundred."""

_IS_TUNNELS = "<tunnels"


def description_in(status: int, text: str, number: int) -> Answer:
    """What an answer means that should be about the tunnel of that number: `status` is HTTP's, `text` all of it."""
    other = refusal(text) or of_status(status)
    if other is not None:
        return other
    if _IS_TUNNELS not in text[:LONGEST]:
        return of_text(text.strip())
    if len(text) > LONGEST:
        return _nonsense("it is too long")
    if "<tunnel " not in text:
        return Answer(Word.NO_TUNNEL)
    return _described(text, number)


def _described(text: str, number: int) -> Answer:
    try:
        found = read_information(text, "the answer")
    except InputError:
        return _nonsense("it does not say what the tunnel is")
    if found.number != number:
        return _nonsense("it is about another tunnel")
    if found.routed is None:
        return _nonsense("no network is routed to this tunnel")
    for wrong in _wrong(found):
        return _nonsense(wrong)
    return Answer(Word.GOOD, tunnel=found)


def _wrong(found: BrokerTunnel) -> Iterator[str]:
    """Why it could be no tunnel, in the words of whoever checks the file."""
    for routed in (found.routed, found.routed48):
        if routed is not None:
            appliance = Appliance(profile=Profile.GATEWAY, tunnel=_tunnel(found, routed))
            yield from (each.message for check in CHECKS for each in check(appliance) if not each.warning)


def _tunnel(found: BrokerTunnel, routed: IPv6Network) -> Tunnel:
    return Tunnel(server=found.server, address=found.address, routed=routed)


def _nonsense(detail: str) -> Answer:
    return Answer(Word.NONSENSE, detail=detail)
