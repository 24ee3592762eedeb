"""What the daemon tells of the firewall: the policy in force with what it has counted, and what it would decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.errors import InputError, TemporaryError
from appliance.services import service
from firstboot.configuration import Configuration
from firstboot.counting import counts_of
from firstboot.host import Host
from firstboot.passes import Passes
from firstboot.policy.decision import Decision, Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.question import Question, packets
from firstboot.policy.rules import FAMILIES, Policy
from firstboot.policy.told import Row, rows
from firstboot.rulesets import others_in

_COUNTERS = ("packets", "bytes")


def explained(passes: Passes, host: Host) -> Mapping[str, Any]:
    """The effective policy, each rule with its line and its counters. To be called in the worker."""
    configuration = _in_force(passes)
    policy = policy_of(configuration.appliance, host.facts())
    counts = counts_of(host, policy)
    told = [row.as_json() for row in rows(policy, configuration.marks, counts)]
    return {
        "rules": told,
        "deny": policy.deny,
        "log": policy.log,
        "counted": sorted(counts),
        "others": list(_others(host)),
        "legacy": [f"IPv{family} {table}" for family in FAMILIES for table in host.legacy_tables(family)],
    }


def _others(host: Host) -> Iterator[str]:
    """Rules of other programs that packets meet as well, maybe before all these: they are left alone."""
    for family in FAMILIES:
        for chain, count in others_in(host.rules(family), family).items():
            yield f"IPv{family} {chain}: {count}"


def tested(source: str, destination: str, port: str, passes: Passes, host: Host) -> Mapping[str, Any]:
    """Which rule would decide about packets from there to there. Raises `InputError`. To be called in the worker."""
    configuration, facts = _in_force(passes), host.facts()
    policy = policy_of(configuration.appliance, facts)
    try:
        question = Question(source, destination, service(port))
    except ValueError as error:
        raise InputError(str(error), hint="tcp/443, udp/53, icmp, any") from None
    found = rows(policy, configuration.marks, {})
    answers = [_answer(packet, policy, found) for packet in packets(question, policy, facts)]
    return {"packets": answers}


def _answer(packet: Packet, policy: Policy, found: Sequence[Row]) -> Mapping[str, Any]:
    decision: Decision = decide(policy, packet)
    row = found[decision.number] if decision.number is not None else found[-1]
    passed_on = decision.passed_on
    return {
        "family": packet.family,
        "source": str(packet.source),
        "destination": str(packet.destination),
        "protocol": packet.protocol,
        "port": packet.port,
        "arriving": packet.arriving,
        "leaving": packet.leaving,
        "passed_on": f"{passed_on.destination} port {passed_on.port}" if passed_on is not None else "",
        "action": decision.action,
        "rule": {name: value for name, value in row.as_json().items() if name not in _COUNTERS},
    }


def _in_force(passes: Passes) -> Configuration:
    if passes.in_force is None:
        raise TemporaryError("the daemon is still starting", hint="try again in a few seconds")
    return passes.in_force
