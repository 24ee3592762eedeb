"""The scene of a gadget: a home around its uplink, by wire or by radio, and a laptop at its USB port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Interface
from pathlib import Path

from appliance.errors import InputError, PermanentError
from appliance.model import Appliance, Share, Wifi
from image.lab import access_point, computer, home, internet, laptop
from image.lab import site as places
from image.lab.access_point import AccessPoint
from image.lab.cables import NIC, WIRES
from image.lab.computer import Computer
from image.lab.guest import Guest
from image.lab.home import Home, home_lab
from image.lab.internet import Internet
from image.lab.laptop import CABLE, Laptop
from image.lab.services import PAGE
from image.lab.session.scene import Breakage, Host, Scene, Seen
from image.lab.topology import INTERNET, ROUTER

HOUSE, RADIOS = "house", 2
LEASE_S = 20.0
NO_LAPTOP = ("modules-load=usbip-vudc",)
"""A USB device controller at whose other end is nobody."""


@contextmanager
def gadget_scene(appliance: Appliance, logs: Path, tools: Path | None) -> Iterator[Scene]:
    """It is there while the block runs. Without the tools drive there is no laptop, and no radio."""
    wifi = appliance.uplink.wifi if appliance.uplink is not None else None
    if appliance.uplink is None or (wifi is None and appliance.uplink.interface != NIC):
        raise InputError(f"the lab's Pi has {NIC} and wlan0", hint="set uplink.interface to one of them")
    if wifi is not None and tools is None:
        raise InputError("this machine has no radio", hint=f"set uplink: {{interface: {NIC}}}")
    with home_lab(logs) as lab:
        yield with_laptop(lab, appliance, tools, wifi) if tools is not None else alone(lab)


def alone(lab: Home) -> Scene:
    """A gadget with nobody at its USB port."""
    return Scene(
        lab, hosts(), faults(lab), {"uplink": lambda guest: guest.unplugged(0)}, _nothing, parameters=NO_LAPTOP
    )


def with_laptop(lab: Home, appliance: Appliance, tools: Path, wifi: Wifi | None) -> Scene:
    """A gadget with a laptop, and for a wireless uplink with an access point in its air."""
    parameters = [*laptop.kernel_parameters(), *(access_point.kernel_parameters(RADIOS) if wifi else [])]
    beyond: Mapping[str, Callable[[Guest], Computer]] = {
        HOUSE: partial(Computer, name=HOUSE),
        INTERNET: partial(Computer, name=INTERNET),
    }
    share = appliance.gadget.share if appliance.gadget is not None else Share.ROUTE
    wired = {"uplink": lambda guest: guest.unplugged(0)}
    return Scene(
        lab,
        hosts={} if wifi else hosts(),
        faults={} if wifi else faults(lab),
        cables={"usb": unplugged, **({} if wifi else wired)},
        look=partial(look, share=share),
        computers={laptop.NAME: Laptop, **(beyond if wifi else {})},
        prepare=partial(put_on_the_air, wifi) if wifi else lambda _: None,
        parameters=parameters,
        second_drive=tools,
    )


def hosts() -> Mapping[str, Host]:
    """Those around a wire."""
    return {
        home.NEIGHBOUR: Host("another host of the home", str(home.ROUTER_IPV4.ip)),
        ROUTER: Host("the home router", str(home.RESOLVER)),
        INTERNET: Host("everything beyond: a web server, DNS", str(home.RESOLVER)),
        WIRES: Host("the home's switch; the Pi's cable is pi0", str(home.RESOLVER)),
    }


def faults(lab: Home) -> Mapping[str, Breakage]:
    """What may be wrong with a home."""
    return {
        "router": Breakage("the home router is dead; the Pi's carrier stays", lab.router_dead),
        "provider": Breakage("the home router has no Internet, and answers as before", lab.provider_gone),
        "dns": Breakage("nobody answers DNS", lab.dns_gone),
        "ipv6": Breakage("the home router neither advertises nor routes IPv6", lab.no_ipv6),
    }


@contextmanager
def unplugged(guest: Guest) -> Iterator[None]:
    """The USB cable is pulled while the block runs."""
    Laptop(guest).unplug()
    try:
        yield
    finally:
        Laptop(guest).plug()


def put_on_the_air(wifi: Wifi, guest: Guest) -> None:
    """An access point with the configuration's first network, and the Internet behind it, all inside the guest."""
    programs, beyond = computer.tools(guest), internet.begun(guest)
    house = _house(programs, beyond)
    house.announce(wifi.ssid, wifi.passphrase, hidden=wifi.hidden, country=wifi.country)


def _house(programs: computer.Tools, beyond: Internet) -> AccessPoint:
    house = access_point.begun(programs, HOUSE, 1, home.ROUTER_IPV4, home.ROUTER_IPV6, resolver=home.RESOLVER)
    beyond.connect(house)
    return house


def look(guest: Guest, *, share: Share) -> Sequence[Seen]:
    """What the laptop has of the Pi."""
    host = Laptop(guest)
    has_adapter = host.has_adapter()
    seen = [Seen("laptop, network adapter", has_adapter, CABLE if has_adapter else "none")]
    if share is Share.HOST:  # it is the laptop that would give the Pi something
        return seen
    lease = _lease(host) if has_adapter else None
    seen.append(Seen("laptop, lease", lease is not None, str(lease) if lease else "none"))
    if share is not Share.LOCAL:
        reaches = lease is not None and _fetches(host)
        seen.append(Seen("laptop, the Internet", reaches, "reached" if reaches else "not reached"))
    return seen


def _lease(host: Laptop) -> IPv4Interface | None:
    try:
        return host.lease(timeout_s=LEASE_S)
    except TimeoutError:
        return None


def _fetches(host: Laptop) -> bool:
    try:
        return host.fetch(f"http://{places.NAMED_IPV4}/") == PAGE
    except PermanentError:
        return False


def _nothing(_: Guest) -> Sequence[Seen]:
    return [Seen("USB port", True, "nobody is at its other end")]
