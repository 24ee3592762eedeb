"""What can be seen of a wireless interface: its switches and country, and how joining a network goes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Device(IntEnum):
    """NetworkManager's states of a device that matter here (NMDeviceState)."""

    UNAVAILABLE = 20
    DISCONNECTED = 30
    PREPARE = 40
    IP_CONFIG = 70
    ACTIVATED = 100
    DEACTIVATING = 110
    FAILED = 120


class Reason(IntEnum):
    """NetworkManager's reasons for a state that a person can do something about (NMDeviceStateReason)."""

    NONE = 0
    IP_CONFIG_UNAVAILABLE = 5
    NO_SECRETS = 7
    SUPPLICANT_DISCONNECT = 8
    SUPPLICANT_FAILED = 10
    SUPPLICANT_TIMEOUT = 11
    DHCP_START_FAILED = 15
    DHCP_ERROR = 16
    DHCP_FAILED = 17
    USER_REQUESTED = 39
    SSID_NOT_FOUND = 53


class Access(StrEnum):
    """What a network wants of whoever joins it."""

    OPEN = "nothing"
    WPA2 = "a passphrase"
    WPA3 = "a passphrase, by WPA3"
    OTHER = "a name and a password, or something else"


@dataclass(frozen=True)
class Heard:
    """A network that announces itself; its access points may differ in what they want. Its name may hold anything."""

    ssid: str
    access: frozenset[Access]


@dataclass(frozen=True)
class Radio:
    """The switches of a wireless interface, and the country whose law the kernel applies to all of them.

    The country is "00" where the kernel knows none ("the world"), and "" where something more restrictive than
    what it was told is in force: together with what an access point announces, or with what the device allows.
    """

    blocked: bool = False
    """By software (rfkill(8)): whoever did that can be overruled."""
    switched_off: bool = False
    """By a switch that only a person can move."""
    enabled: bool = True
    """NetworkManager's own switch."""
    country: str = "00"


@dataclass(frozen=True)
class Joining:
    """How joining a network goes. `state` is NetworkManager's (`Device`, or one in between)."""

    state: int
    reason: int = Reason.NONE
    """Why the last attempt failed, or else why the state is what it is."""
    profile: str = ""
    """The name of the profile in force or being tried, or else of the one that failed last."""

    seeking: bool = False
    """It was made to look for networks a moment ago."""

    @property
    def joined(self) -> bool:
        """With an address and all."""
        return self.state == Device.ACTIVATED

    @property
    def trying(self) -> bool:
        """It is under way: only waiting helps."""
        return Device.PREPARE <= self.state < Device.ACTIVATED
