"""What is told to a person who has nothing but the card, and to programs."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from pathlib import Path

import pytest

from appliance.errors import Mark, Problem
from appliance.model import Appliance, Profile
from appliance.parse import load
from firstboot.facts import Address, Facts, Link, Route
from firstboot.health.diagnosis import HEALTHY, NOT_KNOWN, Diagnosis, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.picture import drawn
from firstboot.reconcile import Outcome, State
from firstboot.sharing import Mode, Offered
from firstboot.status import Overall, Sign, Source, Status, to_json
from firstboot.status_text import to_local_text, to_login_message, to_part_list, to_text

EXAMPLE = Path(__file__).parent.parent / "appliance" / "examples" / "gateway.yaml"
FACTS = Facts(
    addresses=(
        Address("lo", IPv4Interface("127.0.0.1/8")),
        Address("he-ipv6", IPv6Interface("2001:db8:123c:abd::2/64")),
        Address("eth0", IPv4Interface("192.168.1.252/24")),
        Address("eth0", IPv6Interface("2001:db8:123d:abc::1/64")),
    )
)
WAITING = Outcome("tunnel", State.WAITING, error="eth0 has no IPv4 address yet", hint="is the cable in?")
PROBLEM = Problem(Mark("appliance.yaml", 16, 11), "`1.2.3.400` is not an IPv4 address", "for example 192.168.1.254")


def status(*outcomes: Outcome, problems: tuple[Problem, ...] = (), trouble: str = "") -> Status:
    source = Source.LAST_GOOD if problems else Source.FILE
    return Status(load(EXAMPLE).appliance, source, outcomes, FACTS, problems, (), trouble)


def test_a_working_gateway_says_so_first_and_then_its_addresses() -> None:
    text = to_text(status(Outcome("tunnel", State.OK), Outcome("routes", State.OK)))
    assert text.splitlines() == [
        "ipv6gw (gateway)",
        "UP: everything is as appliance.yaml wants it.",
        "",
        "All 2 parts: ok",
        "",
        "Configuration in force: appliance.yaml",
        "",
        "Addresses:",
        "  eth0: 192.168.1.252/24, 2001:db8:123d:abc::1/64",
        "  he-ipv6: 2001:db8:123c:abd::2/64",
    ]


def test_the_joined_network_is_named() -> None:
    joined = replace(status(Outcome("wifi", State.OK)), wifi="Home")
    assert to_text(joined).splitlines()[-2:] == ["  he-ipv6: 2001:db8:123c:abd::2/64", "Wi-Fi: Home"]
    assert json.loads(to_json(joined, began_s=0))["wifi"] == "Home"


def test_each_network_on_the_cable_has_a_line() -> None:
    cable = (
        Offered("usb0", Mode.ROUTE, (4, 6)),
        Offered("usb1", Mode.ROUTE, (4,)),
        Offered("usb2", Mode.ROUTE),
        Offered("usb3", Mode.LOCAL),
        Offered("br-usb", Mode.HOST),
    )
    told = replace(status(Outcome("wifi", State.OK)), cable=cable)
    assert to_text(told).splitlines()[-5:] == [
        "Cable usb0: route, the laptop is offered a way out for IPv4 and IPv6",
        "Cable usb1: route, the laptop is offered a way out for IPv4",
        "Cable usb2: route, the laptop is offered no way out",
        "Cable usb3: local, the laptop reaches the Pi alone",
        "Cable br-usb: host, the laptop is the Pi's way out",
    ]
    first = {"interface": "usb0", "mode": "route", "families": [4, 6]}
    assert json.loads(to_json(told, began_s=0))["cable"][0] == first


@pytest.mark.parametrize(("carries", "offered"), [(True, "IPv6"), (False, "no IPv6, as the tunnel does not carry")])
def test_what_the_lan_is_offered_is_told(gateway: Appliance, carries: bool, offered: str) -> None:
    facts = Facts(links={"eth0": Link("eth0")}, healths=(Health(carries=carries),))
    told = replace(status(Outcome("reach", State.OK)), appliance=gateway, facts=facts)
    assert f"LAN eth0: the network is offered {offered}" in to_text(told).splitlines()
    assert "LAN" not in to_text(replace(told, facts=Facts())), "nobody has looked"


LARGEST = diagnosis(Evidence(far_end=True, beyond=True, full=1480, largest=1380))
DEAD = diagnosis(Evidence(far_end=True, beyond=False))


@pytest.mark.parametrize(("found", "is_told"), [(LARGEST, True), (HEALTHY, False), (DEAD, False)])
def test_what_is_to_be_said_of_a_tunnel_that_works(gateway: Appliance, found: Diagnosis, is_told: bool) -> None:
    """Of one that does not work the part `reach` tells."""
    told = replace(status(Outcome("reach", State.OK)), appliance=gateway, facts=Facts(healths=(Health(True, found),)))
    lines = to_text(told).splitlines()
    assert (f"Tunnel: {found.sentence}" in lines) is is_told
    assert (f"  hint: {found.hint}" in lines) is is_told
    assert json.loads(to_json(told, began_s=0))["tunnel"]["fault"] == found.fault


def test_each_line_ends_as_notepad_wants_it() -> None:
    text = to_text(status(WAITING))
    assert text.count("\n") == text.count("\r\n") == len(text.splitlines())


def test_a_mistake_is_told_with_its_line_and_hint() -> None:
    lines = to_text(status(Outcome("tunnel", State.OK), problems=(PROBLEM,))).splitlines()
    assert lines[1:3] == [
        "CHECK appliance.yaml: it has mistakes and is not used. In force is the last good configuration.",
        "UP: everything is as the last good configuration wants it.",
    ]
    assert "Configuration in force: last good configuration" in lines
    assert lines[3:7] == [
        "",
        "ERROR line 16, column 11: `1.2.3.400` is not an IPv4 address",
        "  hint: for example 192.168.1.254",
        "All 1 parts: ok",
    ]


OTHERS = (Outcome("links", State.OK), Outcome("routes", State.BLOCKED, error="needs tunnel"), Outcome("a", State.OK))


def test_what_is_waited_for_is_told_first_with_its_hint() -> None:
    lines = to_text(status(WAITING, *OTHERS)).splitlines()
    assert lines[1:7] == [
        "NOT UP YET: eth0 has no IPv4 address yet",
        "",
        "WAITING tunnel: eth0 has no IPv4 address yet",
        "  hint: is the cable in?",
        "Waiting for that: routes",
        "2 other parts: ok",
    ]
    assert "1 other part: ok" in to_text(status(WAITING, OTHERS[0])).splitlines()


def test_all_parts_are_listed_where_that_is_asked_for() -> None:
    told = to_part_list(status(WAITING, *OTHERS)).splitlines()
    assert told == ["All parts:", "  tunnel: waiting", "  links: ok", "  routes: blocked", "  a: ok"]


BLOCKED_41 = diagnosis(
    Evidence(
        address=IPv4Address("192.168.1.252"), has_route=True, has_tunnel=True, far_end=False, beyond=False, server=True
    )
)
REACH = Outcome("reach", State.WAITING, error=BLOCKED_41.sentence, hint=BLOCKED_41.hint)


def on_a_wire(*outcomes: Outcome, health: Diagnosis = HEALTHY) -> Status:
    """Of a gateway whose router is there."""
    route = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("192.168.1.254"), 100)
    links = {"eth0": Link("eth0", up=True, carrier=True)}
    facts = replace(FACTS, links=links, routes=(route,), healths=(Health(health.works, health),))
    return replace(status(*outcomes), facts=facts)


def test_what_is_broken_is_called_so_and_named() -> None:
    """What is waited for there does not come up: it is what `-X-` stands at."""
    told = on_a_wire(REACH, *OTHERS, health=BLOCKED_41)
    lines = to_text(told).splitlines()
    assert (told.sign, told.overall) == (Sign.BROKEN, Overall.WAITING)
    assert lines[1] == f"BROKEN: {BLOCKED_41.sentence}"
    assert "-X-" in lines[3]
    assert lines[6:8] == [f"BROKEN reach: {BLOCKED_41.sentence}", f"  hint: {BLOCKED_41.hint}"]


def test_what_is_beside_a_way_that_works_does_not_come_up_either() -> None:
    names = Outcome("names", State.WAITING, error="another machine is called so")
    assert to_text(on_a_wire(names)).splitlines()[1] == "UP, BUT: another machine is called so"
    unknown = on_a_wire(names, health=NOT_KNOWN)
    assert to_text(unknown).splitlines()[1] == "NOT UP YET: another machine is called so"


@pytest.mark.parametrize(
    ("told", "sign"),
    [
        (status(Outcome("a", State.OK)), Sign.GOOD),
        (status(WAITING), Sign.WAITING),
        (status(WAITING, Outcome("b", State.FAILED, error="it fails")), Sign.BROKEN),
        (replace(status(Outcome("a", State.OK)), failure="the disk is full"), Sign.BROKEN),
        (status(), Sign.GOOD),
    ],
)
def test_the_sign_is_the_worst_of_all(told: Status, sign: Sign) -> None:
    assert told.sign is sign


def test_an_outcome_names_the_line_that_wants_it() -> None:
    parsed = load(EXAMPLE)
    outcome = replace(WAITING, setting="tunnel.mtu")  # not in the file: its section is
    told = Status(parsed.appliance, Source.FILE, (outcome,), FACTS, marks=parsed.marks)
    line = next(at for at, text in enumerate(EXAMPLE.read_text().splitlines(), 1) if text.startswith("tunnel:"))
    assert f"WAITING tunnel: eth0 has no IPv4 address yet (appliance.yaml line {line})" in to_text(told).splitlines()


def test_a_machine_that_appliance_yaml_does_not_name_has_a_name_of_its_own() -> None:
    told = Status(Appliance(profile=Profile.CUSTOM), Source.FILE, (), FACTS, own_name="web1")
    assert to_text(told).splitlines()[0] == "web1 (custom)"
    assert json.loads(to_json(told, began_s=0))["hostname"] == "web1"


def test_the_worst_decides() -> None:
    ok, failed = Outcome("a", State.OK), Outcome("b", State.FAILED, error="broken")
    assert status(ok).overall is Overall.READY
    assert status(ok, WAITING).overall is Overall.WAITING
    assert status(ok, WAITING, failed).overall is Overall.FAILED
    assert status(failed, problems=(PROBLEM,)).overall is Overall.CONFIG_ERROR
    assert status(ok, trouble="there is no appliance.yaml on the card").overall is Overall.CONFIG_ERROR


def test_programs_get_the_same_as_json() -> None:
    told = json.loads(to_json(status(WAITING, problems=(PROBLEM,)), began_s=12.5))
    assert (told["state"], told["hostname"], told["profile"]) == ("config-error", "ipv6gw", "gateway")
    assert told["problems"][0]["line"] == 16
    assert told["kinds"][0]["error"] == "eth0 has no IPv4 address yet"
    assert told["interfaces"]["eth0"] == ["192.168.1.252/24", "2001:db8:123d:abc::1/64"]


def test_who_is_logged_in_is_told_what_was_repaired() -> None:
    """The card is not: it would be written each time."""
    repair = "2026-01-01 00:00:00 firewall: shut the firewall for IPv4, repaired: the policy of INPUT was ACCEPT"
    found = replace(status(Outcome("firewall", State.OK)), repairs=(repair,))
    assert to_local_text(found).splitlines()[-2:] == ["Repaired lately (UTC):", f"  {repair}"]
    assert "repaired" not in to_text(found)
    assert json.loads(to_json(found, began_s=0))["repairs"] == [repair]


LOOKED = replace(FACTS, links={"eth0": Link("eth0", up=True, carrier=True)})


def test_the_way_to_the_internet_is_drawn_below_the_headline() -> None:
    told = replace(status(WAITING), facts=LOOKED)
    lines = to_text(told).splitlines()
    assert lines[2:6] == ["", *(f"  {line}" for line in drawn(told.way)), ""]
    assert json.loads(to_json(told, began_s=0))["way"][0] == {"name": "LAN", "detail": "eth0", "hop": None}


def test_whoever_logs_in_is_told_the_state_in_five_lines() -> None:
    other = Outcome("routes", State.BLOCKED, error="waits for tunnel")
    told = to_login_message(replace(status(WAITING, other), facts=LOOKED)).splitlines()
    assert len(told) == 5
    assert told[0] == "ipv6gw (gateway): NOT UP YET: eth0 has no IPv4 address yet"
    assert told[3] == "  hint: is the cable in?"
    assert told[4].startswith("More: appliance status")
    well = to_login_message(replace(status(Outcome("tunnel", State.OK)), facts=LOOKED)).splitlines()
    assert len(well) == 4
    more = to_login_message(status(WAITING, Outcome("b", State.FAILED, error="it fails")))
    assert more.startswith("ipv6gw (gateway): BROKEN: eth0 has no IPv4 address yet (1 more)\n")


def test_whoever_logs_in_is_told_of_a_mistake_and_of_what_is_broken_beside_it() -> None:
    check = "ipv6gw (gateway): CHECK appliance.yaml: it "
    mistaken = to_login_message(status(Outcome("tunnel", State.OK), problems=(PROBLEM,))).splitlines()
    assert mistaken[0].startswith(f"{check}has mistakes")
    assert mistaken[1:-1] == ["  ERROR line 16, column 11: `1.2.3.400` is not an IPv4 address"]
    both = to_login_message(status(WAITING, problems=(PROBLEM,))).splitlines()
    assert both[1:-1] == ["  NOT UP YET: eth0 has no IPv4 address yet"]
    refused = to_login_message(replace(status(Outcome("tunnel", State.OK)), refused="nobody came")).splitlines()
    assert refused[0].startswith(f"{check}was tried, and taken back: nobody came")
    assert ["sudo appliance apply" in line for line in refused[1:-1]] == [True]
