"""Our own interface on the system bus: everybody may read, only root may have something done. See docs/dbus.md.

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
from firstboot.bus_names import INTERFACE, NAME, PATH, error_name

__all__ = ["INTERFACE", "NAME", "PATH", "Api"]

s = str


class Answering(Protocol):
    """Who knows the answers."""

    async def plan_json(self) -> str:
        """What would be done now."""
        ...

    async def plan_for_json(self, text: str) -> str:
        """What would be done, were that what appliance.yaml says. Raises `ConfigError` with all that is wrong in it."""
        ...

    async def explain_json(self, thing: str) -> str:
        """All that is known of a thing. Raises `InputError` where nothing has that name."""
        ...

    async def firewall_json(self) -> str:
        """The firewall's policy."""
        ...

    async def test_firewall_json(self, source: str, destination: str, port: str) -> str:
        """Which rule would decide. Raises `InputError` where the question cannot be understood."""
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
    async def explain(self, thing: "s") -> "s":
        """What is wanted of a thing and by which line, what is there, the difference, and what was done lately."""
        return await _answered(lambda: self._daemon.explain_json(thing))

    @method(name="Firewall")
    async def firewall(self) -> "s":
        """The firewall's policy, each rule with its line of appliance.yaml and what it has counted."""
        return await _answered(self._daemon.firewall_json)

    @method(name="TestFirewall")
    async def test_firewall(self, source: "s", destination: "s", port: "s") -> "s":
        """Which rule would decide about packets from there to there."""
        return await _answered(lambda: self._daemon.test_firewall_json(source, destination, port))

    @method(name="PlanFor")
    async def plan_for(self, text: "s") -> "s":
        """What would be done, were that what appliance.yaml says. Nothing is changed; root's alone.

        Whoever may choose the configuration may have any kernel setting read, any host asked whether it answers, and
        keys of any number of passphrases computed.
        """
        return await _answered(lambda: self._daemon.plan_for_json(text))

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
    """Whoever asks tells from the name who must act, and has message and hint as a person has them."""
    return DBusError(error_name(error), str(error))  # type: ignore[no-untyped-call]
