"""The gadget as the host shall see it, as a tree of configfs files and links. Pure.

Two configurations: Windows loads no driver for a device with several functions in one of several, so RNDIS is alone
in the one that the Microsoft OS descriptors point to (the kernel shows that one first); everything else is in
the other, which Linux and macOS choose. Sources: the kernel's Documentation/usb/gadget_configfs.rst,
Documentation/ABI/testing/configfs-usb-gadget* and drivers/usb/gadget/configfs.c; Microsoft's OS descriptors 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from firstboot.gadget.configfs import NETWORK
from firstboot.gadget.identity import device_mac, host_mac

LAYOUT_VERSION = 1
"""Hosts cache what they bound by vendor, product and bcdDevice: raise it when the tree below changes."""

VENDOR_LINUX_FOUNDATION = "0x1d6b"
PRODUCT_COMPOSITE_GADGET = "0x0104"

_ORDER = (*NETWORK, "acm")

_MAIN, _WINDOWS = "configs/c.1", "configs/c.2"
_ENGLISH = "strings/0x409"


@dataclass(frozen=True)
class Layout:
    """A tree below the gadget's folder: `folders` to make, `files` to write, `links` as (path, target), in order."""

    folders: list[str]
    files: dict[str, str]
    links: list[tuple[str, str]]


def layout(functions: Sequence[str], serial: str, product: str) -> Layout:
    """The tree for these functions (of ecm, rndis, ncm, acm; in any order)."""
    wanted = [name for name in _ORDER if name in functions]
    windows = "rndis" in wanted and len(wanted) > 1
    others = [name for name in wanted if name != "rndis"]
    configurations = {_MAIN: others, _WINDOWS: ["rndis"]} if windows else {_MAIN: wanted}
    files = _device(wanted, serial, product)
    for config, names in configurations.items():
        files |= {f"{config}/MaxPower": "500", f"{config}/{_ENGLISH}/configuration": " + ".join(names).upper()}
    for name in wanted:
        files |= _function(name, serial)
    links = [(f"{config}/{instance(n)}", folder(n)) for config, names in configurations.items() for n in names]
    if "rndis" in wanted or "ncm" in wanted:
        files |= {"os_desc/use": "1", "os_desc/b_vendor_code": "0xcd", "os_desc/qw_sign": "MSFT100"}
        links.append(("os_desc/c", _WINDOWS if windows else _MAIN))
    folders = (_ENGLISH, *(f"{config}{rest}" for config in configurations for rest in ("", f"/{_ENGLISH}")))
    return Layout([*folders, *map(folder, wanted)], files, links)


def release_number(functions: Sequence[str]) -> str:
    """The bcdDevice: another for every set of functions and every version of the layout, and only then."""
    digits = sum(1 << _ORDER.index(name) for name in functions)
    return f"0x{LAYOUT_VERSION:02d}{digits:02d}"


def instance(function: str) -> str:
    """The name of a function's instance."""
    return f"{function}.usb0"


def folder(function: str) -> str:
    """The folder of a function's instance."""
    return f"functions/{instance(function)}"


def _device(functions: Sequence[str], serial: str, product: str) -> dict[str, str]:
    return {
        "idVendor": VENDOR_LINUX_FOUNDATION,
        "idProduct": PRODUCT_COMPOSITE_GADGET,
        "bcdUSB": "0x0200",
        "bcdDevice": release_number(functions),
        # Interfaces belong together by association descriptors (USB ECN, "Interface Association Descriptors").
        "bDeviceClass": "0xef",
        "bDeviceSubClass": "0x02",
        "bDeviceProtocol": "0x01",
        f"{_ENGLISH}/serialnumber": serial,
        f"{_ENGLISH}/manufacturer": "Raspberry Pi",
        f"{_ENGLISH}/product": product,
    }


def _function(name: str, serial: str) -> dict[str, str]:
    if name not in NETWORK:
        return {}
    path = folder(name)
    files = {f"{path}/dev_addr": device_mac(serial, name), f"{path}/host_addr": host_mac(serial, name)}
    if name == "rndis":
        # The class by which Windows 10 and 11 load their own driver, with no .inf to install. The kernel reads two
        # digits here: of 0xef it would take 0.
        files |= {f"{path}/class": "ef", f"{path}/subclass": "04", f"{path}/protocol": "01"}
        compatible = f"{path}/os_desc/interface.rndis"
        files |= {f"{compatible}/compatible_id": "RNDIS", f"{compatible}/sub_compatible_id": "5162001"}
    elif name == "ncm":
        files |= {f"{path}/os_desc/interface.ncm/compatible_id": "WINNCM"}
    return files
