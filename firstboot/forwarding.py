"""Which packets pass through the Pi, from where to where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.addresses import Network
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.sharing import Mode, exit_of, segments_in
from firstboot.topology import subnets


@dataclass(frozen=True)
class Path:
    """Packets with a source in `network` that arrive on `interface` go on to `exit` (None: anywhere).

    `translated`: there they take the Pi's own address, as nobody beyond knows the way to theirs.
    """

    interface: str
    network: Network
    exit: str | None
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
        if family == 6 and network.ipv6 is not None:
            yield Path(network.interface, network.ipv6.network, None, translated=False)
        if family == 4 and network.ipv4 is not None and network.interface != uplink.interface:
            yield Path(network.interface, network.ipv4.network, uplink.interface, translated=True)


def _of_cable(appliance: Appliance, facts: Facts, family: int) -> Iterator[Path]:
    way_out = exit_of(appliance, family)
    for segment in segments_in(appliance, facts, Mode.ROUTE) if way_out is not None else ():
        for address in segment.all_addresses:
            if address.version == family:
                translated = address in (segment.ipv4, segment.ipv6)
                yield Path(segment.interface, address.network, way_out, translated)
