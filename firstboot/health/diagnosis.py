"""What is wrong with the tunnel, in words that a person can act on: one diagnosis from all that was seen. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from firstboot.health.evidence import Evidence, Objection

PROTOCOL_UNREACHABLE, PORT_UNREACHABLE = 2, 3
"""Codes by which a server says that it has no such tunnel: that of RFC 792, and the one that Linux answers with."""
PROHIBITED = (9, 10, 13)
"""Codes of a router that may not pass something on (RFC 1812, 5.2.7.1)."""

RATE_LIMITED_FROM = 0.25
"""So large a share of the answers stays away where something limits them; less than that is the Internet's own."""

IPV6_MIN_MTU = 1280
"""What every link must carry (RFC 8200, 5)."""


class Fault(StrEnum):
    """What is wrong, in one word."""

    NOT_KNOWN = "not-known"
    HEALTHY = "healthy"
    RECOVERING = "recovering"
    NO_UPLINK = "no-uplink"
    SERVER_UNREACHABLE = "server-unreachable"
    SHARED_NAT = "carrier-grade-nat"
    PROTOCOL_41 = "protocol-41-blocked"
    STALE_ENDPOINT = "stale-endpoint"
    BEYOND = "dead-beyond"
    MTU = "mtu-black-hole"
    RATE_LIMITED = "rate-limited"


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, in a sentence, and what to look at.

    `broker_should_be_told`: the broker may have another address than our present one, so that telling it may help.
    `works`: the tunnel does all the same, so that nothing is waited for.
    """

    fault: Fault
    sentence: str
    hint: str = ""
    broker_should_be_told: bool = False
    works: bool = False

    @property
    def grounds(self) -> str:
        """What it is known from; "" where the sentence says that."""
        return _GROUNDS.get(self.fault, "")


_SILENCE = "the tunnel's server answers over IPv4, and nothing comes back through the tunnel"
_GROUNDS = {
    Fault.RECOVERING: "answers come back through the tunnel",
    Fault.SERVER_UNREACHABLE: "it was asked again and again, and nothing came back",
    Fault.SHARED_NAT: _SILENCE,
    Fault.PROTOCOL_41: _SILENCE,
    Fault.STALE_ENDPOINT: _SILENCE,
    Fault.BEYOND: "the tunnel's other end answers, and nobody beyond it",
    Fault.MTU: "small packets are answered through the tunnel, and large ones are not",
}

NOT_KNOWN = Diagnosis(
    Fault.NOT_KNOWN, "whether the tunnel carries is not known yet", "this takes a few seconds after a start"
)
HEALTHY = Diagnosis(Fault.HEALTHY, "the tunnel carries", works=True)


@dataclass(frozen=True)
class Health:
    """What is known of a tunnel: whether networks may be offered IPv6 through it, and what is wrong with it.

    `largest`: the largest packet, in bytes, that it carries, where larger ones vanish. `is_known`: it has been asked
    for so long that it is known not to carry where it does not.
    """

    carries: bool = False
    diagnosis: Diagnosis = NOT_KNOWN
    largest: int | None = None
    is_known: bool = False


def diagnosis(seen: Evidence) -> Diagnosis:
    """The one that explains most: what is nearer to the Pi is found first."""
    if seen.far_end or seen.beyond:
        return _of_a_live_one(seen)
    if seen.far_end is None and seen.beyond is None:
        return NOT_KNOWN
    return next(found for look in _SILENT if (found := look(seen)) is not None)


def _of_a_live_one(seen: Evidence) -> Diagnosis:
    """Something answers through the tunnel."""
    if seen.beyond is False:
        theirs = "the broker's side is at fault: its status page may say more, and another of its servers may be well"
        return Diagnosis(
            Fault.BEYOND,
            "the tunnel itself works, but nothing on the IPv6 Internet answers through it",
            "the provider's relay is at fault" if seen.is_providers else theirs,
        )
    if seen.largest is not None and seen.largest < seen.full:
        return _black_hole(seen.full, seen.largest, seen.section)
    if seen.recovering:
        return Diagnosis(
            Fault.RECOVERING,
            "the tunnel answers again; the network is offered IPv6 once it has done so for 30 s",
            "nothing is to be done",
        )
    if seen.lost >= RATE_LIMITED_FROM:
        return Diagnosis(
            Fault.RATE_LIMITED,
            f"{seen.lost:.0%} of the answers through the tunnel stay away, while the server answers over IPv4: "
            "something limits how much the tunnel may carry",
            "is much being transferred? The broker, the provider or the router may limit protocol 41",
            works=True,
        )
    return HEALTHY


def _black_hole(full: int, largest: int, section: str) -> Diagnosis:
    what = f"packets of more than {largest} bytes vanish in the tunnel, and nobody says so; it was set up for {full}"
    if largest < IPV6_MIN_MTU:
        return Diagnosis(
            Fault.MTU,
            what,
            f"IPv6 needs {IPV6_MIN_MTU}, so no network is offered it: something on the way passes only small packets",
        )
    return Diagnosis(
        Fault.MTU,
        f"{what}. It is used with {largest} now",
        f"set {section}.mtu to {largest}, so that this need not be found out again; "
        "behind PPPoE, set uplink.mtu to 1492",
        works=True,
    )


def _no_uplink(seen: Evidence) -> Diagnosis | None:
    if seen.address is not None and seen.has_route and seen.next_hop is not False:
        return None
    if seen.address is None:
        what, hint = "the uplink has no IPv4 address", "is the cable in, and does the router give out addresses?"
    elif not seen.has_route:
        what, hint = "there is no way to the tunnel's server", "does the router say that it is one (DHCP)?"
    else:
        what, hint = "the uplink's router does not answer", "is it on, and is the cable in?"
    return Diagnosis(Fault.NO_UPLINK, f"the tunnel has no uplink: {what}", hint)


def _no_tunnel(seen: Evidence) -> Diagnosis | None:
    if seen.has_tunnel:
        return None
    return Diagnosis(Fault.NOT_KNOWN, "there is no tunnel yet", "the part tunnel says what it waits for")


def _relay_silent(seen: Evidence) -> Diagnosis | None:
    """A provider's relay knows nothing of its customers, and need not answer echoes: no more can be told apart."""
    if not seen.is_providers:
        return None
    return Diagnosis(
        Fault.SERVER_UNREACHABLE,
        f"nothing answers through the provider's 6rd relay, {seen.server_address}",
        "does the provider still have 6rd? Does a router in between stop protocol 41, or translate addresses?",
    )


def _server_unreachable(seen: Evidence) -> Diagnosis | None:
    if seen.server:
        return None
    return Diagnosis(
        Fault.SERVER_UNREACHABLE,
        "the uplink works, but the tunnel's server does not answer over IPv4",
        "does the Internet work from other machines? "
        f"Then the server is down, or {seen.section}.server is not its address",
    )


def _shared_nat(seen: Evidence) -> Diagnosis | None:
    if not seen.is_behind_shared_nat:
        return None
    if seen.has_shared_address:
        return Diagnosis(
            Fault.SHARED_NAT,
            "the provider uses carrier-grade NAT (addresses in 100.64.0.0/10): a 6in4 tunnel cannot work behind it",
            "ask the provider for a public IPv4 address; many give one on request",
        )
    return Diagnosis(
        Fault.SHARED_NAT,
        f"the provider seems to use carrier-grade NAT, as {seen.shared_hop} is on the way (100.64.0.0/10): a 6in4 "
        "tunnel cannot work behind it",
        "has your router a public IPv4 address? Its own page says so. If not, ask the provider for one; many give one "
        "on request",
        broker_should_be_told=True,
    )


def _refused_by_the_server(seen: Evidence) -> Diagnosis | None:
    codes = {each.code for each in seen.objections if each.sender == seen.server_address}
    return _stale(seen) if codes & {PROTOCOL_UNREACHABLE, PORT_UNREACHABLE} else None


def _refused_on_the_way(seen: Evidence) -> Diagnosis | None:
    objecting = sorted(each.sender for each in seen.objections if _is_refusal(each, seen))
    if objecting:
        return _blocked(f"{objecting[0]} refuses protocol 41, which the tunnel is made of")
    # Whoever would pass the tunnel's packets on would say where they end, as it does of echoes.
    echo, protocol41 = max(seen.trace.echo, default=0), max(seen.trace.protocol41, default=0)
    if protocol41 < echo:
        last = seen.trace.protocol41.get(protocol41)
        sentence = f"protocol 41, which the tunnel is made of, gets no further than {last or 'this Pi'}"
        # Not every NAT leads such a message back to who sent protocol 41, as it does of echoes.
        return _blocked(sentence, broker_should_be_told=seen.is_behind_nat)
    return None


def _is_refusal(objection: Objection, seen: Evidence) -> bool:
    return objection.sender != seen.server_address and objection.code in (PROTOCOL_UNREACHABLE, *PROHIBITED)


def _lost_at_the_server(seen: Evidence) -> Diagnosis | None:
    """Where protocol 41 gets past the router next to us as far as anything does, or where our address is another."""
    passes = len(seen.trace.protocol41) > 1 and max(seen.trace.protocol41) >= max(seen.trace.echo, default=0)
    changed = not seen.is_behind_nat and seen.carried_from not in (None, seen.address)
    return _stale(seen) if passes or changed else None


def _in_doubt(seen: Evidence) -> Diagnosis:
    """Where nobody on the way tells more, behind a router whose own address may be another by now."""
    return _blocked(
        "the tunnel's server answers over IPv4, but not through the tunnel: protocol 41 is blocked or not forwarded",
        broker_should_be_told=True,
    )


def _blocked(sentence: str, *, broker_should_be_told: bool = False) -> Diagnosis:
    return Diagnosis(
        Fault.PROTOCOL_41,
        sentence,
        "does the router pass protocol 41 to this Pi (not TCP, not UDP), or have a setting for 6in4? And does the "
        "broker have your present public IPv4 address?",
        broker_should_be_told=broker_should_be_told,
    )


def _stale(seen: Evidence) -> Diagnosis:
    ours = "the router's public IPv4 address" if seen.is_behind_nat else str(seen.address)
    return Diagnosis(
        Fault.STALE_ENDPOINT,
        "the tunnel's packets get to the server, but it does not answer them: the broker has another address for this "
        "tunnel, or has deleted it",
        f'on the broker\'s page, set "Client IPv4 Address" to {ours}, and see that the tunnel is still there',
        broker_should_be_told=True,
    )


_SILENT: tuple[Callable[[Evidence], Diagnosis | None], ...] = (
    _no_uplink,
    _no_tunnel,
    _relay_silent,
    _server_unreachable,
    _shared_nat,
    _refused_by_the_server,
    _refused_on_the_way,
    _lost_at_the_server,
    _in_doubt,
)
"""What may be wrong where nothing answers through the tunnel, the nearest first."""
