"""Which packets pass through the Pi, from where to where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.addresses import Network
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.sharing import Mode, exit_of, segments_in
from firstboot.topology import forwards_ipv4, own_ipv4


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
    lan, uplink, tunnel = appliance.lan, appliance.uplink, appliance.tunnel
    if lan is None or uplink is None:
        return
    if family == 6 and tunnel is not None:
        yield Path(lan.interface, tunnel.routed, None, translated=False)
    if family == 4 and forwards_ipv4(appliance) and (own := own_ipv4(appliance, facts)) is not None:
        yield Path(lan.interface, own.network, uplink.interface, translated=True)


def _of_cable(appliance: Appliance, facts: Facts, family: int) -> Iterator[Path]:
    way_out = exit_of(appliance, family)
    for segment in segments_in(appliance, facts, Mode.ROUTE) if way_out is not None else ():
        for address in segment.all_addresses:
            if address.version == family:
                translated = address in (segment.ipv4, segment.ipv6)
                yield Path(segment.interface, address.network, way_out, translated)
