"""What is wrong with what came of asking the broker, in a person's words. Pure."""

from __future__ import annotations

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Broker
from firstboot.broker.memory import Asked

WORTH_TELLING_S = 600.0
"""Who waits for less need not hear for how long: it would be another time at each attempt."""


def trouble(account: Broker, known: Asked, path: str) -> ApplianceError | None:
    """What is wrong with the last answer, if anything is. One that was final is about its account alone.

    `path`: the section of the tunnel.
    """
    meaning = known.meaning
    if meaning is None or not meaning.told:
        return None
    told = f"{meaning.told} ({known.detail})" if known.detail else meaning.told
    if meaning.is_final:
        setting = f"{path}.{meaning.setting}"
        return PermanentError(told, hint=meaning.hint, setting=setting) if known.is_final(account) else None
    if known.wait_s >= WORTH_TELLING_S:
        told = f"{told}; it is asked again after {length(known.wait_s)}"
    return TemporaryError(told, hint=meaning.hint)


def length(wait_s: float) -> str:
    """So many seconds in words."""
    minutes = round(wait_s / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
