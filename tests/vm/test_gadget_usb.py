"""What the laptop sees on its USB port, byte by byte, and that the Pi takes none of it away without need."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import median

import pytest

from firstboot.gadget.identity import device_mac, host_mac
from image.lab.guest import Guest
from image.lab.laptop import CABLE, DRIVERS, NAME
from image.lab.waiting import until
from tests.figures import Figure
from tests.vm import on_the_pi
from tests.vm.gadgets import Plugged, adapters, function_addresses_of, wired

pytestmark = pytest.mark.vm
HERE = Path(__file__).parent
ECM, RNDIS = 1, 2
"""The configurations' numbers."""
OWN = "10.55.0.1"
REPLUGS = 50
BACK_WITHIN_S, BACK_AT_WORST_S = 3.0, 10.0
"""As a rule, and where the computer has something else to do just then."""

DESCRIPTORS = {
    "device": """
        12 01  00 02  ef 02 01  40           | USB 2.0; by class, interfaces are associated
        6b 1d  04 01  05 01                  | 1d6b:0104; release 01.05: the layout's version, ECM and RNDIS
        01 02 03  02                         | strings; two configurations
    """,
    # What a host reads first is what Windows looks at: RNDIS, and nothing else.
    "configuration 0": """
        09 02  4b 00  02 02 0a 80 fa         | 75 bytes, 2 interfaces, number 2, bus-powered, 500 mA
        08 0b  00 02  ef 04 01  0d           | interfaces 0 and 1 are one function: RNDIS over Ethernet
        09 04  00 00 01  02 02 ff  0b        | the control interface: like ACM's, of a vendor's protocol
        05 24 00 10 01                       | CDC 1.1
        05 24 01 00 01
        04 24 02 00
        05 24 06 00 01                       | the union of both
        07 05 85 03  08 00  09               | interrupts
        09 04  01 00 02  0a 00 00  0c        | the data interface
        07 05 81 02  00 02  00               | bulk, 512 bytes, to the laptop
        07 05 02 02  00 02  00               | and from it
    """,
    "configuration 1": """
        09 02  58 00  02 01 04 80 fa         | 88 bytes, 2 interfaces, number 1
        08 0b  00 02  02 06 00  08           | interfaces 0 and 1 are one function: CDC, Ethernet
        09 04  00 00 01  02 06 00  05        | the control interface: for that Linux takes this one
        05 24 00 10 01                       | CDC 1.1
        05 24 06 00 01                       | the union of both
        0d 24 0f 06  00 00 00 00  ea 05  00 00  00 | its address is string 6; 1514 bytes at most
        07 05 85 03  10 00  09               | interrupts
        09 04  01 00 00  0a 00 00  00        | the data interface, silent
        09 04  01 01 02  0a 00 00  07        | and speaking
        07 05 81 02  00 02  00               | bulk, 512 bytes, to the laptop
        07 05 02 02  00 02  00               | and from it
    """,
    "os string": """
        12 03  4d 00 53 00 46 00 54 00 31 00 30 00 30 00  cd 00 | "MSFT100", the vendor's request is cd
    """,
    "compatible ids": """
        28 00 00 00  00 01  04 00  01  00 00 00 00 00 00 00 | 40 bytes, version 1.0, compatible IDs: one function
        00 01                                | from interface 0 on
        52 4e 44 49 53 00 00 00  35 31 36 32 30 30 31 00 | RNDIS 5162001
        00 00 00 00 00 00
    """,
}
"""Endpoints' numbers are those that this controller has to give. Sources: USB 2.0, 9.6; USB's communication devices
1.1; Microsoft's OS descriptors 1.0; for RNDIS, what the kernel's f_rndis.c says of it."""


def content(table: str) -> bytes:
    """The bytes of a table: what stands left of its words."""
    return bytes.fromhex(" ".join(line.partition("|")[0] for line in table.splitlines()))


def descriptors(plugged: Plugged) -> dict[str, bytes]:
    program = (HERE / "usb_descriptors.py").read_text()
    answer = plugged.guest.python(program, plugged.laptop.device())
    assert answer.code == 0, answer.output
    return {name: bytes.fromhex(text) for name, text in json.loads(answer.output).items()}


def text(descriptor: bytes) -> str:
    assert descriptor[0] == len(descriptor) and descriptor[1] == 3
    return descriptor[2:].decode("utf-16-le")


def connections(plugged: Plugged) -> int:
    """How often a device was found on the port: the host counts them, and starts anew at 128. 0: none is there."""
    answer = plugged.guest.ask(["cat", f"{plugged.laptop.device()}/devnum"])
    return int(answer.output) if answer.code == 0 else 0


def serial(guest: Guest) -> str:
    """As the gadget shows it; this machine has no device tree that says one."""
    return guest.run("cat", "/sys/kernel/config/usb_gadget/appliance/strings/0x409/serialnumber").strip()


def begin_daemon(plugged: Plugged) -> None:
    """Start it anew; when that has ended, it has put everything right once."""
    plugged.guest.run("systemctl", "restart", "appliance.service", timeout_s=on_the_pi.READY_S)
    on_the_pi.reaches_state(plugged.guest, "ready", timeout_s=on_the_pi.READY_S)


@pytest.mark.parametrize("name", list(DESCRIPTORS))
def test_descriptors(gadget: Plugged, name: str) -> None:
    assert descriptors(gadget)[name].hex(" ") == content(DESCRIPTORS[name]).hex(" ")


def test_strings(gadget: Plugged) -> None:
    shown = descriptors(gadget)
    own = serial(gadget.guest)
    assert [text(shown[f"string {number}"]) for number in (1, 2, 3)] == ["Raspberry Pi", "pigadget", own]
    assert text(shown["string 4"]) == "ECM" and text(shown["string 10"]) == "RNDIS"
    assert text(shown["string 6"]) == host_mac(own, "ecm").replace(":", "").upper()


@pytest.mark.parametrize(("configuration", "function"), [(RNDIS, "rndis"), (ECM, "ecm")])
def test_each_configuration_has_its_function(gadget: Plugged, configuration: int, function: str) -> None:
    gadget.laptop.choose(configuration)
    until(lambda: gadget.laptop.driver() == DRIVERS[function], f"the driver is that of {function}", timeout_s=60)
    reaches_the_pi(gadget, function)


def reaches_the_pi(plugged: Plugged, function: str) -> None:
    """Over the adapter with this Pi's address for this function."""
    wanted = host_mac(serial(plugged.guest), function)
    until(lambda: adapter_address(plugged) == wanted, f"the laptop has the adapter of {function}", timeout_s=60)
    until(lambda: plugged.laptop.reaches(f"fe80::1%{CABLE}"), "the Pi answers", timeout_s=60)


def adapter_address(plugged: Plugged) -> str:
    answer = plugged.laptop.ask(["ip", "-json", "link", "show", CABLE])
    return str(json.loads(answer.output)[0]["address"]) if answer.code == 0 else ""


def test_addresses_are_this_pis(gadget: Plugged) -> None:
    own = serial(gadget.guest)
    assert adapters(gadget) == {**function_addresses_of(own), "bridge": device_mac(own, "bridge")}


def test_unplugged_and_plugged_in_again(gadget: Plugged, figure: Figure) -> None:
    program = (HERE / "replugging.py").read_text()
    argv = ["ip", "netns", "exec", NAME, "python3", "-", str(REPLUGS), gadget.laptop.device(), CABLE, OWN]
    answer = gadget.guest.ask(argv, stdin=program, timeout_s=REPLUGS * 60)
    assert answer.code == 0, answer.output
    rows: list[list[float | None]] = json.loads(answer.output)
    assert len(rows) == REPLUGS
    carrier, answered, ping = (sorted(math.inf if row[n] is None else row[n] or 0 for row in rows) for n in range(3))
    for what, column in (("carrier", carrier), ("the Pi answers ARP", answered), ("it answers a ping", ping)):
        times = f"{column[0]:.2f} s at best, {median(column):.2f} s, {column[-1]:.2f} s at worst"
        figure(f"plugged in {REPLUGS} times: {what} after {times}")
    assert max(median(carrier), median(answered)) <= BACK_WITHIN_S
    assert max(carrier[-1], answered[-1]) <= BACK_AT_WORST_S
    assert ping[-1] < math.inf


def test_a_restarted_daemon_takes_nothing_away(gadget: Plugged) -> None:
    before = connections(gadget)
    begin_daemon(gadget)
    gadget.guest.run("systemctl", "restart", "appliance-gadget.service", timeout_s=120)
    assert connections(gadget) == before


def test_other_functions_are_shown_once(gadget: Plugged) -> None:
    """And have another release number."""
    before = connections(gadget)
    release = descriptors(gadget)["device"][12:14]
    gadget.guest.write(on_the_pi.CONFIG, wired().replace("[ecm, rndis]", "[ecm, rndis, acm]"))
    until(lambda: gadget.laptop.device() and connections(gadget) > before, "the host sees another", timeout_s=60)
    on_the_pi.reaches_state(gadget.guest, "ready", timeout_s=on_the_pi.READY_S)
    shown = descriptors(gadget)
    assert shown["device"][12:14] != release
    assert shown["configuration 0"][:6] == content(DESCRIPTORS["configuration 0"])[:6], "RNDIS is alone, as before"
    assert shown["configuration 1"][4] == 4, "the interfaces of ECM and ACM"
    assert connections(gadget) == before + 1
    program = (HERE / "serial_prompt.py").read_text()
    answer = gadget.guest.ask(["python3", "-", "/dev/ttyACM0"], stdin=program, timeout_s=120)
    assert "pigadget login: " in answer.output, answer.output


def test_without_a_device_controller_the_overlay_is_named(gadget: Plugged) -> None:
    """And when one appears, it is used."""
    gadget.guest.run("modprobe", "-r", "dummy_hcd")
    status = on_the_pi.reaches_state(gadget.guest, "waiting", timeout_s=on_the_pi.READY_S)
    assert "dtoverlay=dwc2,dr_mode=peripheral" in json.dumps(status)
    gadget.guest.run("modprobe", "dummy_hcd")
    on_the_pi.reaches_state(gadget.guest, "ready", timeout_s=on_the_pi.READY_S)
    reaches_the_pi(gadget, "ecm")


def test_another_pi_has_other_addresses(gadget: Plugged) -> None:
    """The card in another Pi: this machine's serial number is made of its machine id."""
    before = adapters(gadget)
    gadget.guest.run("systemctl", "stop", "appliance.service", timeout_s=120)
    gadget.guest.write("/run/another", "0123456789abcdef0123456789abc0de\n")
    gadget.guest.run("mount", "--bind", "/run/another", "/etc/machine-id")
    gadget.guest.run("systemctl", "restart", "appliance-gadget.service", timeout_s=120)
    assert adapters(gadget) == before, "the early unit leaves it to the daemon"
    begin_daemon(gadget)
    after = adapters(gadget)
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    gadget.guest.run("umount", "/etc/machine-id")
    gadget.guest.write(on_the_pi.CONFIG, wired())
    begin_daemon(gadget)
    assert adapters(gadget) == before
