"""What the laptop sees on its USB port, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstboot.gadget.identity import device_mac, host_mac
from image.lab.guest import Guest
from image.lab.laptop import CABLE, DRIVERS
from image.lab.waiting import until
from tests.vm import on_the_pi
from tests.vm.gadgets import Plugged, plugged_in, wired

pytestmark = pytest.mark.vm
READY_S = 240
HERE = Path(__file__).parent
ECM, RNDIS = 1, 2
"""The configurations' numbers."""
OWN = "10.55.0.1"

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


@pytest.fixture(scope="module")
def gadget(gadget_image: Path, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugged]:
    with plugged_in(gadget_image, tools, tmp_path_factory.mktemp("usb"), wired()) as plugged:
        on_the_pi.reaches_state(plugged.guest, "ready", timeout_s=READY_S)
        yield plugged


def content(table: str) -> bytes:
    """The bytes of a table: what stands left of its words."""
    return bytes.fromhex(" ".join(line.partition("|")[0] for line in table.splitlines()))


def descriptors(plugged: Plugged) -> dict[str, bytes]:
    program = (HERE / "usb_descriptors.py").read_text()
    answer = plugged.guest.ask(["python3", "-", plugged.laptop.device()], stdin=program)
    assert answer.code == 0, answer.output
    return {name: bytes.fromhex(text) for name, text in json.loads(answer.output).items()}


def text(descriptor: bytes) -> str:
    assert descriptor[0] == len(descriptor) and descriptor[1] == 3
    return descriptor[2:].decode("utf-16-le")


def serial(guest: Guest) -> str:
    """As the gadget shows it; this machine has no device tree that says one."""
    return guest.run("cat", "/sys/kernel/config/usb_gadget/appliance/strings/0x409/serialnumber").strip()


def adapters(plugged: Plugged) -> dict[str, str]:
    """The MAC addresses at both ends of both functions, and the bridge's."""
    functions = "/sys/kernel/config/usb_gadget/appliance/functions"
    shown = plugged.guest.run("grep", "-raH", ".", functions, "--include=*_addr").replace("\0", "")  # the kernel's
    found = dict(line.removeprefix(f"{functions}/").split(":", 1) for line in shown.splitlines())
    return {**found, "bridge": plugged.guest.run("cat", "/sys/class/net/br-usb/address").strip()}


@pytest.mark.parametrize("name", list(DESCRIPTORS))
def test_descriptors(gadget: Plugged, name: str) -> None:
    assert descriptors(gadget)[name].hex(" ") == content(DESCRIPTORS[name]).hex(" ")


def test_strings(gadget: Plugged) -> None:
    shown = descriptors(gadget)
    own = serial(gadget.guest)
    assert [text(shown[f"string {number}"]) for number in (1, 2, 3)] == ["Raspberry Pi", "pigadget", own]
    assert text(shown["string 4"]) == "ECM" and text(shown["string 10"]) == "RNDIS"
    assert text(shown["string 6"]) == host_mac(own, "ecm").replace(":", "").upper()


def test_linux_takes_ecm_by_itself(gadget: Plugged) -> None:
    assert (gadget.laptop.configuration(), gadget.laptop.driver()) == (ECM, DRIVERS["ecm"])
    reaches_the_pi(gadget, "ecm")


def test_rndis(gadget: Plugged) -> None:
    gadget.laptop.choose(RNDIS)
    until(lambda: gadget.laptop.driver() == DRIVERS["rndis"], "the adapter's driver is RNDIS's", timeout_s=60)
    reaches_the_pi(gadget, "rndis")
    gadget.laptop.choose(ECM)
    until(lambda: gadget.laptop.driver() == DRIVERS["ecm"], "the adapter's driver is ECM's", timeout_s=60)
    reaches_the_pi(gadget, "ecm")


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
    assert adapters(gadget) == {
        **{f"{name}.usb0/dev_addr": device_mac(own, name) for name in ("ecm", "rndis")},
        **{f"{name}.usb0/host_addr": host_mac(own, name) for name in ("ecm", "rndis")},
        "bridge": device_mac(own, "bridge"),
    }
