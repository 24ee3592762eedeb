"""The gadget as the host shall see it, as a tree of configfs files and links. Pure.

Two configurations: Windows loads no driver for a device with several functions in one, so RNDIS is alone
in the one that the Microsoft OS descriptors point to (configfs shows that one first); everything else is in
the other, which Linux and macOS choose. Sources: the kernel's Documentation/usb/gadget_configfs.rst and
Documentation/ABI/testing/configfs-usb-gadget*; Microsoft's OS descriptors 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firstboot.gadget.identity import Identity

NAME = "appliance"

LAYOUT_VERSION = 1
"""Hosts cache what they bound by vendor, product and bcdDevice: raise it when the tree below changes."""

VENDOR_LINUX_FOUNDATION = "0x1d6b"
PRODUCT_COMPOSITE_GADGET = "0x0104"

NETWORK = ("ecm", "rndis", "ncm")
_ORDER = (*NETWORK, "acm")

_MAIN, _WINDOWS = "configs/c.1", "configs/c.2"


@dataclass(frozen=True)
class Layout:
    """Files in the order in which they must be written, and links as (path, target), all relative to the gadget."""

    files: Mapping[str, str]
    links: Sequence[tuple[str, str]]

    @property
    def interfaces(self) -> Sequence[str]:
        """The network functions in the order in which they are bound, so the first of them is usb0."""
        return [target for path, target in self.links if target.split("/")[1].split(".")[0] in NETWORK]


def layout(functions: Sequence[str], identity: Identity, product: str) -> Layout:
    """The tree for these functions (of ecm, rndis, ncm, acm; in any order)."""
    wanted = [name for name in _ORDER if name in functions]
    windows = [name for name in wanted if name == "rndis" and len(wanted) > 1]
    main = [name for name in wanted if name not in windows]
    files = {**_device(wanted, identity, product)}
    links: list[tuple[str, str]] = []
    for config, names in ((_MAIN, main), (_WINDOWS, windows)):
        if names:
            files |= _configuration(config, names)
    for name in wanted:
        files |= _function(name, identity)
    for config, names in ((_MAIN, main), (_WINDOWS, windows)):
        links += [(f"{config}/{_instance(name)}", f"functions/{_instance(name)}") for name in names]
    if "rndis" in wanted:
        files |= {"os_desc/use": "1", "os_desc/b_vendor_code": "0xcd", "os_desc/qw_sign": "MSFT100"}
        links.append(("os_desc/c", _WINDOWS if windows else _MAIN))
    return Layout(files, links)


def release_number(functions: Sequence[str]) -> str:
    """The bcdDevice: another for every set of functions and every version of the layout, and only then."""
    digits = sum(1 << _ORDER.index(name) for name in functions)
    return f"0x{LAYOUT_VERSION:02d}{digits:02d}"


def _device(functions: Sequence[str], identity: Identity, product: str) -> dict[str, str]:
    return {
        "idVendor": VENDOR_LINUX_FOUNDATION,
        "idProduct": PRODUCT_COMPOSITE_GADGET,
        "bcdUSB": "0x0200",
        "bcdDevice": release_number(functions),
        # Interfaces belong together by association descriptors (USB ECN, "Interface Association Descriptors").
        "bDeviceClass": "0xef",
        "bDeviceSubClass": "0x02",
        "bDeviceProtocol": "0x01",
        "strings/0x409/serialnumber": identity.serial,
        "strings/0x409/manufacturer": "Raspberry Pi",
        "strings/0x409/product": product,
    }


def _configuration(path: str, functions: Sequence[str]) -> dict[str, str]:
    return {f"{path}/MaxPower": "500", f"{path}/strings/0x409/configuration": " + ".join(functions).upper()}


def _function(name: str, identity: Identity) -> dict[str, str]:
    if name not in NETWORK:
        return {}
    path = f"functions/{_instance(name)}"
    files = {f"{path}/dev_addr": identity.mac(f"{name} device"), f"{path}/host_addr": identity.mac(f"{name} host")}
    if name == "rndis":
        # The class by which Windows 10 and 11 load their own driver, with no .inf to install.
        files |= {f"{path}/class": "0xef", f"{path}/subclass": "0x04", f"{path}/protocol": "0x01"}
        compatible = f"{path}/os_desc/interface.rndis"
        files |= {f"{compatible}/compatible_id": "RNDIS", f"{compatible}/sub_compatible_id": "5162001"}
    elif name == "ncm":
        compatible = f"{path}/os_desc/interface.ncm"
        files |= {f"{compatible}/compatible_id": "WINNCM"}
    return files


def _instance(name: str) -> str:
    return f"{name}.usb0"
