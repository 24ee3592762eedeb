"""What is around a wireless uplink: an access point, and the Internet behind it, all played inside the guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from appliance.errors import InputError, PermanentError
from appliance.model import Wifi
from image.lab import access_point, computer, home, internet
from image.lab.access_point import AccessPoint
from image.lab.computer import Computer
from image.lab.guest import Guest
from image.lab.session.scene import Breakage, Inside
from image.lab.topology import INTERNET

HOUSE, RADIOS = "house", 2
INTERFACE = "wlan0"
"""What the guest's kernel calls its own radio."""
WRONG = "not the one that the Pi knows"
LACKING = {
    "provider": (
        f'type filter hook output priority 0; oifname "{internet.NAME}" drop;',
        f'type filter hook forward priority 0; oifname "{internet.NAME}" drop;',
    ),
    "dns": (home.NO_DNS,),
    "ipv6": home.NO_IPV6,
}
"""Chains of nftables for each fault of the home router in it."""


class Air:
    """The access point has the configuration's first network. It is there once the guest can be spoken to."""

    def __init__(self, wifi: Wifi) -> None:
        self.wifi = wifi
        self._house: AccessPoint | None = None

    def begin(self, guest: Guest) -> None:
        """Put it on the air."""
        programs, beyond = computer.tools(guest), internet.begun(guest)
        house = access_point.begun(programs, HOUSE, 1, home.ROUTER_IPV4, home.ROUTER_IPV6, resolver=home.RESOLVER)
        beyond.connect(house)
        self._announce(house)
        self._house = house

    @property
    def computers(self) -> Mapping[str, Inside]:
        """Those that it is made of."""
        return {
            HOUSE: Inside("the access point, and the home router in it", _called(HOUSE), str(home.RESOLVER)),
            INTERNET: Inside("everything beyond: a web server, DNS", _called(INTERNET), str(home.RESOLVER)),
        }

    @property
    def faults(self) -> Mapping[str, Breakage]:
        """What may be wrong with it: names and meanings as of a wired home, where there is such a fault."""
        found = {
            name: Breakage(home.ABOUT[name], partial(self._without, name, *chains)) for name, chains in LACKING.items()
        }
        changed = Breakage("the network has another passphrase", self.other_passphrase)
        return {**found, **({"passphrase": changed} if self.wifi.passphrase is not None else {})}

    @contextmanager
    def off(self, _: Guest) -> Iterator[None]:
        """The network is not in range while the block runs."""
        house = self._there()
        house.silence()
        try:
            yield
        finally:
            self._announce(house)

    @contextmanager
    def other_passphrase(self) -> Iterator[None]:
        """The Pi's passphrase is wrong while the block runs."""
        house = self._there()
        house.silence()
        self._announce(house, WRONG)
        try:
            yield
        finally:
            house.silence()
            self._announce(house)

    def _announce(self, house: AccessPoint, passphrase: str = "") -> None:
        wifi = self.wifi
        house.announce(wifi.ssid, passphrase or wifi.passphrase, hidden=wifi.hidden, country=wifi.country)

    @contextmanager
    def _without(self, name: str, *chains: str) -> Iterator[None]:
        """The access point drops what these chains of nftables say while the block runs."""
        house = self._there()
        _nft(house, home.without(name, chains))
        try:
            yield
        finally:
            _nft(house, home.with_again(name))

    def _there(self) -> AccessPoint:
        if self._house is None:
            raise InputError("there is no access point yet: the Pi boots", hint="appliance lab wait ready")
        return self._house


def _called(name: str) -> Callable[[Guest], Computer]:
    return partial(Computer, name=name)


def _nft(house: AccessPoint, rules: str) -> None:
    """The guest's own nft, in the access point's network."""
    answer = house.guest.ask([*house.in_network, "nft", "-f", "-"], stdin=rules)
    if answer.code != 0:
        raise PermanentError(f"on the {house.name}: {rules}\n{answer.output}")
