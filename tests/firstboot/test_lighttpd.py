"""Where the status page is shown, and under which names: on the Pi's own addresses inside, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

import pytest

from appliance.model import Appliance
from appliance.parse import parse_text
from firstboot.actions import RemoveFile, RestartUnit, StopUnit, WriteFile
from firstboot.facts import Address, Facts, Interface, Link
from firstboot.kind import Remark
from firstboot.plan import Change
from firstboot.reconcile import Reconciler, State
from firstboot.rendered import lighttpd
from firstboot.resources.status_page import LIGHTTPD, StatusPage
from firstboot.resources.units import Unit
from tests.firstboot.memory import MemoryMachine
from tests.firstboot.test_page import CONFIG as SEVERAL
from tests.page.opened import STATIC

ONE_ARMED = """\
profile: gateway
hostname: ipv6gw
ssh: {authorized_keys: []}
uplink: {interface: eth0}
tunnel: {server: 198.51.100.100, address: "2001:db8:1::2/64", routed: "2001:db8:2::/64"}
lan: {interface: eth0}
"""
GADGET = """\
profile: gadget
hostname: pi.gadget
ssh: {authorized_keys: []}
uplink: {interface: eth0}
gadget: {network: 10.55.0.1/28, share: SHARE}
"""
TUNNELS, UPLINKS = "2001:db8:1::2/64", "2001:db8:aaaa::5/64"


def address(text: str) -> Interface:
    return IPv6Interface(text) if ":" in text else IPv4Interface(text)


def facts(**addresses: tuple[str, ...]) -> Facts:
    """By interface, `_` for `-`."""
    named = {name.replace("_", "-"): found for name, found in addresses.items()}
    return Facts(
        links={name: Link(name, up=True, carrier=True) for name in named},
        addresses=tuple(Address(name, address(each)) for name, found in named.items() for each in found),
        serial="10000000deadbeef",
        gadget_ports={"ecm": "usb0"},
    )


def appliance(config: str) -> Appliance:
    return parse_text(config.replace("pi.gadget", "pigadget").encode(), "a.yaml").appliance


def listening(config: str, found: Facts) -> list[str]:
    files = lighttpd.files(appliance(config), found)
    text = files[0].content.decode() if files and files[0].content else ""
    return re.findall(r'^(?:server\.bind = |\$SERVER\["socket"\] == )"(.*?)(?::80)?"', text, re.MULTILINE)


TWO_ARMS = facts(
    eth0=("203.0.113.5/24", UPLINKS),
    eth1=("192.168.2.1/24", "2001:db8:2::1/64", "192.168.9.9/24"),
    eth2=("192.168.3.1/24",),
    he_ipv6=(TUNNELS,),
)
CABLE = facts(eth0=("192.168.1.9/24",), br_usb=("10.55.0.1/28",))
CASES = {
    "several networks": (SEVERAL, TWO_ARMS, ["192.168.2.1", "[2001:db8:2::1]", "192.168.3.1"]),
    "one arm": (
        ONE_ARMED,
        facts(eth0=("192.168.1.252/24", UPLINKS, "2001:db8:2::1/64"), he_ipv6=(TUNNELS,)),
        ["192.168.1.252", "[2001:db8:2::1]"],
    ),
    "no lease yet": (ONE_ARMED, facts(eth0=()), []),
    "not wanted": (f"status_page: false\n{SEVERAL}", TWO_ARMS, []),
    "not known to be nobody else's": (
        SEVERAL,
        replace(TWO_ARMS, addresses=tuple(replace(each, tentative=True) for each in TWO_ARMS.addresses)),
        [],
    ),
    "another machine has it too": (
        SEVERAL,
        replace(TWO_ARMS, addresses=tuple(replace(each, duplicate=True) for each in TWO_ARMS.addresses)),
        [],
    ),
    "the cable": (GADGET.replace("SHARE", "route"), CABLE, ["10.55.0.1"]),
    "the laptop is the way out": (
        GADGET.replace("SHARE", "host"),
        facts(eth0=("192.168.1.9/24",), br_usb=("192.168.137.9/24",)),
        ["192.168.137.9"],
    ),
    "custom": ("profile: custom\n", TWO_ARMS, []),
}


@pytest.mark.parametrize("case", CASES)
def test_it_listens_inside_alone(case: str) -> None:
    config, found, expected = CASES[case]
    assert listening(config, found) == expected


def answered(config: str, found: Facts, host: str) -> bool:
    """Whether a question for that host is answered; lighttpd's expression is PCRE's, which Python reads alike."""
    [file] = lighttpd.files(appliance(config), found)
    assert file.content is not None
    [pattern] = re.findall(r'\$HTTP\["host"\] !~ "(.*)" \{', file.content.decode())
    return re.search(pattern, host) is not None


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ipv6gw", True),
        ("IPV6GW.Local:80", True),
        ("ipv6gw.home", True),
        ("ipv6gw.guests", True),
        ("192.168.3.1", True),
        ("[2001:db8:2::1]:80", True),
        ("ipv6gw-home", False),
        ("192x168.3.1", False),
        ("203.0.113.5", False),
        ("ipv6gw.home.example", False),
        ("evil.example", False),
        ("ipv6gw:8080", False),
        ("", False),
    ],
)
def test_it_answers_to_the_pis_own_names(host: str, expected: bool) -> None:
    assert answered(SEVERAL, TWO_ARMS, host) is expected


def test_what_is_said_under_another_name_loads_nothing() -> None:
    """It could not: that is asked for under the other name, too."""
    [file] = lighttpd.files(appliance(SEVERAL), TWO_ARMS)
    assert file.content is not None
    [prefix] = re.findall(r'^  server.errorfile-prefix = "(.*)"$', file.content.decode(), re.MULTILINE)
    assert prefix.startswith(f"{lighttpd.STATIC}/")
    page = (STATIC / f"{Path(prefix).name}403.html").read_text()
    assert re.findall(r"src=|href=|url\(|http-equiv|<style|<script", page) == []


def test_on_the_cable_it_has_the_name_that_dnsmasq_gives_it() -> None:
    assert answered(GADGET.replace("SHARE", "route"), CABLE, "pigadget.usb.home.arpa")


def test_that_it_does_not_stay_up_is_told_with_what_to_do() -> None:
    want, have = Unit(LIGHTTPD, active=True, current=True), Unit(LIGHTTPD, active=False, current=True)
    told = StatusPage().explain(Change(want, have))
    assert told is not None
    assert "status_page: false" in told.hint
    assert StatusPage().explain(Change(replace(want, active=False), replace(have, active=True))) is None


class Shut(Remark):
    """The firewall, which is right."""

    name, setting = "firewall", "firewall"

    def desired(self, appliance: Appliance, facts: Facts) -> tuple[()]:
        return ()


def test_it_is_started_once_it_can_listen_and_stopped_with_what_it_read() -> None:
    machine = MemoryMachine("eth0", "eth1", "eth2", "he-ipv6")
    reconciler = Reconciler([Shut(), StatusPage()], sleep=lambda _: None)
    wanted = appliance(SEVERAL)

    def passed(asked: Appliance) -> list[type]:
        machine.log.clear()
        [_, outcome] = reconciler.reconcile(asked, machine)
        assert outcome.state is State.OK
        return [type(action) for action in machine.log]

    assert passed(wanted) == []
    machine.addresses = list(TWO_ARMS.addresses)
    assert passed(wanted) == [WriteFile, RestartUnit]
    assert passed(wanted) == []
    machine.addresses.pop()
    machine.addresses = [each for each in machine.addresses if each.interface != "eth2"]
    assert passed(wanted) == [WriteFile, RestartUnit]
    machine.active_units.discard(LIGHTTPD)
    assert passed(wanted) == [RestartUnit]
    assert passed(replace(wanted, status_page=False)) == [RemoveFile, StopUnit]
    assert lighttpd.CONFIG not in machine.files
