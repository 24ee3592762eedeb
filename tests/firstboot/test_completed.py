"""An account alone: what is there before the broker has said what the tunnel is, and what once it has."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.he import BrokerTunnel
from firstboot.completed import Completions
from firstboot.configuration import Configurations
from firstboot.facts import Facts
from firstboot.reconcile import Outcome, State
from firstboot.rendered import dnsmasq
from firstboot.served import served
from tests.appliance.test_completion import SAID, SERVER, text
from tests.firstboot.passing import Site

ELSEWHERE = replace(SAID, server=IPv4Address("203.0.113.9"))
RENUMBERED = replace(SAID, routed=IPv6Network("2001:db8:9::/64"))
LINE = 16
"""Of `broker` in the file."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path, monkeypatch)
    made.card.write_text(text(), encoding="utf-8")
    return made


def outcome(site: Site, kind: str = "tunnel-information") -> Outcome:
    return next(each for each in site.told[-1].outcomes if each.kind == kind)


def heard(site: Site, said: BrokerTunnel | None) -> None:
    site.host.broker_tunnel = said
    site.make()


def test_before_the_broker_has_said_it_there_is_ipv4_and_no_tunnel(site: Site) -> None:
    site.make()
    found = outcome(site)
    assert (found.state, found.error) == (
        State.WAITING,
        "the broker has not yet said what the tunnel is: it is being asked",
    )
    assert site.told[-1].line_of(found) == LINE
    assert "he-ipv6" not in site.host.links
    appliance = site.told[-1].appliance
    [lan] = served(appliance, site.host.facts()) or ()
    assert (lan.interface, str(lan.ipv4), lan.ipv6, bool(lan.ranges), lan.dns) == (
        "eth0", "192.168.1.252/24", (), True, True
    )  # fmt: skip
    config = site.host.files[dnsmasq.LOADED].content.decode()
    assert "dhcp-range" in config and "2001:db8" not in config
    assert site.host.sysctls["net/ipv6/conf/eth0/accept_ra"] == "0", "nor does a foreign router take its place"
    assert not [each for each in site.told[-1].outcomes if each.state is State.FAILED]


def test_what_the_broker_says_makes_the_tunnel(site: Site) -> None:
    site.make()
    heard(site, SAID)
    assert outcome(site).state is State.OK
    assert site.host.links["he-ipv6"].remote == SAID.server
    assert IPv6Interface("2001:db8:123d:abc::1/64") in {each.address for each in site.host.addresses}
    heard(site, ELSEWHERE)
    assert site.host.links["he-ipv6"].remote == ELSEWHERE.server


def test_it_is_remembered_as_the_last_good_one_without_what_was_said(site: Site) -> None:
    heard(site, SAID)
    assert site.kept.read_text(encoding="utf-8") == text()
    site.card.write_text("profile: nothing\n", encoding="utf-8")
    site.make()
    assert site.told[-1].problems and site.host.links["he-ipv6"].remote == SAID.server


def test_what_does_not_go_with_the_file_is_said_with_its_line(site: Site) -> None:
    heard(site, RENUMBERED)
    found = outcome(site)
    assert found.state is State.FAILED and found.setting == "firewall.allow_in[0].to"
    assert "2001:db8:123d:abc::2 is not in 2001:db8:9::/64" in found.error
    assert site.told[-1].line_of(found) == text().splitlines().index("    - to: 2001:db8:123d:abc::2") + 1
    assert "he-ipv6" not in site.host.links, "it is none that the parser would have taken"


def test_what_differs_from_the_file_is_a_warning(site: Site) -> None:
    site.card.write_text(text(SERVER), encoding="utf-8")
    heard(site, ELSEWHERE)
    assert site.host.links["he-ipv6"].remote == SAID.server
    [warning] = site.told[-1].warnings
    assert (warning.mark.line, warning.message) == (
        LINE, "tunnel.server: the broker has 203.0.113.9 for this tunnel, and the file wins"
    )  # fmt: skip


def test_the_same_configuration_is_the_same_object(tmp_path: Path) -> None:
    """With another one, all kinds would start afresh."""
    (tmp_path / "appliance.yaml").write_text(text(), encoding="utf-8")
    configurations, completions = Configurations(tmp_path, tmp_path / "last-good.yaml"), Completions()
    site_facts = Facts()
    first = completions.current(configurations.current(site_facts), SAID)
    assert completions.current(configurations.current(site_facts), replace(SAID)) is first
    same = completions.current(configurations.current(site_facts), replace(SAID, routed48=None))
    assert same.appliance is first.appliance
    other = completions.current(configurations.current(site_facts), ELSEWHERE)
    assert other.appliance != first.appliance
    assert completions.current(configurations.current(site_facts), None).appliance.known_tunnel is None
