"""What rules are about, as regions of all packets that there may be: what is left when others have decided. Pure.

A packet is a point, each of whose coordinates is a number. A rule is about some boxes, one of each family and service;
what one box leaves of another are boxes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.addresses import Network
from appliance.firewall import FilterRule, Zone
from appliance.services import Protocol, Service

Interval = tuple[int, int]
"""From the first to the last."""

Box = tuple[Interval, ...]
"""What for, whose address, to whose, from where, to where, and the family. What most rules differ in comes first."""

PIECES_MAX = 32
"""A box that would leave more pieces than these is left out: what is found is true, and never takes long."""

_ZONES: dict[Zone, Interval] = {
    Zone.OUTSIDE: (0, 0),
    Zone.INSIDE: (1, 1),
    Zone.BOX: (2, 2),
    Zone.ANY: (0, 3),  # what is of no zone, too
}
_PORTS = 1 << 16
_SERVICES: dict[Protocol, Interval] = {
    Protocol.TCP: (0, _PORTS - 1),
    Protocol.UDP: (_PORTS, 2 * _PORTS - 1),
    Protocol.ICMP: (2 * _PORTS, 2 * _PORTS),
    Protocol.ANY: (0, 2 * _PORTS + 1),
}
_NAMES = 1 << 128
"""After all addresses: which ones a machine has is not known here, but by the same name it is the same machine."""
_ANYBODY = (0, 1 << 4096)


def boxes_of(rule: FilterRule) -> list[Box]:
    """What a rule is about; nothing, if its ends are of different families."""
    families = [family for family in (4, 6) if family == 4 or rule.nat is None]
    return [
        (
            _service(service),
            _end(rule.source),
            _end(rule.destination),
            _ZONES[rule.from_],
            _ZONES[rule.to],
            (each, each),
        )
        for each in families
        if _may_be_of(rule.source, each) and _may_be_of(rule.destination, each)
        for service in rule.port
    ]


def left_of(pieces: Sequence[Box], others: Iterable[Box]) -> Sequence[Box]:
    """What the others leave of the pieces, or more than that; the same object, if that is all."""
    for other in others:
        if not any(_meet(piece, other) for piece in pieces):
            continue
        left = [each for piece in pieces for each in _less(piece, other)]
        if len(left) <= max(PIECES_MAX, len(pieces)):
            pieces = left
    return pieces


def _meet(one: Box, other: Box) -> bool:
    for (first, last), (others_first, others_last) in zip(one, other, strict=True):
        if first > others_last or others_first > last:
            return False
    return True


def _less(box: Box, other: Box) -> list[Box]:
    """What is beside the other in one coordinate, and in all before within it."""
    if not _meet(box, other):
        return [box]
    found: list[Box] = []
    for at, (theirs, (first, last)) in enumerate(zip(other, box, strict=True)):
        before, within, after = (
            (first, theirs[0] - 1),
            (max(first, theirs[0]), min(last, theirs[1])),
            (theirs[1] + 1, last),
        )
        found += [(*box[:at], side, *box[at + 1 :]) for side in (before, after) if side[0] <= side[1]]
        box = (*box[:at], within, *box[at + 1 :])
    return found


def _service(service: Service) -> Interval:
    first, last = _SERVICES[service.protocol]
    ports = service.ports
    return (first, last) if ports is None else (first + ports.first, first + ports.last)


def _end(end: Network | str | None) -> Interval:
    if end is None:
        return _ANYBODY
    if isinstance(end, str):
        named = _NAMES + int.from_bytes(end.encode(), "big")
        return (named, named)
    return (int(end.network_address), int(end.broadcast_address))


def _may_be_of(end: Network | str | None, family: int) -> bool:
    return end is None or isinstance(end, str) or end.version == family
