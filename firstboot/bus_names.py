"""Our names on the system bus, for the one who offers and those who ask."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.errors import ApplianceError, InputError, PermanentError, TemporaryError

NAME = INTERFACE = "org.appliance.Appliance1"
PATH = "/org/appliance/Appliance1"

ERRORS: Mapping[str, type[ApplianceError]] = {
    f"{NAME}.Error.Input": InputError,
    f"{NAME}.Error.Temporary": TemporaryError,
    f"{NAME}.Error.Permanent": PermanentError,
}
"""The families of error by the names that they have on the bus. The text is that of `str(error)`."""

_HINT = "\n  hint: "


def error_name(error: ApplianceError) -> str:
    """The name of an error's family."""
    return next((name for name, family in ERRORS.items() if isinstance(error, family)), f"{NAME}.Error")


def error_of(name: str, text: str) -> ApplianceError:
    """The error that was told under that name; one that is not ours comes of the bus."""
    if name in ERRORS:
        message, _, hint = text.partition(_HINT)
        return ERRORS[name](message, hint=hint)
    if name == "org.freedesktop.DBus.Error.AccessDenied":
        return InputError("only root may ask that", hint="sudo")
    return TemporaryError(f"D-Bus: {text or name}")
