"""The uplinks of appliance.yaml, with the interfaces that they mean. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from appliance.model import Appliance, RankedUplink
from firstboot.facts import Facts


@dataclass(frozen=True)
class Ranked:
    """An uplink on an interface; that of the lowest metric is preferred."""

    interface: str
    metric: int
    dhcp: bool
    optional: bool


def ranked(appliance: Appliance, facts: Facts) -> Sequence[Ranked]:
    """Those whose interface is known: it was given by its name, or is there now."""
    found = ((each, interface_of(each, facts)) for each in appliance.uplinks)
    return tuple(
        Ranked(interface, uplink.metric, uplink.dhcp, uplink.optional) for uplink, interface in found if interface
    )


def carried(appliance: Appliance, facts: Facts) -> Iterator[tuple[str, str]]:
    """The networks by which uplinks are found, and the hardware address of the interface that carries each now."""
    for uplink in appliance.uplinks:
        if uplink.carrying is not None and (name := next(_carrying_now(uplink.carrying, facts), "")):
            yield str(uplink.carrying), facts.links[name].mac


def interface_of(uplink: RankedUplink, facts: Facts) -> str:
    """The interface that an uplink means; "" while that is not known."""
    if uplink.interface is not None:
        return uplink.interface
    if uplink.carrying is not None:
        return next(_carrying(uplink.carrying, facts), "")
    return next((link.name for link in facts.links.values() if link.mac == uplink.mac), "")


def _carrying(network: IPv4Network, facts: Facts) -> Iterator[str]:
    """Those that have an address of the network; then the one that had the last time that somebody looked."""
    yield from _carrying_now(network, facts)
    mac = facts.carrying.get(str(network))
    yield from (link.name for link in facts.links.values() if link.mac == mac)


def _carrying_now(network: IPv4Network, facts: Facts) -> Iterator[str]:
    for address in facts.addresses:
        if isinstance(address.address, IPv4Interface) and address.address.ip in network:
            yield address.interface
