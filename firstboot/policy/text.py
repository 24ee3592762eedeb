"""A policy as ufw's framework files have it: every table of one family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from appliance.firewall import Deny, Logged
from firstboot.policy import compiled, inbound, translation
from firstboot.policy.compiled import (
    ALLOWED,
    DENIED,
    FORWARD,
    INPUT,
    LOGGED,
    LOGGED_DENIED,
    LOGGED_DROPPED,
    OUTPUT,
    REDIRECTED,
    TRANSLATED,
    USUAL,
    Line,
)
from firstboot.policy.rules import Policy
from firstboot.policy.standard import NEIGHBOURS

UFW = {4: "ufw", 6: "ufw6"}
"""What ufw's chains begin with."""

CLOSED = "appliance-closed"
"""The end of INPUT and FORWARD, after all that is ufw's."""

BURST = 10

_KNOWN = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
"""At the ends once more: ufw empties its chains one after the other, and the daemon may fill them all meanwhile."""


@dataclass(frozen=True)
class Table:
    """The chains of a table, and their lines."""

    name: str
    chains: tuple[str, ...]
    lines: tuple[Line, ...]


@lru_cache(maxsize=8)
def tables(policy: Policy, family: int) -> tuple[Table, ...]:
    """All that is to be loaded, of one family. Kept, as the same is asked for in nearly every pass."""
    return (_filter(policy, family), _nat(policy, family))


def _filter(policy: Policy, family: int) -> Table:
    ufw = UFW[family]
    names = {direction: f"{ufw}-before-{direction}" for direction in (INPUT, OUTPUT, FORWARD)}
    found = [*compiled.filter_lines(policy, family), *inbound.filter_lines(policy, family)]
    lines = [replace(line, chain=names.get(line.chain, line.chain)) for line in found]
    rest = (f"{ufw}-reject-{INPUT}", f"{ufw}-reject-{FORWARD}")
    lines += [*_endings(policy, rest), *_closed(family)]
    chains = (*names.values(), *rest, ALLOWED, LOGGED, DENIED, LOGGED_DENIED, LOGGED_DROPPED, CLOSED)
    return Table("filter", tuple(dict.fromkeys((*chains, *(line.chain for line in lines)))), tuple(lines))


def _endings(policy: Policy, rest: Sequence[str]) -> Iterator[Line]:
    """How packets are logged, allowed and denied; those that no rule decides about, in the chains `rest`.

    Each has a limit of its own: who knocks at every port hides nothing of what goes on elsewhere.
    """
    limit = f"-m limit --limit {policy.rate} --limit-burst {BURST} -j LOG --log-prefix"
    for chain in (ALLOWED, LOGGED):
        yield Line(chain, f'{limit} "[UFW ALLOW] "')
        yield Line(chain, "-j ACCEPT")
    for chain in rest:
        yield Line(chain, _KNOWN)
    for chain in (*rest, DENIED, LOGGED_DENIED):
        if chain == LOGGED_DENIED or policy.log is not Logged.NONE:
            yield Line(chain, f'{limit} "[UFW BLOCK] "')
        if policy.deny is Deny.REJECT:
            yield Line(chain, "-p tcp -j REJECT --reject-with tcp-reset")
            yield Line(chain, "-j REJECT")
        else:
            yield Line(chain, "-j DROP")
    yield Line(LOGGED_DROPPED, f'{limit} "[UFW BLOCK] "')
    yield Line(LOGGED_DROPPED, "-j DROP")


def _closed(family: int) -> Iterator[Line]:
    """What becomes of packets while ufw is off: its chains are empty then, and what is at their end accepts everything.

    While it is on, none comes here.
    """
    yield Line(CLOSED, "-i lo -j ACCEPT")
    yield Line(CLOSED, _KNOWN)
    if family == 6:
        yield from (Line(CLOSED, f"-p icmpv6 --icmpv6-type {kind} -j ACCEPT") for kind in NEIGHBOURS)
    yield Line(CLOSED, "-j DROP")


def _nat(policy: Policy, family: int) -> Table:
    redirecting = tuple(inbound.nat_lines(policy)) if family == 4 else ()
    lines = (*redirecting, *translation.nat_lines(policy, family))
    chains = (REDIRECTED, TRANSLATED, USUAL, *(line.chain for line in lines))
    return Table("nat", tuple(dict.fromkeys(chains)), lines)
