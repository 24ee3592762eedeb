"""What the broker says that the tunnel is, where the file leaves that to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from appliance.completion import asks_broker, completion_of
from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import TUNNEL_PATHS, Appliance, Broker
from firstboot.actions import Action, AskBroker, TakeOver
from firstboot.broker.description import KnownDescription
from firstboot.broker.wording import trouble
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.topology import address_on_the_line, uplink_of

NOT_YET = "the broker has not yet said what the tunnel is"


@dataclass(frozen=True)
class Described:
    """A tunnel as the broker describes it.

    `known`: it is, so that there can be one; `compared`: it was asked within a day, or as soon as it may be (None: it
    cannot be now); `taken_over`: what it said last is what is used. `local`: our own address; `appliance`: the one that
    it has to go with; `rank`: the tunnel's.
    """

    account: Broker = field(repr=False)
    known: bool = True
    compared: bool | None = True
    taken_over: bool = True
    local: IPv4Address | None = field(default=None, compare=False, repr=False)
    appliance: Appliance | None = field(default=None, compare=False, repr=False)
    description: KnownDescription | None = field(default=None, compare=False, repr=False)
    rank: int = field(default=0, compare=False, repr=False)

    @property
    def key(self) -> str:
        """The tunnel's number."""
        return f"tunnel {self.account.tunnel} as the broker describes it"


class TunnelInformation(Kind[Described]):
    """What is left out in the section tunnel. Until it is known there is no tunnel, and the LAN has its IPv4 alone.

    One that is known goes on when the broker cannot be asked. Whoever comes with its answer wakes the daemon.
    """

    name = "tunnel-information"
    title = "what the broker says of the tunnel"
    setting = "tunnel.broker"
    wakes_when_right = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Described]:
        """It is known, and compared once a day."""
        accounts = [
            (rank, tunnel.broker)
            for rank, tunnel in enumerate(appliance.tunnels)
            if tunnel.broker is not None and asks_broker(tunnel)
        ]
        local = _way_to_the_broker(appliance, facts) if accounts else None
        compared = True if local is not None else None
        return tuple(
            Described(broker, compared=compared, local=local, appliance=appliance, rank=rank)
            for rank, broker in accounts
        )

    def observe(self, machine: Machine, wanted: Sequence[Described]) -> Sequence[Described]:
        """What is known of it, which the broker has said some time."""
        return [_observed(machine, want) for want in wanted]

    def actions(self, change: Change[Described]) -> Sequence[Action]:
        """Use what the broker said last, if that goes with the file; and ask it, once that may be done."""
        want, have = change.want, change.have
        if want is None or have is None or have.description is None or want.appliance is None:
            return []
        heard, found = have.description.heard_of(want.account), []
        if heard is not None and not have.taken_over and not completion_of(want.appliance, want.rank, heard).wrong:
            found.append(TakeOver(heard, have.description.memory.said, want.rank))
        if want.local is None or not have.description.may_be_asked(want.account, want.local):
            return found
        return [*found, AskBroker(want.account, want.local, want.rank)]

    def explain(self, change: Change[Described]) -> ApplianceError | None:
        """What of it does not go with the file, what the broker said instead, or what is waited for."""
        want, have = change.want, change.have
        if want is None or have is None or have.description is None or want.appliance is None:
            return None
        heard = have.description.heard_of(want.account)
        for finding in completion_of(want.appliance, want.rank, heard).wrong:
            message = f"as the broker has the tunnel, {finding.message}"
            return PermanentError(message, hint=finding.allowed, setting=finding.path)
        return trouble(want.account, have.description.memory, TUNNEL_PATHS[want.rank]) or _patience(
            want, have.description
        )


def _way_to_the_broker(appliance: Appliance, facts: Facts) -> IPv4Address | None:
    """Our own address from which it can be asked; None while the uplink leads nowhere."""
    uplink = uplink_of(appliance)
    return address_on_the_line(uplink, facts) if facts.default_routes_on(uplink.interface, 4) else None


def _observed(machine: Machine, want: Described) -> Described:
    description = machine.description(want.rank)
    memory, heard = description.memory, description.heard_of(want.account)
    may_be_asked = want.local is not None and description.may_be_asked(want.account, want.local)
    return Described(
        want.account,
        known=want.appliance is not None and want.appliance.tunnels[want.rank].known is not None,
        compared=not may_be_asked and not memory.is_final(want.account),
        taken_over=heard is None or heard == memory.said,
        description=description,
    )


def _patience(want: Described, description: KnownDescription) -> ApplianceError:
    if description.heard_of(want.account) is not None:
        return TemporaryError("the broker has just said what the tunnel is")
    if want.local is None:
        return TemporaryError(NOT_YET, hint="it is asked once the uplink leads somewhere, see the part uplink")
    if description.under_way:
        return TemporaryError(f"{NOT_YET}: it is being asked")
    return TemporaryError(f"{NOT_YET}: it is asked soon, as more than once a minute would be too often for it")
