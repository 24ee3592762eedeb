"""Our own interface on the system bus: everybody may read, only root may have something done.

Who may what is in overlays/base/usr/share/dbus-1/system.d. Answers are JSON objects, as the commands' `--json` prints
them: keys stay, new ones may come.
"""

# dbus_next reads the annotations of methods as D-Bus signatures, so they must be the plain strings here.
from collections.abc import Awaitable, Callable
from typing import Protocol

from dbus_next.constants import PropertyAccess
from dbus_next.errors import DBusError
from dbus_next.service import ServiceInterface, dbus_property, method, signal

from appliance.errors import ApplianceError

NAME = INTERFACE = "org.appliance.Appliance1"
PATH = "/org/appliance/Appliance1"

s = str


class Answering(Protocol):
    """Who knows the answers."""

    async def plan_json(self) -> str:
        """What would be done now."""
        ...

    async def explain_json(self, kind: str) -> str:
        """All that is known of a kind. Raises `InputError` where there is none of that name."""
        ...

    def status_json(self) -> str:
        """The outcome of the last pass."""
        ...

    def state(self) -> str:
        """The appliance in one word."""
        ...

    def apply(self) -> None:
        """Have everything looked at and put right."""
        ...

    def confirm(self) -> None:
        """Keep the configuration that is on trial. Raises `InputError` where none is."""
        ...


class Api(ServiceInterface):
    """The object on the bus."""

    def __init__(self, daemon: Answering) -> None:
        super().__init__(INTERFACE)
        self._daemon = daemon

    @method(name="Status")
    def status(self) -> "s":
        """The outcome of the last pass."""
        return self._daemon.status_json()

    @method(name="Plan")
    async def plan(self) -> "s":
        """What would be done now, and which line of appliance.yaml wants it."""
        return await _answered(self._daemon.plan_json)

    @method(name="Explain")
    async def explain(self, kind: "s") -> "s":
        """Desired, observed, difference and history of a kind."""
        return await _answered(lambda: self._daemon.explain_json(kind))

    @method(name="Apply")
    def apply(self) -> None:
        """Have everything looked at and put right now; root's alone."""
        self._daemon.apply()

    @method(name="Confirm")
    def confirm(self) -> None:
        """Keep the configuration that is on trial; root's alone."""
        try:
            self._daemon.confirm()
        except ApplianceError as error:
            raise _told(error) from error

    @dbus_property(name="State", access=PropertyAccess.READ)
    def state(self) -> "s":
        """The appliance in one word: ready, waiting, failed or config-error."""
        return self._daemon.state()

    @signal(name="Repaired")
    def repaired(self, kind: str, what: str) -> "ss":
        """Something was put right."""
        return [kind, what]  # type: ignore[return-value]

    def state_changed(self) -> None:
        """Tell that the state is another (org.freedesktop.DBus.Properties.PropertiesChanged)."""
        self.emit_properties_changed({"State": self._daemon.state()})


ss = str


async def _answered(ask: Callable[[], Awaitable[str]]) -> str:
    try:
        return await ask()
    except ApplianceError as error:
        raise _told(error) from error


def _told(error: ApplianceError) -> DBusError:
    hint = f" ({error.hint})" if error.hint else ""
    return DBusError(f"{INTERFACE}.Error", f"{error.message}{hint}")  # type: ignore[no-untyped-call]
