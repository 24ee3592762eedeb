"""The scene of a gadget: a home around its uplink, by wire or by radio, and a laptop at its USB port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Interface
from pathlib import Path

from appliance.errors import InputError, PermanentError
from appliance.model import Appliance, Share, Uplink
from image.lab import access_point, home, laptop
from image.lab import site as places
from image.lab.cables import NIC, WIRES
from image.lab.guest import Guest
from image.lab.home import Home, home_lab
from image.lab.laptop import CABLE, Laptop
from image.lab.services import PAGE
from image.lab.session import sharing
from image.lab.session.air import INTERFACE, RADIOS, Air
from image.lab.session.scene import Breakage, Host, Inside, Scene, Seen
from image.lab.topology import INTERNET, ROUTER

LEASE_S = 20.0
NO_LAPTOP = ("modules-load=usbip-vudc",)
"""A USB device controller at whose other end is nobody."""
NOBODY = "a board's USB port is not played: there is no laptop (there is one with virt, which 64-bit images run on)"


@contextmanager
def gadget_scene(appliance: Appliance, logs: Path, tools: Path | None) -> Iterator[Scene]:
    """It is there while the block runs. Without the tools drive there is no laptop, and no radio."""
    uplink = appliance.uplink
    if uplink is not None:
        check(uplink, has_radio=tools is not None)
    with home_lab(logs) as lab:
        yield with_laptop(lab, appliance, tools) if tools is not None else alone(lab)


def check(uplink: Uplink, *, has_radio: bool) -> None:
    """Raise InputError if the lab's Pi does not have this interface."""
    if uplink.interface != (NIC if uplink.wifi is None else INTERFACE):
        raise InputError(
            f"the lab's Pi has {NIC}, and {INTERFACE} with wifi, and not {uplink.interface}",
            hint="set uplink.interface to one of them",
        )
    if uplink.wifi is not None and not has_radio:
        raise InputError(
            "the uplink is by Wi-Fi, and this machine has no radio: only virt does, which 64-bit images run on",
            hint=f"set uplink: {{interface: {NIC}}}",
        )


def alone(lab: Home) -> Scene:
    """A gadget with nobody at its USB port."""
    return Scene(lab, hosts(), faults(lab), {"uplink": pulled}, _nothing, parameters=NO_LAPTOP, lacks=NOBODY)


def with_laptop(lab: Home, appliance: Appliance, tools: Path) -> Scene:
    """A gadget with a laptop, and around its uplink, if it has one, a home, or an access point in its air."""
    share = appliance.gadget.share if appliance.gadget is not None else Share.ROUTE
    scene = Scene(
        lab,
        hosts={},
        faults={},
        cables={"usb": unplugged},
        look=sharing.look if share is Share.HOST else partial(look, share=share),
        computers={laptop.NAME: Inside("the laptop at the USB port", Laptop)},
        parameters=laptop.kernel_parameters(),
        second_drive=tools,
    )
    scene = around(scene, lab, appliance.uplink) if appliance.uplink is not None else scene
    return replace(scene, prepare=partial(both, scene.prepare, sharing.begin)) if share is Share.HOST else scene


def around(scene: Scene, lab: Home, uplink: Uplink) -> Scene:
    """The same, with what is around an uplink."""
    if uplink.wifi is not None:
        return in_the_air(scene, Air(uplink.wifi))
    return replace(scene, hosts=hosts(), faults=faults(lab), cables={**scene.cables, "uplink": pulled})


def both(first: Callable[[Guest], None], second: Callable[[Guest], None], guest: Guest) -> None:
    """Do the one in a guest, and then the other."""
    first(guest)
    second(guest)


def in_the_air(scene: Scene, air: Air) -> Scene:
    """The same, with an access point."""
    return replace(
        scene,
        faults=air.faults,
        cables={**scene.cables, "uplink": air.off},
        computers={**scene.computers, **air.computers},
        prepare=air.begin,
        parameters=[*scene.parameters, *access_point.kernel_parameters(RADIOS)],
    )


def pulled(guest: Guest) -> AbstractContextManager[None]:
    """The cable of its uplink is pulled while the block runs."""
    return guest.unplugged(0)


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
    broken = {"router": lab.router_dead, "provider": lab.provider_gone, "dns": lab.dns_gone, "ipv6": lab.no_ipv6}
    return {name: Breakage(home.ABOUT[name], each) for name, each in broken.items()}


@contextmanager
def unplugged(guest: Guest) -> Iterator[None]:
    """The USB cable is pulled while the block runs."""
    Laptop(guest).unplug()
    try:
        yield
    finally:
        Laptop(guest).plug()


def look(guest: Guest, *, share: Share) -> Sequence[Seen]:
    """What the laptop has of the Pi."""
    host = Laptop(guest)
    has_adapter = host.has_adapter()
    seen = [Seen("laptop, network adapter", has_adapter, CABLE if has_adapter else "none")]
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
