"""What the tunnel broker has for our end of the tunnel: our public IPv4 address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import TUNNEL_PATHS, Appliance, Broker
from appliance.tunnel_checks import is_public
from firstboot.actions import Action, NoteInterruption, TellBroker
from firstboot.broker.memory import KnownRecord
from firstboot.broker.wording import WORTH_TELLING_S, length, trouble
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import address_on_the_line, uplink_of


@dataclass(frozen=True)
class Entry:
    """The broker's entry for a tunnel.

    `told_by`: our own address when the broker took `address`, which behind NAT is another one. `suspected`: it seems to
    be wrong. `interrupted`: the uplink was away since; None where that does not matter. `rank`: the tunnel's.
    """

    account: Broker = field(repr=False)
    told_by: IPv4Address | None = None
    address: IPv4Address | None = None
    suspected: bool | None = False
    interrupted: bool | None = False
    known: KnownRecord | None = field(default=None, compare=False, repr=False)
    rank: int = field(default=0, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The tunnel's number."""
        return f"tunnel {self.account.tunnel} at the broker"

    def __str__(self) -> str:
        if self.told_by is None:
            return "told again once the uplink leads somewhere" if self.known is None else "not known what it has"
        if self.address is None:
            return f"told from {self.told_by}; what it sees is the router's address"
        has = f"it has {self.address}" + (f", told from {self.told_by}" if self.address != self.told_by else "")
        return (
            f"{has}{', which seems wrong' * bool(self.suspected)}{', and the uplink was away' * bool(self.interrupted)}"
        )


class BrokerRecord(Kind[Entry]):
    """The broker's record. Whoever comes with its answer, or with the end of a cool-down, wakes the daemon."""

    name = "broker"
    title = "the address that the broker has"
    setting = "tunnel.broker"
    wakes_when_right = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Entry]:
        """It has the uplink's address. Behind NAT nobody here knows which one that is, but when it may be another."""
        accounts = [(rank, tunnel.broker) for rank, tunnel in enumerate(appliance.tunnels) if tunnel.broker is not None]
        if not accounts:
            return ()
        uplink = uplink_of(appliance)
        local = address_on_the_line(uplink, facts)
        if local is not None and not facts.default_routes_on(uplink.interface, 4):
            raise TemporaryError(f"{uplink.interface} has no default route yet", hint="is there a router (DHCP)?")
        return tuple(_wanted(broker, local, rank) for rank, broker in accounts)

    def observe(self, machine: Machine, wanted: Sequence[Entry]) -> Sequence[Entry]:
        """What it has, as far as is known: it cannot be asked without being told."""
        return [_observed(machine, want) for want in wanted]

    def actions(self, change: Change[Entry]) -> Sequence[Action]:
        """Tell it, once it may be told."""
        want, have = change.want, change.have
        if want is None or have is None or have.known is None:
            return []
        if want.told_by is None:
            return [NoteInterruption(want.rank)] if want.interrupted and have.told_by is not None else []
        if not _is_to_be_told(want, have) or not have.known.may_be_told(want.account, want.told_by):
            return []
        return [TellBroker(want.account, want.told_by, want.rank)]

    def explain(self, change: Change[Entry]) -> ApplianceError | None:
        """What the broker said, or what is waited for."""
        want, have = change.want, change.have
        if want is None or have is None or have.known is None:
            return None
        if want.told_by is None:
            return TemporaryError("the broker is told once the uplink leads somewhere", hint="see the part uplink")
        if not _is_to_be_told(want, have):
            return TemporaryError(
                f"the broker has {have.address} for this tunnel, and not {want.address}",
                hint="it is that of something between this Pi and the Internet: is uplink.address right?",
            )
        return trouble(want.account, have.known.memory, TUNNEL_PATHS[want.rank]) or _patience(want.told_by, have)


def _wanted(broker: Broker, local: IPv4Address | None, rank: int) -> Entry:
    """The entry, for our own address; None: the uplink is away."""
    if local is None:
        return Entry(broker, suspected=None, interrupted=True, rank=rank)
    if is_public(local):
        return Entry(broker, local, local, interrupted=None, rank=rank)
    return Entry(broker, local, rank=rank)


def _observed(machine: Machine, want: Entry) -> Entry:
    known = machine.broker(want.rank)
    memory = known.memory
    if memory.tunnel != want.account.tunnel:
        return Entry(want.account, known=known)
    suspected = memory.is_suspected or _seems_stale(machine, want, known)
    return Entry(want.account, memory.told_by, memory.address, suspected, memory.is_interrupted, known)


def _seems_stale(machine: Machine, want: Entry, known: KnownRecord) -> bool:
    """Whether the tunnel is silent though nothing else is known to be wrong: the router may have another address.

    It is only of weight where the broker may be told, or has not taken our address yet.
    """
    if want.told_by is None or want.told_by != known.memory.told_by:
        return False
    counts = known.may_be_told(want.account, want.told_by) or not known.is_taken
    return counts and machine.facts().health_of(want.rank).diagnosis.broker_should_be_told


def _is_to_be_told(want: Entry, have: Entry) -> bool:
    is_interrupted = want.interrupted is False and have.interrupted is True
    return want.told_by != have.told_by or have.suspected is True or is_interrupted


def _ours(local: IPv4Address) -> str:
    """What the broker takes for our address where it is told from this one."""
    return str(local) if is_public(local) else f"the router's address (from {local})"


def _patience(local: IPv4Address, have: Entry) -> ApplianceError:
    if have.known is not None and have.known.under_way:
        return TemporaryError(f"the broker is being told of {_ours(local)}")
    wait_s = have.known.memory.doubt_wait_s if have.known is not None and have.told_by == local else 0.0
    if wait_s >= WORTH_TELLING_S:
        return TemporaryError(
            f"the broker had {have.address} each time that it was told without need; it is told again {length(wait_s)} "
            "after the last time",
            hint="if your public address is another by now: `sudo appliance apply` tells it within a minute",
        )
    return TemporaryError(
        f"the broker is told of {_ours(local)} soon: more than once a minute would be too often for it"
    )
