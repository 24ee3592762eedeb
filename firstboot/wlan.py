"""NetworkManager's wireless devices, over the bus: how joining goes, and making it go on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from appliance.errors import TemporaryError
from firstboot.bus import NETWORKMANAGER, Bus
from firstboot.wireless import Access, Device, Heard, Joining, Reason

_SERVICE, _PATH, _INTERFACE = NETWORKMANAGER
_DEVICE = f"{_INTERFACE}.Device"
_AGENTS = (_SERVICE, f"{_PATH}/AgentManager", f"{_INTERFACE}.AgentManager")
_RESTING = (Device.UNAVAILABLE, Device.DISCONNECTED, Device.ACTIVATED, Device.FAILED)
_POINTS_MAX = 32

# NM80211ApFlags and NM80211ApSecurityFlags
_PRIVACY = 0x1
_KEY_MANAGEMENT = {0x100: Access.WPA2, 0x400: Access.WPA3}

SEEKING_S = 10.0
"""A scan of all channels takes that long, and NetworkManager tries at once what it finds."""


@dataclass(frozen=True)
class _Attempt:
    """The profile that a device is being connected by, or was at last, and why that failed."""

    profile: str
    reason: int = Reason.NONE


class Wlan:
    """What NetworkManager says of its wireless devices.

    A device's own properties say why an attempt failed only for a moment, so the signals are listened to.
    """

    def __init__(self, bus: Bus, *, on_change: Callable[[], None] = lambda: None) -> None:
        self._bus, self._on_change = bus, on_change
        self._attempts: dict[str, _Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sought_s: dict[str, float] = {}

    async def listen(self) -> None:
        """Begin to take note of attempts; `on_change` is called when one has ended."""
        await self._bus.listen(_SERVICE, _DEVICE, "StateChanged", self._on_state)

    def enabled(self) -> bool:
        """Whether NetworkManager's Wi-Fi switch is on."""
        return bool(self._bus.wait(self._bus.property_of(*NETWORKMANAGER, "WirelessEnabled")))

    def enable(self) -> None:
        """Turn it on; NetworkManager keeps that in its state file."""
        self._bus.wait(self._bus.set_property(NETWORKMANAGER, "WirelessEnabled", "b", True))

    def joining(self, interface: str) -> Joining:
        """How joining a network goes."""
        return self._bus.wait(self._joining(interface))

    def in_range(self, interface: str) -> tuple[Heard, ...]:
        """The networks that announce themselves, the strongest first."""
        return self._bus.wait(self._in_range(interface))

    def seek(self, interface: str) -> None:
        """Make it scan now, and try again the profiles whose passphrase was not accepted."""
        self._bus.wait(self._seek(interface))

    def _on_state(self, path: str, body: list[Any]) -> None:
        new, _, reason = body
        before = self._attempts.get(path)
        if new == Device.PREPARE:
            task = asyncio.get_running_loop().create_task(self._begin(path))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif new == Device.FAILED and before is not None:
            self._attempts[path] = _Attempt(before.profile, reason)
        elif new == Device.ACTIVATED or reason == Reason.USER_REQUESTED:
            self._attempts.pop(path, None)
        if new in _RESTING:
            self._on_change()

    async def _begin(self, path: str) -> None:
        """Take note of the profile that is tried; why it failed the last time stays true until it does not fail."""
        with suppress(TemporaryError):
            profile = await self._bus.profile_in_force(
                await self._bus.property_of(_SERVICE, path, _DEVICE, "ActiveConnection")
            )
            before = self._attempts.get(path)
            same = before is not None and before.profile == profile
            self._attempts[path] = before if before is not None and same else _Attempt(profile)

    async def _joining(self, interface: str) -> Joining:
        (path,) = await self._bus.call(NETWORKMANAGER, "GetDeviceByIpIface", "s", interface)
        device = await self._bus.properties_of(_SERVICE, path, _DEVICE)
        state, reason = device["StateReason"]
        profile = await self._bus.profile_in_force(device["ActiveConnection"])
        attempt = self._attempts.get(path)
        if attempt is not None and profile in ("", attempt.profile):
            profile, reason = attempt.profile, attempt.reason
        seeking = time.monotonic() < self._sought_s.get(path, -math.inf) + SEEKING_S
        return Joining(state, reason, profile, seeking)

    async def _in_range(self, interface: str) -> tuple[Heard, ...]:
        (path,) = await self._bus.call(NETWORKMANAGER, "GetDeviceByIpIface", "s", interface)
        (points,) = await self._bus.call((_SERVICE, path, f"{_DEVICE}.Wireless"), "GetAllAccessPoints")
        found = []
        for point in points[:_POINTS_MAX]:
            with suppress(TemporaryError):  # it has just gone
                found.append(await self._bus.properties_of(_SERVICE, point, f"{_INTERFACE}.AccessPoint"))
        return heard(found)

    async def _seek(self, interface: str) -> None:
        (path,) = await self._bus.call(NETWORKMANAGER, "GetDeviceByIpIface", "s", interface)
        self._sought_s[path] = time.monotonic()
        with suppress(TemporaryError):  # it may be scanning already
            await self._bus.call((_SERVICE, path, f"{_DEVICE}.Wireless"), "RequestScan", "a{sv}", {})
        # A handshake that is lost on the air looks like a wrong passphrase, and with nobody to ask for another
        # one NetworkManager never tries that profile again by itself. Somebody to ask makes it forget that.
        await self._bus.call(_AGENTS, "Register", "s", "appliance")
        await self._bus.call(_AGENTS, "Unregister")


def heard(points: Iterable[Mapping[str, Any]]) -> tuple[Heard, ...]:
    """The networks of some access points, given by NetworkManager's properties of each; the strongest first."""
    access: dict[str, set[Access]] = {}
    for point in sorted(points, key=lambda point: -point["Strength"]):
        name = bytes(point["Ssid"]).decode(errors="replace")
        access.setdefault(name, set()).update(_access(point))
    return tuple(Heard(name, frozenset(found)) for name, found in access.items() if name)


def _access(point: Mapping[str, Any]) -> set[Access]:
    flags = point["WpaFlags"] | point["RsnFlags"]
    if not flags and not point["Flags"] & _PRIVACY:
        return {Access.OPEN}
    return {access for flag, access in _KEY_MANAGEMENT.items() if flags & flag} or {Access.OTHER}
