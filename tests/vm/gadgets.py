"""Booting the gadget's image, with a home around its uplink and a laptop on its cable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from firstboot.gadget.identity import device_mac, host_mac
from image.lab import laptop
from image.lab.card import Card, inserted
from image.lab.guest import Guest
from image.lab.home import PREFIX, Home, home_lab
from image.lab.laptop import Laptop
from image.lab.machine import VIRT
from image.lab.qemu import booted
from tests.vm.knocking import FIRST, knocking_at_home, until_ready

EXAMPLES = Path(__file__).parents[1] / "appliance" / "examples"
NETWORK = IPv4Network("10.55.0.0/28")
"""That of the examples' cable."""


@dataclass(frozen=True)
class Plugged:
    """A gadget that runs, plugged into a laptop; its second boot has the same home and another guest."""

    home: Home
    guest: Guest
    tools: Path
    parameters: Sequence[str]

    @property
    def laptop(self) -> Laptop:
        """The host of the gadget."""
        return Laptop(self.guest)


def wired(name: str = "gadget.yaml") -> str:
    """An example's text with an uplink on the machine's wire, by DHCP, in place of the wireless one."""
    before, found, rest = (EXAMPLES / name).read_text().partition("uplink:\n")
    assert found
    _, gadget, after = rest.partition("\ngadget:")
    return f"{before}uplink: {{interface: eth0}}\n{gadget}{after}"


@contextmanager
def plugged_in(
    image: Path,
    tools: Path,
    folder: Path,
    config: str,
    *,
    ipv6: bool = True,
    parameters: Sequence[str] = (),
    knocked: bool = False,
) -> Iterator[Plugged]:
    """Flash a card with the image, edit one file, plug in. `parameters` go to the kernel, beside the laptop's.

    `knocked`: strangers do, from before it has power until it is ready (`knocking.FIRST`), which is waited for.
    """
    words = (*laptop.kernel_parameters(), *parameters)
    with inserted(image, folder, config) as card, home_lab(folder / "logs", ipv6=ipv6) as home:
        power = booted(home, card, VIRT, parameters=words, second_drive=tools)
        if knocked:
            power = until_ready(knocking_at_home(home, NETWORK, FIRST), power, at=PREFIX if ipv6 else None)
        with power as guest:
            yield Plugged(home, guest, tools, words)


@contextmanager
def plugged_in_again(before: Plugged, *, parameters: Sequence[str] = ()) -> Iterator[Plugged]:
    """Shut down, and plug the same card in again; the home around it stays. `parameters`: more for the kernel."""
    before.guest.power_off(timeout_s=120)
    card, words = Card(before.guest.card), (*before.parameters, *parameters)
    with booted(before.home, card, VIRT, log="console-again", parameters=words, second_drive=before.tools) as guest:
        yield replace(before, guest=guest)


def adapters(plugged: Plugged) -> dict[str, str]:
    """The MAC addresses at both ends of both functions, and the bridge's."""
    bridge = plugged.guest.run("cat", "/sys/class/net/br-usb/address").strip()
    return {**function_addresses(plugged.guest), "bridge": bridge}


def function_addresses(guest: Guest) -> dict[str, str]:
    """The MAC addresses at both ends of each network function, by their files in configfs."""
    functions = "/sys/kernel/config/usb_gadget/appliance/functions"
    shown = guest.run("grep", "-raH", ".", functions, "--include=*_addr").replace("\0", "")  # the kernel's
    return dict(line.removeprefix(f"{functions}/").split(":", 1) for line in shown.splitlines())


def function_addresses_of(serial: str) -> dict[str, str]:
    """Those of a Pi with that serial number, with the functions that a gadget has where nobody chose others."""
    sides = {"dev_addr": device_mac, "host_addr": host_mac}
    return {
        f"{function}.usb0/{file}": mac(serial, function) for file, mac in sides.items() for function in ("ecm", "rndis")
    }
