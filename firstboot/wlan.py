"""NetworkManager's wireless devices, over the bus: how joining goes, and making it go on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from appliance.errors import TemporaryError
from firstboot.bus import NETWORKMANAGER, Bus
from firstboot.wireless import Device, Joining, Reason

_SERVICE, _PATH, _INTERFACE = NETWORKMANAGER
_DEVICE = f"{_INTERFACE}.Device"
_AGENTS = (_SERVICE, f"{_PATH}/AgentManager", f"{_INTERFACE}.AgentManager")
_RESTING = (Device.UNAVAILABLE, Device.DISCONNECTED, Device.ACTIVATED, Device.FAILED)
_NAMES_MAX = 32

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

    def in_range(self, interface: str) -> tuple[str, ...]:
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

    async def _in_range(self, interface: str) -> tuple[str, ...]:
        (path,) = await self._bus.call(NETWORKMANAGER, "GetDeviceByIpIface", "s", interface)
        (points,) = await self._bus.call((_SERVICE, path, f"{_DEVICE}.Wireless"), "GetAllAccessPoints")
        strengths: dict[str, int] = {}
        for point in points[:_NAMES_MAX]:
            with suppress(TemporaryError):  # it has just gone
                found = await self._bus.properties_of(_SERVICE, point, f"{_INTERFACE}.AccessPoint")
                name = bytes(found["Ssid"]).decode(errors="replace")
                strengths[name] = max(found["Strength"], strengths.get(name, 0))
        return tuple(sorted(filter(None, strengths), key=lambda name: -strengths[name]))

    async def _seek(self, interface: str) -> None:
        (path,) = await self._bus.call(NETWORKMANAGER, "GetDeviceByIpIface", "s", interface)
        self._sought_s[path] = time.monotonic()
        with suppress(TemporaryError):  # it may be scanning already
            await self._bus.call((_SERVICE, path, f"{_DEVICE}.Wireless"), "RequestScan", "a{sv}", {})
        # A handshake that is lost on the air looks like a wrong passphrase, and with nobody to ask for another
        # one NetworkManager never tries that profile again by itself. Somebody to ask makes it forget that.
        await self._bus.call(_AGENTS, "Register", "s", "appliance")
        await self._bus.call(_AGENTS, "Unregister")
