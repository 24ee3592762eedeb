"""systemd and NetworkManager, by D-Bus: with `api`, the only module that knows dbus_next.

The connection lives on an asyncio loop; the calls are made from another thread (the one that
reconciles) and block it until the answer is there.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType, NameFlag, RequestNameReply
from dbus_next.errors import DBusError
from dbus_next.message import Message
from dbus_next.service import ServiceInterface
from dbus_next.signature import Variant

from appliance.errors import TemporaryError
from firstboot.command import Ended

T = TypeVar("T")

TIMEOUT_S = 30.0
WATCHED = ("appliance", "ssh.", "NetworkManager.", "wpa_supplicant.")
"""How the units' names begin whose starts and stops are told: the kinds read the state of no others."""

_DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_NM = NETWORKMANAGER = (
    "org.freedesktop.NetworkManager",
    "/org/freedesktop/NetworkManager",
    "org.freedesktop.NetworkManager",
)
_NM_SETTINGS = (_NM[0], f"{_NM[1]}/Settings", f"{_NM[2]}.Settings")
_NETWORKD = ("org.freedesktop.network1", "/org/freedesktop/network1", "org.freedesktop.network1.Manager")
_NETPLAN = ("io.netplan.Netplan", "/io/netplan/Netplan", "io.netplan.Netplan")
_HOSTNAMED = ("org.freedesktop.hostname1", "/org/freedesktop/hostname1", "org.freedesktop.hostname1")
_AVAHI = ("org.freedesktop.Avahi", "/", "org.freedesktop.Avahi.Server")
_PROPERTIES = "org.freedesktop.DBus.Properties"
_NO_OBJECT = "/"
_AT_REST = ("active", "inactive", "failed")


class Bus:
    """The system bus."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_unit_change: Callable[[], None] = lambda: None,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop, self._on_unit_change, self._on_loss = loop, on_unit_change, on_loss
        self._bus: MessageBus | None = None
        self.lost = False
        self._jobs: dict[str, asyncio.Future[str]] = {}
        """How those end that somebody wants to know of."""
        self._asks = False
        """systemd is asked for a job, and has not said yet which one it is."""
        self._waits = False
        """Somebody waits for a job, and looks at all units then."""
        self._followed: set[str] = set()
        """The units whose state was asked for, by their objects."""
        self._listeners: dict[tuple[str | None, str | None], Callable[[str, list[Any]], None]] = {}

    async def connect(self) -> None:
        """Connect, and ask systemd to tell when units start and stop."""
        try:
            self._bus = await asyncio.wait_for(MessageBus(bus_type=BusType.SYSTEM).connect(), TIMEOUT_S)
        except (TimeoutError, OSError) as error:
            hint = "`systemctl status dbus` says why"
            raise TemporaryError("the system bus cannot be reached", hint=hint) from error
        self._watch = asyncio.create_task(self._notice_loss(self._bus))
        self._bus.add_message_handler(self._on_message)
        await self.listen(_SYSTEMD[0], _SYSTEMD[2], "JobRemoved", self._on_job_removed)
        self._listeners[_PROPERTIES, "PropertiesChanged"] = self._on_properties_changed
        await self.call(_SYSTEMD, "Subscribe")

    async def listen(self, sender: str, interface: str, member: str, heard: Callable[[str, list[Any]], None]) -> None:
        """Have `heard` called with the path and the body of every such signal, on the loop."""
        self._listeners[interface, member] = heard
        rule = f"type='signal',sender='{sender}',interface='{interface}',member='{member}'"
        await self.call(_DBUS, "AddMatch", "s", rule)

    async def on_resume(self, resumed: Callable[[], None]) -> None:
        """Have `resumed` called when the machine comes back from suspend (org.freedesktop.login1(5))."""

        def heard(_: str, body: list[Any]) -> None:
            (goes_to_sleep,) = body
            if not goes_to_sleep:
                resumed()

        await self.listen("org.freedesktop.login1", "org.freedesktop.login1.Manager", "PrepareForSleep", heard)

    async def offer(self, name: str, path: str, interface: ServiceInterface) -> None:
        """Be called under a name: an object of ours. Raises `TemporaryError` where another process has the name."""
        if self._bus is None:
            raise TemporaryError("the system bus is not connected")
        self._bus.export(path, interface)
        try:
            reply = await self._bus.request_name(name, NameFlag.DO_NOT_QUEUE)
        except DBusError as error:
            raise TemporaryError(f"the name {name} cannot be had on the system bus: {error}") from error
        if reply is not RequestNameReply.PRIMARY_OWNER:
            raise TemporaryError(f"another process has the name {name} on the system bus")

    async def _notice_loss(self, bus: MessageBus) -> None:
        with suppress(DBusError, EOFError, OSError):  # it may end badly, but it ends
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self._bus, self.lost = None, True
        self._on_loss()

    def unit_is_active(self, name: str) -> bool:
        """Whether a unit runs; one that does not exist does not."""
        return self.wait(self._unit_is_active(name))

    def restart_unit(self, name: str) -> None:
        """(Re)start a unit and wait; `TemporaryError` if it does not come up."""
        self.wait(self._job("RestartUnit", name))

    def stop_unit(self, name: str) -> None:
        """Stop a unit and wait."""
        self.wait(self._job("StopUnit", name))

    def begin_restart(self, name: str, ended: Ended) -> None:
        """Have a unit (re)started, however long it takes; `ended` is told, on the loop, why it did not come up."""
        words = f"{name}: RestartUnit", f"systemctl status {name}"
        self.wait(self._begin(ended, *words, "RestartUnit", "ss", name, "replace"))

    def begin_program(self, unit: str, argv: Sequence[str], limit_s: int, ended: Ended) -> None:
        """Have systemd run a program, as a unit of its own; `ended` is told, on the loop, why it failed.

        So it is not in our sandbox, it outlives us, and what it prints is the journal's.
        """
        properties = [
            ["Description", Variant("s", shlex.join(argv))],
            ["Type", Variant("s", "oneshot")],  # its job ends when it does
            ["ExecStart", Variant("a(sasb)", [[argv[0], list(argv), False]])],
            ["TimeoutStartUSec", Variant("t", limit_s * 1_000_000)],
            ["CollectMode", Variant("s", "inactive-or-failed")],  # else its name would stay taken
        ]
        words = unit, f"journalctl --unit {unit}"
        self.wait(self._begin(ended, *words, "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", properties, []))

    def set_hostname(self, name: str) -> None:
        """Set the machine's name, in the kernel and for the next boots (org.freedesktop.hostname1(5))."""
        self.wait(self.call(_HOSTNAMED, "SetStaticHostname", "sb", name, False))
        (announced,) = self.wait(self.call(_DBUS, "NameHasOwner", "s", _AVAHI[0]))
        if announced:  # avahi does not notice by itself
            self.wait(self.call(_AVAHI, "SetHostName", "s", name))

    def networkmanager_runs(self) -> bool:
        """Whether NetworkManager is on the bus."""
        (runs,) = self.wait(self.call(_DBUS, "NameHasOwner", "s", _NM[0]))
        return bool(runs)

    def networkmanager_manages(self, interface: str) -> bool:
        """Whether NetworkManager looks after an interface."""
        return bool(self.wait(self._device_property(interface, "Managed")))

    def active_profile(self, interface: str) -> str:
        """The name of the profile that an interface is connected by; "" for none."""
        return str(self.wait(self._active_profile(interface)))

    def reload_networkmanager(self) -> None:
        """Make NetworkManager read its configuration and profiles again."""
        self.wait(self.call(_NM, "Reload", "u", 0))
        self.wait(self.call(_NM_SETTINGS, "ReloadConnections"))

    def reload_networkd(self) -> None:
        """Make systemd-networkd read its files again (org.freedesktop.network1(5))."""
        self.wait(self.call(_NETWORKD, "Reload"))

    def reconfigure_link(self, index: int) -> None:
        """Make systemd-networkd set a link up by its files."""
        self.wait(self.call(_NETWORKD, "ReconfigureLink", "i", index))

    def generate_netplan(self) -> None:
        """Make netplan write what its files say (netplan-generate(8))."""
        (done,) = self.wait(self.call(_NETPLAN, "Generate"))
        if not done:
            raise TemporaryError("netplan could not do with its files", hint="`netplan --debug generate` says why")

    def activate_profile(self, uuid: str, interface: str) -> None:
        """Connect an interface by a profile; the outcome shows later."""
        self.wait(self._activate_profile(uuid, interface))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop, and wait for it. Raises `TemporaryError`, also when it takes too long."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, TIMEOUT_S), self._loop)
        try:
            return future.result()
        except TimeoutError as error:
            raise TemporaryError(f"no answer on D-Bus within {TIMEOUT_S:.0f} s") from error
        except (DBusError, EOFError, OSError) as error:
            raise TemporaryError(f"D-Bus: {error}") from error

    async def call(self, where: tuple[str, str, str], member: str, signature: str = "", *body: Any) -> list[Any]:
        """Call a method of (destination, path, interface); what it returned, or `TemporaryError`."""
        if self._bus is None:
            raise TemporaryError("the system bus is not connected")
        destination, path, interface = where
        message = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        reply = await self._bus.call(message)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise TemporaryError(f"{destination} {member}: {reply.body[0] if reply and reply.body else 'no answer'}")
        return list(reply.body)

    async def property_of(self, service: str, path: str, interface: str, name: str) -> Any:
        """One property's value."""
        (value,) = await self.call((service, path, _PROPERTIES), "Get", "ss", interface, name)
        return value.value

    async def properties_of(self, service: str, path: str, interface: str) -> Mapping[str, Any]:
        """All properties' values."""
        (values,) = await self.call((service, path, _PROPERTIES), "GetAll", "s", interface)
        return {name: value.value for name, value in values.items()}

    async def set_property(self, where: tuple[str, str, str], name: str, signature: str, value: Any) -> None:
        """Give a property of (destination, path, interface) another value."""
        service, path, interface = where
        await self.call((service, path, _PROPERTIES), "Set", "ssv", interface, name, Variant(signature, value))

    async def _unit_is_active(self, name: str) -> bool:
        (path,) = await self.call(_SYSTEMD, "LoadUnit", "s", name)
        await self._follow(path)
        state = await self.property_of(_SYSTEMD[0], path, "org.freedesktop.systemd1.Unit", "ActiveState")
        return state in ("active", "reloading")

    async def _follow(self, unit: str) -> None:
        """Be told when it ends by itself, which is no job."""
        if unit not in self._followed:
            self._followed.add(unit)
            about = f"path='{unit}',interface='{_PROPERTIES}',member='PropertiesChanged'"
            await self.call(_DBUS, "AddMatch", "s", f"type='signal',sender='{_SYSTEMD[0]}',{about}")

    def _on_properties_changed(self, path: str, body: list[Any]) -> None:
        """A unit's, at rest: what is on its way there ends as a job, or here."""
        state = body[1].get("ActiveState")
        if not self._waits and path in self._followed and state is not None and state.value in _AT_REST:
            self._on_unit_change()

    async def _job(self, method: str, unit: str) -> None:
        self._waits = True
        try:
            outcome = await self._asked_for(method, "ss", unit, "replace")
            problem = _problem(await outcome, f"{unit}: {method}", f"systemctl status {unit}")
        finally:
            self._waits = False
        if problem is not None:
            raise problem

    async def _asked_for(self, method: str, signature: str, *body: Any) -> asyncio.Future[str]:
        """Give systemd a job; how it ends."""
        self._asks = True  # also jobs that end before the answer that names ours has been looked at are noted
        try:
            (job,) = await self.call(_SYSTEMD, method, signature, *body)
            return self._jobs.setdefault(job, self._loop.create_future())
        finally:
            self._asks = False
            self._jobs = {job: outcome for job, outcome in self._jobs.items() if not outcome.done()}

    async def _begin(self, ended: Ended, what: str, why: str, method: str, signature: str, *body: Any) -> None:
        outcome = await self._asked_for(method, signature, *body)
        outcome.add_done_callback(lambda done: ended(_problem(done.result(), what, why)))

    def _on_message(self, message: Message) -> None:
        heard = self._listeners.get((message.interface, message.member))
        if message.message_type is MessageType.SIGNAL and heard is not None:
            heard(message.path or "", message.body)

    def _on_job_removed(self, _: str, body: list[Any]) -> None:
        _, job, unit, result = body
        if self._asks:
            self._jobs.setdefault(job, self._loop.create_future())
        outcome = self._jobs.get(job)
        if outcome is not None and not outcome.done():
            outcome.set_result(result)
        if not self._waits and unit.startswith(WATCHED):  # other units come and go all day long
            self._on_unit_change()

    async def _device_property(self, interface: str, name: str) -> Any:
        (path,) = await self.call(_NM, "GetDeviceByIpIface", "s", interface)
        return await self.property_of(_NM[0], path, f"{_NM[2]}.Device", name)

    async def _active_profile(self, interface: str) -> str:
        return await self.profile_in_force(await self._device_property(interface, "ActiveConnection"))

    async def profile_in_force(self, connection: str) -> str:
        """The name of an active connection's profile; "" for none."""
        if connection == _NO_OBJECT:
            return ""
        return str(await self.property_of(_NM[0], connection, f"{_NM[2]}.Connection.Active", "Id"))

    async def _activate_profile(self, uuid: str, interface: str) -> None:
        (profile,) = await self.call(_NM_SETTINGS, "GetConnectionByUuid", "s", uuid)
        (device,) = await self.call(_NM, "GetDeviceByIpIface", "s", interface)
        await self.call(_NM, "ActivateConnection", "ooo", profile, device, _NO_OBJECT)


def _problem(result: str, what: str, why: str) -> TemporaryError | None:
    """What a job's result (org.freedesktop.systemd1(5)) means; `why`: the command that says more."""
    return TemporaryError(f"{what} ended as {result}", hint=f"{why} says why") if result != "done" else None
