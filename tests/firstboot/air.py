"""The air around a machine in memory, and what NetworkManager makes of it, as far as it was seen to do so."""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import replace

from appliance.errors import TemporaryError
from firstboot.wireless import Access, Device, Heard, Joining, Radio, Reason

Profile = ConfigParser


class Air:
    """Access points, and a radio that is off in every way that Raspberry Pi OS has for it.

    `points` has the passphrases of those in range by name (None: open), the strongest first; `silent` the names
    that are not announced; `access` what a network wants, where it is not plain WPA2 or nothing.
    """

    def __init__(self) -> None:
        self.points: dict[str, str | None] = {}
        self.silent: set[str] = set()
        self.access: dict[str, frozenset[Access]] = {}
        self.dhcp = True
        self.switch = False
        self.regulations = {"NO", "DE"}
        self.radio = Radio(blocked=True, enabled=False)
        self.joining = Joining(Device.UNAVAILABLE)
        self.given_up: set[str] = set()
        self.profiles: dict[str, Profile] = {}

    def read(self, contents: list[str]) -> None:
        """A changed profile is not given up any more."""
        read = [_parsed(content) for content in contents]
        new = {profile["connection"]["uuid"]: profile for profile in read}
        self.given_up = {uuid for uuid in self.given_up if new.get(uuid) == self.profiles.get(uuid)}
        self.profiles = new
        self.connect()

    def profile(self, uuid: str) -> Profile:
        if uuid not in self.profiles:
            raise TemporaryError("No connection with this UUID")
        return self.profiles[uuid]

    def unblock(self) -> None:
        assert not self.radio.switched_off, "Operation not possible due to RF-kill"
        self.radio = replace(self.radio, blocked=False, enabled=self.switch)
        self.connect()

    def enable(self) -> None:
        self.switch = True
        self.radio = replace(self.radio, enabled=not self.radio.blocked)
        self.connect()

    def tell(self, country: str) -> None:
        if country in self.regulations:
            self.radio = replace(self.radio, country=country)

    def seek(self) -> None:
        self.given_up.clear()
        self.connect()
        self.joining = replace(self.joining, seeking=not self.joining.joined)

    def connect(self) -> None:
        """By the profile of the highest priority that is in range and not given up."""
        if self.radio.blocked or self.radio.switched_off or not self.radio.enabled:
            self.joining = Joining(Device.UNAVAILABLE)
            return
        if self.joining.joined:
            return
        if self.joining.state == Device.UNAVAILABLE:
            self.joining = Joining(Device.DISCONNECTED)
        for profile in sorted(self.profiles.values(), key=lambda one: -int(one["connection"]["autoconnect-priority"])):
            known = profile["connection"]["type"] == "wifi" and profile["connection"]["uuid"] not in self.given_up
            hidden = profile.has_option("wifi", "hidden")
            if known and not self.joining.joined and (hidden or self._fits(profile)):
                self.activate(profile)
        if not self.joining.joined:
            self.joining = replace(self.joining, state=Device.DISCONNECTED)

    def activate(self, profile: Profile) -> None:
        name, ssid = profile["connection"]["id"], _ssid(profile)
        reason = self._refusal(profile, ssid)
        if reason == Reason.NO_SECRETS:
            self.given_up.add(profile["connection"]["uuid"])
        state = Device.ACTIVATED if reason == Reason.NONE else Device.DISCONNECTED
        self.joining = Joining(state, reason, name)

    def in_range(self) -> tuple[Heard, ...]:
        return tuple(Heard(name, self._access(name)) for name in self.points if name not in self.silent)

    def _access(self, name: str) -> frozenset[Access]:
        return self.access.get(name, frozenset({Access.WPA2 if self.points[name] else Access.OPEN}))

    def _fits(self, profile: Profile) -> bool:
        access = {heard.ssid: heard.access for heard in self.in_range()}.get(_ssid(profile), frozenset())
        return (Access.WPA2 if profile.has_section("wifi-security") else Access.OPEN) in access

    def _refusal(self, profile: Profile, ssid: str) -> Reason:
        if ssid not in self.points or (ssid in self.silent and not profile.has_option("wifi", "hidden")):
            return Reason.SSID_NOT_FOUND
        key = profile.get("wifi-security", "psk", fallback=None)
        if (key is None) != (self.points[ssid] is None):
            return Reason.SUPPLICANT_DISCONNECT
        if key is not None and key.replace("\\s", " ").replace("\\\\", "\\") != self.points[ssid]:
            return Reason.NO_SECRETS
        return Reason.NONE if self.dhcp else Reason.IP_CONFIG_UNAVAILABLE


def _parsed(content: str) -> Profile:
    profile = ConfigParser(interpolation=None)
    profile.read_string(content)
    return profile


def _ssid(profile: Profile) -> str:
    return bytes(int(number) for number in profile["wifi"]["ssid"].strip(";").split(";")).decode()
