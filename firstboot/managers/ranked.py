"""The uplinks of appliance.yaml, with the interfaces that they mean. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network

from appliance.errors import PermanentError
from appliance.model import Appliance, RankedUplink
from firstboot.facts import Carrier, Facts


@dataclass(frozen=True)
class Ranked:
    """An uplink on an interface; that of the lowest metric is preferred."""

    interface: str
    metric: int
    dhcp: bool
    optional: bool


def ranked(appliance: Appliance, facts: Facts) -> Sequence[Ranked]:
    """Those whose interface is known: it was given by its name, or is there now.

    Raises `PermanentError` where two of them mean the same one: the files of the second would undo the first.
    """
    found: dict[str, int] = {}
    uplinks = []
    for number, uplink in enumerate(appliance.uplinks):
        if interface := interface_of(uplink, facts):
            first = found.setdefault(interface, number)
            if first != number:
                raise PermanentError(
                    f"uplinks[{first}] and uplinks[{number}] both mean {interface} now",
                    hint="take one of them out, or name their interfaces",
                )
            uplinks.append(Ranked(interface, uplink.metric, uplink.dhcp, uplink.optional))
    return tuple(uplinks)


def carried(appliance: Appliance, facts: Facts) -> Iterator[tuple[str, Carrier]]:
    """The networks by which uplinks are found, and what carries each now."""
    for uplink in appliance.uplinks:
        if uplink.carrying is not None and (name := next(_carrying_now(uplink.carrying, facts), "")):
            yield str(uplink.carrying), Carrier(name, facts.links[name].mac)


def interface_of(uplink: RankedUplink, facts: Facts) -> str:
    """The interface that an uplink means; "" while that is not known."""
    if uplink.interface is not None:
        return uplink.interface
    if uplink.carrying is not None:
        return next(_carrying(uplink.carrying, facts), "")
    return next(_with_mac(uplink.mac or "", facts), "")


def _carrying(network: IPv4Network, facts: Facts) -> Iterator[str]:
    """Those that have an address of the network; then what had one when somebody looked last, whatever its name now."""
    yield from _carrying_now(network, facts)
    if (before := facts.carrying.get(str(network))) is not None:
        there = list(_with_mac(before.mac, facts))
        yield from sorted(there, key=lambda name: name != before.interface)


def _carrying_now(network: IPv4Network, facts: Facts) -> Iterator[str]:
    for address in facts.addresses:
        if isinstance(address.address, IPv4Interface) and address.address.ip in network:
            yield address.interface


def _with_mac(mac: str, facts: Facts) -> Iterator[str]:
    """Hardware first: a VLAN has the address of what it is on. A port's address is that of its bridge or bond, too."""
    found = (link for link in facts.links.values() if link.mac == mac and not link.master)
    yield from (link.name for link in sorted(found, key=lambda link: link.kind != ""))
