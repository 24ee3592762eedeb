"""The gadget's cable, several uplinks, and routing policies."""

from __future__ import annotations

from collections.abc import Iterator

from appliance.addresses import PRIVATE
from appliance.finding import Check, Finding
from appliance.model import (
    Appliance,
    ChangePolicy,
    Function,
    Interfaces,
    InterfaceSelection,
    RankedUplink,
    Share,
    SysctlPolicy,
    TablePolicy,
)
from appliance.names import CABLE_BRIDGE
from appliance.network_checks import unusable
from appliance.poison import until_unread
from appliance.tunnel_checks import tunnels

NETWORK_FUNCTIONS = (Function.ECM, Function.RNDIS, Function.NCM)
HALVED_PREFIX_MAX = 29  # each half has room for the Pi and the laptop
CABLE_NAMES = (CABLE_BRIDGE, "usb")  # as the kernel names a gadget's interfaces, and their bridge
UPLINK_NAMES = ("interface", "mac", "carrying")  # by which one of several uplinks is chosen
KERNEL_TABLES = (253, 254, 255)  # default, main and local (/etc/iproute2/rt_tables)


def _functions(appliance: Appliance) -> Iterator[Finding]:
    if appliance.gadget is None:
        return
    path, functions = "gadget.functions", [Function(function) for function in appliance.gadget.functions]
    for number, function in enumerate(functions):
        if function in functions[:number]:
            yield Finding(f"{path}[{number}]", f"{path}: {function} is there twice", "once")
    if not any(function in NETWORK_FUNCTIONS for function in functions):
        yield Finding(path, f"{path}: none of them is a network adapter", ", ".join(NETWORK_FUNCTIONS))
    if Function.ECM in functions and Function.NCM in functions:
        # They would share the configuration that Linux and macOS take: two adapters to the same place.
        yield Finding(path, f"{path}: ecm and ncm do not fit together, and the same laptops use them", "one of the two")
    if Function.ACM in functions and [name for name in functions if name in NETWORK_FUNCTIONS] == [Function.RNDIS]:
        # Of two configurations Linux takes that of ACM, and Windows the one with RNDIS.
        message = f"{path}: with acm beside it, rndis is an adapter for Windows alone"
        yield Finding(path, message, "add ecm", warning=True)


def _cable_network(appliance: Appliance) -> Iterator[Finding]:
    gadget, uplink = appliance.gadget, appliance.uplink
    if gadget is None or gadget.network is None or uplink is None or uplink.address is None:
        return
    if gadget.network.network.overlaps(uplink.address.network):
        message = f"gadget.network: {gadget.network.network} overlaps {uplink.address.network}, the uplink's network"
        yield Finding("gadget.network", message, "another network, or auto")


def _cable_address(appliance: Appliance) -> Iterator[Finding]:
    gadget = appliance.gadget
    if gadget is None or gadget.network is None:
        return
    address = gadget.network.ip
    if unusable(address):
        message = f"gadget.network: {address} is not an address for a machine on a network"
        yield Finding("gadget.network", message, "a private one, e.g. 10.55.0.1/28, or auto")
    elif not any(gadget.network.network.subnet_of(block) for block in PRIVATE):
        message = f"gadget.network: {gadget.network.network} has addresses of the Internet, which the laptop then loses"
        yield Finding("gadget.network", message, "a private network, e.g. 10.55.0.1/28, or auto", warning=True)


def _cable_name(appliance: Appliance) -> Iterator[Finding]:
    """The uplink and the tunnel are no interfaces of the cable's."""
    gadget, uplink = appliance.gadget, appliance.uplink
    if gadget is None:
        return
    names = {path: tunnel.interface for path, tunnel in tunnels(appliance)}
    for path, interface in {**({"uplink": uplink.interface} if uplink is not None else {}), **names}.items():
        if interface.startswith(CABLE_NAMES):
            message = f"{path}.interface: {interface} is the cable to the laptop"
            yield Finding(f"{path}.interface", message, "eth0, wlan0, or a USB adapter's name, enx and its address")


def _tunnels_uplink(appliance: Appliance) -> Iterator[Finding]:
    if appliance.gadget is not None and appliance.tunnel is not None and appliance.uplink is None:
        yield Finding("tunnel", "the tunnel needs an uplink, which is missing", "the section uplink")


def _halves(appliance: Appliance) -> Iterator[Finding]:
    gadget = appliance.gadget
    if gadget is None or gadget.interfaces != Interfaces.SEPARATE or gadget.network is None:
        return
    adapters = [function for function in gadget.functions if function in NETWORK_FUNCTIONS]
    if len(adapters) > 1 and gadget.network.network.prefixlen > HALVED_PREFIX_MAX:
        message = f"gadget.network: {gadget.network.network} is too small to be halved for separate interfaces"
        yield Finding("gadget.network", message, f"a prefix length of at most {HALVED_PREFIX_MAX}")


def _share(appliance: Appliance) -> Iterator[Finding]:
    if appliance.gadget is not None and appliance.gadget.share == Share.ROUTE and appliance.uplink is None:
        message = "gadget.share: route gives the laptop no Internet without an uplink"
        yield Finding("gadget.share", message, "an uplink, or share: local", warning=True)


def _ranked_uplinks(appliance: Appliance) -> Iterator[Finding]:
    seen: dict[tuple[str, object], str] = {}
    for number, uplink in enumerate(appliance.uplinks):
        path = f"uplinks[{number}]"
        yield from until_unread(_one_name(uplink, path))
        for name in (*UPLINK_NAMES, "metric"):
            yield from until_unread(_distinct(uplink, path, name, seen))


def _one_name(uplink: RankedUplink, path: str) -> Iterator[Finding]:
    said = [name for name in UPLINK_NAMES if getattr(uplink, name) is not None]
    if len(said) != 1:
        found = f"says {' and '.join(said)}" if said else "does not say which interface it means"
        yield Finding(path, f"{path} {found}", f"one of {', '.join(UPLINK_NAMES)}")


def _distinct(uplink: RankedUplink, path: str, name: str, seen: dict[tuple[str, object], str]) -> Iterator[Finding]:
    value = getattr(uplink, name)
    first = seen.setdefault((name, value), path)
    if value is not None and first != path:
        yield Finding(f"{path}.{name}", f"{path}.{name}: {value} is that of {first} too", "each its own")


def _tables(appliance: Appliance) -> Iterator[Finding]:
    for number, policy in enumerate(appliance.routing.tables):
        yield from until_unread(_kernel_tables(policy, f"routing.tables[{number}].lookup"))


def _kernel_tables(policy: TablePolicy, path: str) -> Iterator[Finding]:
    own = [str(table) for table in KERNEL_TABLES if table in policy.lookup]
    if own:
        yield Finding(path, f"{path}: {policy.lookup} includes {', '.join(own)}, the kernel's own", "e.g. 2-252")


def _sysctl(appliance: Appliance) -> Iterator[Finding]:
    for number, policy in enumerate(appliance.routing.sysctl):
        yield from until_unread(_settings(policy, f"routing.sysctl[{number}].set"))


def _selections(appliance: Appliance) -> Iterator[Finding]:
    routing = appliance.routing
    for name, policies in (("sysctl", routing.sysctl), ("on_interface_change", routing.on_interface_change)):
        for number, policy in enumerate(policies):
            yield from until_unread(_selects(policy, f"routing.{name}[{number}]"))


def _selects(policy: InterfaceSelection, path: str) -> Iterator[Finding]:
    if not any((policy.interface, policy.driver, policy.mac, policy.kind)):
        message = f"{path} does not say which interfaces it means"
        yield Finding(path, message, 'interface, driver, mac or kind, e.g. interface: "eth*"')


def _reactions(appliance: Appliance) -> Iterator[Finding]:
    for number, policy in enumerate(appliance.routing.on_interface_change):
        yield from until_unread(_reaction(policy, f"routing.on_interface_change[{number}]"))


def _reaction(policy: ChangePolicy, path: str) -> Iterator[Finding]:
    if (policy.restart is None) == (not policy.run):
        found = "neither restart nor run" if policy.restart is None else "both restart and run"
        yield Finding(path, f"{path} says {found}", "one of the two")
    if policy.run and not policy.run[0].startswith("/"):
        message = f"{path}.run: {policy.run[0]} is not the whole path of a program"
        yield Finding(f"{path}.run[0]", message, "e.g. /usr/local/bin/renew")


def _settings(policy: SysctlPolicy, path: str) -> Iterator[Finding]:
    if not policy.set:
        yield Finding(path, f"{path} sets nothing", "e.g. net.ipv4.conf.{interface}.rp_filter: 2")
    for name in policy.set:
        if "{interface}" not in name:
            message = f"{path}: {name} is not a setting of an interface"
            yield Finding(f"{path}[{name}]", message, "a name with {interface} in it", warning=True)


CHECKS: tuple[Check, ...] = (
    _functions,
    _cable_network,
    _cable_address,
    _cable_name,
    _tunnels_uplink,
    _halves,
    _share,
    _ranked_uplinks,
    _tables,
    _sysctl,
    _selections,
    _reactions,
)
