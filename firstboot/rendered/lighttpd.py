"""lighttpd's configuration: the files of the status page, shown to the inside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.model import Appliance
from firstboot.facts import Facts, Interface
from firstboot.paths import RUN, WWW
from firstboot.render import render
from firstboot.rendered.file import File, text
from firstboot.served import CABLE_DOMAIN
from firstboot.sharing import SERVING, Mode, segments_in
from firstboot.topology import subnets

CONFIG = RUN / "lighttpd.conf"
LOADED = Path("/run/appliance-lighttpd/lighttpd.conf")
"""The copy that the unit makes when it starts, and that the process read."""
STATIC = Path("/usr/share/appliance/page")


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """None where there is no page, and before there is an address inside: it cannot listen on one that is not there."""
    addresses = tuple(f"[{own.ip}]" if own.version == 6 else str(own.ip) for own in _listening(appliance, facts))
    if not appliance.status_page or not addresses:
        return ()
    names = [appliance.hostname, f"{appliance.hostname}.local"]
    names += [f"{appliance.hostname}.{domain}" for domain in _domains(appliance, facts)]
    hosts = tuple(re.escape(host) for host in dict.fromkeys((*names, *addresses)))
    config = render("lighttpd.conf.j2", folder=WWW, static=STATIC, addresses=addresses, hosts=hosts)
    return (text(CONFIG, config),)


def _listening(appliance: Appliance, facts: Facts) -> Iterator[Interface]:
    """The Pi's own addresses on the networks inside, of those that it has now and are nobody else's.

    In an order that does not depend on when each came.
    """
    ready = [each for each in facts.addresses if not each.tentative and not each.duplicate]
    present = {(each.interface, each.address) for each in ready}
    yield from (own for interface, own in _own(appliance, facts) if (interface, own) in present)
    laptops = {segment.interface for segment in segments_in(appliance, facts, Mode.HOST)}
    yield from sorted((each.address for each in ready if each.interface in laptops), key=str)


def _own(appliance: Appliance, facts: Facts) -> Iterator[tuple[str, Interface]]:
    for subnet in subnets(appliance, facts):
        yield from ((subnet.interface, own) for own in (subnet.ipv4, *subnet.ipv6) if own is not None)
    for segment in segments_in(appliance, facts, *SERVING):
        yield from ((segment.interface, own) for own in segment.all_addresses)


def _domains(appliance: Appliance, facts: Facts) -> Iterator[str]:
    yield from (subnet.lan.domain for subnet in subnets(appliance, facts))
    if appliance.gadget is not None:
        yield CABLE_DOMAIN
