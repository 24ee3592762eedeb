"""Which packets pass through the Pi, from where to where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.addresses import Network
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.sharing import Mode, exits_of, segments_in
from firstboot.topology import subnets


@dataclass(frozen=True)
class Path:
    """Packets with a source in `network` that arrive on `interface` go on.

    `translated`: outside they have the Pi's own address, as nobody there knows the way to theirs.
    """

    interface: str
    network: Network
    translated: bool


def paths(appliance: Appliance, facts: Facts, family: int) -> Sequence[Path]:
    """The ways out of the networks that are served, of a family (4 or 6)."""
    return (*_of_lan(appliance, facts, family), *_of_cable(appliance, facts, family))


def _of_lan(appliance: Appliance, facts: Facts, family: int) -> Iterator[Path]:
    """Only from an interface that is not the uplink's do IPv4 packets pass through the Pi."""
    uplink = appliance.uplink
    if uplink is None:
        return
    for network in subnets(appliance, facts):
        if family == 6:
            yield from (Path(network.interface, own.network, translated=False) for own in network.ipv6)
        if family == 4 and network.ipv4 is not None and network.interface != uplink.interface:
            yield Path(network.interface, network.ipv4.network, translated=True)


def _of_cable(appliance: Appliance, facts: Facts, family: int) -> Iterator[Path]:
    for segment in segments_in(appliance, facts, Mode.ROUTE) if exits_of(appliance, family) else ():
        for address in segment.all_addresses:
            if address.version == family:
                translated = address in (segment.ipv4, segment.ipv6)
                yield Path(segment.interface, address.network, translated)
