"""From what was seen to what is wrong: named cases."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from firstboot.health.diagnosis import HEALTHY, IPV6_MIN_MTU, NOT_KNOWN, Fault, diagnosis
from firstboot.health.evidence import Evidence, Objection, Trace

PRIVATE, PUBLIC, FORMER = IPv4Address("192.168.1.252"), IPv4Address("81.2.69.142"), IPv4Address("81.2.69.150")
ROUTER, PROVIDER, SHARED = IPv4Address("192.168.1.254"), IPv4Address("81.2.69.1"), IPv4Address("100.64.3.1")
SERVER = IPv4Address("216.66.84.46")

WELL = Evidence(address=PRIVATE, has_route=True, server_address=SERVER, far_end=True, beyond=True, full=1480)
SILENT = replace(WELL, far_end=False, beyond=False, server=True, next_hop=None)
AT_FIRST_ROUTER = {1: ROUTER}
FAR = {1: ROUTER, 2: PROVIDER, 4: IPv4Address("81.2.60.1")}

CASES = {
    "nothing asked yet": (Evidence(), Fault.NOT_KNOWN),
    "all is well": (WELL, Fault.HEALTHY),
    "a far end that answers no echoes": (replace(WELL, far_end=False), Fault.HEALTHY),
    "full packets get through": (replace(WELL, largest=1480), Fault.HEALTHY),
    "now and then an answer is lost": (replace(WELL, lost=0.2), Fault.HEALTHY),
    "back for a moment": (replace(WELL, recovering=True), Fault.RECOVERING),
    "no lease": (replace(SILENT, address=None, server=None), Fault.NO_UPLINK),
    "no default route": (replace(SILENT, has_route=False, server=False), Fault.NO_UPLINK),
    "the router is off": (replace(SILENT, server=False, next_hop=False), Fault.NO_UPLINK),
    "no interface for it": (replace(SILENT, has_tunnel=False), Fault.NOT_KNOWN),
    "the server is gone": (replace(SILENT, server=False, next_hop=True), Fault.SERVER_UNREACHABLE),
    "the server is gone, on a line without a router": (replace(SILENT, server=False), Fault.SERVER_UNREACHABLE),
    "our address is a shared one": (replace(SILENT, address=SHARED), Fault.SHARED_NAT),
    "the router's is": (replace(SILENT, trace=Trace({1: ROUTER, 2: SHARED}, {1: ROUTER})), Fault.SHARED_NAT),
    "a provider's own routers have shared ones, and we a public one": (
        replace(SILENT, address=PUBLIC, trace=Trace({1: SHARED, 2: PROVIDER}, {1: SHARED, 2: PROVIDER})),
        Fault.STALE_ENDPOINT,
    ),
    "a shared address, and the tunnel works": (replace(WELL, address=SHARED), Fault.HEALTHY),
    "the router refuses protocol 41": (
        replace(SILENT, objections=frozenset({Objection(ROUTER, 2)})),
        Fault.PROTOCOL_41,
    ),
    "the provider prohibits it": (replace(SILENT, objections=frozenset({Objection(PROVIDER, 13)})), Fault.PROTOCOL_41),
    "it ends at the router": (replace(SILENT, trace=Trace(FAR, AT_FIRST_ROUTER)), Fault.PROTOCOL_41),
    "it ends at the provider's": (
        replace(SILENT, address=PUBLIC, trace=Trace({1: PROVIDER, 2: FORMER}, {1: PROVIDER})),
        Fault.PROTOCOL_41,
    ),
    "it ends before the router": (replace(SILENT, trace=Trace(AT_FIRST_ROUTER, {})), Fault.PROTOCOL_41),
    "a provider's relay, from a shared address": (replace(WELL, address=SHARED, is_providers=True), Fault.HEALTHY),
    "it is silent, whatever is on the way": (
        replace(SILENT, address=SHARED, is_providers=True, trace=Trace(FAR, AT_FIRST_ROUTER)),
        Fault.SERVER_UNREACHABLE,
    ),
    "it is silent, as the router is off": (
        replace(SILENT, server=False, next_hop=False, is_providers=True),
        Fault.NO_UPLINK,
    ),
    "nobody on the way tells anything": (SILENT, Fault.PROTOCOL_41),
    "only the router next to us does": (
        replace(SILENT, trace=Trace(AT_FIRST_ROUTER, AT_FIRST_ROUTER)),
        Fault.PROTOCOL_41,
    ),
    "a host that is unreachable for a moment": (
        replace(SILENT, objections=frozenset({Objection(PROVIDER, 1)})),
        Fault.PROTOCOL_41,
    ),
    "the server knows no such tunnel": (
        replace(SILENT, objections=frozenset({Objection(SERVER, 2)})),
        Fault.STALE_ENDPOINT,
    ),
    "Linux as the server knows none": (
        replace(SILENT, objections=frozenset({Objection(SERVER, 3)})),
        Fault.STALE_ENDPOINT,
    ),
    "it gets as far as anything": (replace(SILENT, trace=Trace(FAR, FAR)), Fault.STALE_ENDPOINT),
    "it gets farther": (replace(SILENT, trace=Trace({1: ROUTER, 2: PROVIDER}, FAR)), Fault.STALE_ENDPOINT),
    "another public address than before": (
        replace(SILENT, address=PUBLIC, carried_from=FORMER),
        Fault.STALE_ENDPOINT,
    ),
    "the same public address": (replace(SILENT, address=PUBLIC, carried_from=PUBLIC), Fault.PROTOCOL_41),
    "another private address than before": (replace(SILENT, carried_from=IPv4Address("10.0.0.9")), Fault.PROTOCOL_41),
    "full packets vanish": (replace(WELL, largest=1400), Fault.MTU),
    "so do all that IPv6 needs": (replace(WELL, largest=1200), Fault.MTU),
    "dead beyond": (replace(WELL, beyond=False), Fault.BEYOND),
    "dead beyond, before anybody was heard there": (replace(WELL, beyond=None), Fault.HEALTHY),
    "a quarter is lost": (replace(WELL, lost=0.25), Fault.RATE_LIMITED),
    "much is lost, and full packets vanish": (replace(WELL, lost=0.5, largest=1400), Fault.MTU),
}


@pytest.mark.parametrize("name", CASES)
def test_diagnosis(name: str) -> None:
    seen, fault = CASES[name]
    assert diagnosis(seen).fault is fault


def test_every_fault_has_a_case() -> None:
    assert {fault for _, fault in CASES.values()} == set(Fault)


@pytest.mark.parametrize("name", CASES)
def test_whoever_may_act_is_told_how(name: str) -> None:
    found = diagnosis(CASES[name][0])
    assert found.sentence
    assert bool(found.hint) is (found != HEALTHY)


@pytest.mark.parametrize(
    ("name", "told"),
    {
        "all is well": False,
        "the server knows no such tunnel": True,
        "it gets as far as anything": True,
        "nobody on the way tells anything": True,
        "it ends at the router": True,
        "it ends at the provider's": False,
        "the router refuses protocol 41": False,
        "the server is gone": False,
        "our address is a shared one": False,
        "the router's is": True,
        "dead beyond": False,
    }.items(),
)
def test_the_broker_is_told_where_that_may_help(name: str, told: bool) -> None:
    assert diagnosis(CASES[name][0]).broker_should_be_told is told


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_waited_for_where_the_tunnel_works(name: str) -> None:
    seen = CASES[name][0]
    found = diagnosis(seen)
    is_small = seen.largest is not None and seen.largest < IPV6_MIN_MTU
    assert found.works is (found.fault in (Fault.HEALTHY, Fault.MTU, Fault.RATE_LIMITED) and not is_small)


def test_what_is_said() -> None:
    assert "1400 bytes" in diagnosis(replace(WELL, largest=1400)).sentence
    assert "tunnel.mtu to 1400" in diagnosis(replace(WELL, largest=1400)).hint
    assert "1280" in diagnosis(replace(WELL, largest=1200)).hint
    assert str(ROUTER) in diagnosis(replace(SILENT, trace=Trace(FAR, AT_FIRST_ROUTER))).sentence
    assert str(SHARED) in diagnosis(CASES["the router's is"][0]).sentence
    assert "this Pi" in diagnosis(replace(SILENT, trace=Trace(AT_FIRST_ROUTER, {}))).sentence
    assert str(PUBLIC) in diagnosis(replace(SILENT, address=PUBLIC, carried_from=FORMER)).hint
    assert "router's public" in diagnosis(replace(SILENT, trace=Trace(FAR, FAR))).hint
    assert "33%" in diagnosis(replace(WELL, lost=1 / 3)).sentence
    assert diagnosis(Evidence()) == NOT_KNOWN
