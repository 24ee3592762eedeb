"""What the early unit of the next boot reads: the gadget as the host shall see it, and the network on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from appliance.model import Appliance, Share
from firstboot.cable import BRIDGE, LINK_LOCAL, Segment, segments
from firstboot.facts import OURS, Facts
from firstboot.gadget import compiled, identity
from firstboot.gadget.configfs import NETWORK
from firstboot.gadget.layout import Layout, layout
from firstboot.rendered.file import File, text

COMPILED = Path(compiled.PATH)
OWNED = (COMPILED,)


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The compiled gadget."""
    return (text(COMPILED, compiled_text(appliance, facts)),) if appliance.gadget is not None else ()


def layout_of(appliance: Appliance, facts: Facts) -> Layout | None:
    """The gadget that the configuration wants; None for none."""
    if appliance.gadget is None:
        return None
    return layout(appliance.gadget.functions, facts.serial, appliance.hostname)


def compiled_text(appliance: Appliance, facts: Facts) -> str:
    """The same whether or not the gadget is there yet: its interfaces are named by their functions."""
    tree, gadget = layout_of(appliance, facts), appliance.gadget
    if tree is None or gadget is None:
        return ""
    made = compiled.Compiled(facts.serial)
    made.folders, made.files, made.links = tree.folders, tree.files, tree.links
    ports = {name: facts.gadget_ports.get(name, name) for name in NETWORK if name in gadget.functions}
    words = {interface: f"@{function}" for function, interface in ports.items()}
    found = segments(appliance, replace(facts, gadget_ports=ports))
    shown = [
        replace(s, interface=words.get(s.interface, s.interface), ports=tuple(words[port] for port in s.ports))
        for s in found
    ]
    made.network = [*_links(shown, facts.serial), *_addresses(shown, client=gadget.share is Share.HOST)]
    return "".join(f"{line}\n" for line in made.lines())


def _links(segments: Sequence[Segment], serial: str) -> Iterator[str]:
    """No multicast snooping: on one cable nothing is gained by it, and it needs a querier."""
    for segment in segments:
        if segment.interface == BRIDGE:
            mac = identity.device_mac(serial, identity.BRIDGE)
            yield f"link add {segment.interface} address {mac} group {OURS} type bridge mcast_snooping 0"
            yield from (f"link set {port} addrgenmode none" for port in segment.ports)
            yield from (f"link set {port} master {segment.interface} up" for port in segment.ports)
        yield f"link set {segment.interface} addrgenmode none"
        yield f"link set {segment.interface} up"


def _addresses(segments: Sequence[Segment], *, client: bool) -> Iterator[str]:
    """Usable at once, also before the laptop is there: on a cable that ends in one, no address is a duplicate.

    `client`: the laptop gives the Pi its addresses. Last of all: an iproute2 before 6.3 stops at `proto`.
    """
    for segment in segments:
        for address in (LINK_LOCAL, *(() if client else segment.addresses)):
            at_once = " nodad" if address.version == 6 else ""
            yield f"address replace {address} dev {segment.interface} proto {OURS}{at_once}"
