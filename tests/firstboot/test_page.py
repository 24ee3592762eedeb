"""The status page: what it says of each state, that strangers' words stay words, and when its files are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.errors import Mark, Problem, TemporaryError
from appliance.model import FallbackTunnel
from appliance.parse import parse_text
from firstboot.actions import REPAIRED
from firstboot.facts import Address, Facts, Link, Route
from firstboot.happened import STARTED
from firstboot.health.diagnosis import HEALTHY, Diagnosis, Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.history import History
from firstboot.kinds import KINDS
from firstboot.page.cards import cards
from firstboot.page.content import Content, content
from firstboot.page.leases import Leases, leases
from firstboot.page.refused import THE_REST
from firstboot.page.teller import JSON, LOOK_S, METRICS, OVERDUE_S, PAGE, SPACING_S, Teller, rendered
from firstboot.picture import Hop
from firstboot.policy.policy import policy_of
from firstboot.reconcile import Outcome, State
from firstboot.rendered.ufw import rules_of
from firstboot.rulesets import CLOSING, Ruleset, restoring
from firstboot.status import Overall, Sign, Source, Status
from firstboot.status_text import to_part_list, to_text
from tests.firstboot.passing import MemoryHost, Site

CONFIG = """\
profile: gateway
hostname: ipv6gw
ssh: {authorized_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop]}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1, dns: [203.0.113.1]}
tunnel:
  server: 198.51.100.100
  address: 2001:db8:1::2/64
  routed: 2001:db8:2::/48
  broker: {user: me, key: hunter2hunter2, tunnel: 123456}
lan:
  interface: eth1
  address: 192.168.2.1/24
  domain: home
  dhcp4: {range: 192.168.2.20-192.168.2.99}
  others: [{interface: eth2, address: 192.168.3.1/24, domain: guests, dhcp4: {range: 192.168.3.20-192.168.3.99}}]
"""
FACTS = Facts(
    links={name: Link(name, up=True, carrier=True) for name in ("eth0", "eth1", "eth2", "he-ipv6")},
    addresses=(
        Address("eth0", IPv4Interface("203.0.113.5/24")),
        Address("eth1", IPv4Interface("192.168.2.1/24")),
        Address("he-ipv6", IPv6Interface("2001:db8:1::2/64")),
    ),
    routes=(Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("203.0.113.1"), 100),),
    healths=(Health(carries=True, diagnosis=HEALTHY),),
    hosts={"nas": (IPv4Address("192.168.2.20"), IPv6Address("2001:db8:2::20"))},
)
OK = tuple(Outcome(kind.name, State.OK) for kind in KINDS)
BLOCKED_41 = diagnosis(
    Evidence(
        address=IPv4Address("203.0.113.5"), has_route=True, has_tunnel=True, far_end=False, beyond=False, server=True
    )
)
SMALLER = diagnosis(Evidence(far_end=True, beyond=True, full=1480, largest=1380))
PROBLEM = Problem(Mark("appliance.yaml", 16, 11), "`1.2.3.400` is not an IPv4 address", "for example 192.168.1.254")
HOSTILE = "<script>alert(1)</script>"
LINES = (
    "1796000000 02:00:5e:00:53:01 192.168.2.20 nas 01:02:00:5e:00:53:01",
    f"0 02:00:5e:00:53:02 192.168.2.21 {HOSTILE} *",
    "1796000000 02:00:5e:00:53:03 192.168.2.22 * *",
    "1796000000 02:00:5e:00:53:04 192.168.3.30 secretive-guest *",
    "duid 00:01:00:01:2e",
    "99999999999999999999 02:00:5e:00:53:05 192.168.2.23 beyond-time *",
    "1796000000 123 2001:db8::1 six *",
    "nonsense",
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def status(*wrong: Outcome, health: Diagnosis = HEALTHY, **fields: object) -> Status:
    """Of a gateway; `wrong`: the parts that are not as they shall be."""
    parsed = parse_text(CONFIG.encode(), "appliance.yaml")
    outcomes = {outcome.kind: outcome for outcome in (*OK, *wrong)}
    facts = replace(FACTS, healths=(Health(health.works, health),))
    titles = {kind.name: kind.title for kind in KINDS}
    told = Status(parsed.appliance, Source.FILE, tuple(outcomes.values()), facts, marks=parsed.marks, titles=titles)
    return replace(told, **fields)  # type: ignore[arg-type]


def page(told: Status, history: History | None = None, lines: tuple[str, ...] = ()) -> Content:
    return content(
        told,
        history=(history or History()).lately(),
        settings={kind.name: kind.setting for kind in KINDS},
        leases=leases(lines, told.appliance, told.facts),
        refused=None,
    )


REACH = Outcome(
    "reach",
    State.WAITING,
    error=BLOCKED_41.sentence,
    hint=BLOCKED_41.hint,
    setting="tunnel",
    grounds=BLOCKED_41.grounds,
)
CABLE = Outcome("uplink", State.WAITING, error="eth0 has no carrier", hint="is the cable in?", setting="uplink")
NEEDS = Outcome("broker", State.BLOCKED, error="needs uplink")
FAILED = Outcome("routes", State.FAILED, error="the kernel refuses", setting="tunnel.routed")
VERDICTS: Mapping[str, tuple[Status, Sign, str, str]] = {
    "well": (status(), Sign.GOOD, "Everything works", ""),
    "to know": (status(health=SMALLER), Sign.GOOD, "Everything works", "There is one thing to know, see below."),
    "broken": (status(REACH, health=BLOCKED_41), Sign.BROKEN, "The tunnel's server answers", "Does the router pass"),
    "waiting": (status(CABLE, NEEDS), Sign.WAITING, "eth0 has no carrier", "Is the cable in?"),
    "failed": (status(FAILED), Sign.BROKEN, "The kernel refuses", ""),
    "a mistake": (
        status(problems=(PROBLEM,), source=Source.LAST_GOOD),
        Sign.WAITING,
        "appliance.yaml has a mistake",
        "In force is the last good configuration. For example 192.168",
    ),
    "unreadable": (status(trouble="there is none"), Sign.WAITING, "appliance.yaml is not used: there", "In force is"),
    "taken back": (status(refused="nobody came"), Sign.WAITING, "appliance.yaml was tried", "In force is"),
    "a bug": (status(failure="a bug in it"), Sign.BROKEN, "A bug in it", ""),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_is_one_sentence_with_its_hint(case: str) -> None:
    told, sign, verdict, hint = VERDICTS[case]
    found = page(told)
    assert found.sign is sign
    assert found.verdict.startswith(verdict)
    assert found.hint.startswith(hint)
    assert bool(found.hint) is bool(hint)
    assert rendered(found, NOW)[PAGE].count("<h1") == 1


@pytest.mark.parametrize("case", VERDICTS)
def test_who_is_logged_in_is_told_the_same(case: str) -> None:
    """A mistake in the file is said beside how the machine is."""
    told, sign, _, _ = VERDICTS[case]
    lines = to_text(told).splitlines()
    headline = next(line for line in lines if line.startswith(("UP", "NOT UP", "BROKEN")))
    if told.overall is Overall.CONFIG_ERROR:
        assert lines[1].startswith("CHECK ") and headline.startswith("UP: ")
    else:
        words = {Sign.GOOD: ("UP: ",), Sign.WAITING: ("NOT UP YET: ", "UP, BUT: "), Sign.BROKEN: ("BROKEN: ",)}
        assert headline.startswith(words[sign])
        assert sign is Sign.GOOD or headline.lower().endswith(page(told).verdict.lower())


def test_what_the_verdict_says_is_not_said_twice_and_nothing_is_left_out() -> None:
    found = page(status(CABLE, NEEDS, FAILED, problems=(PROBLEM,)))
    assert [trouble.where for trouble in found.troubles] == [
        "uplink (the interface to the router), line 4 of appliance.yaml",
        "routes (the ways to other networks), line 8 of appliance.yaml",
        "line 16",
    ]
    assert found.more == found.troubles[1:]
    text = rendered(found, NOW)[PAGE]
    assert text.count("eth0 has no carrier") == 2, "title and heading"
    assert "The kernel refuses" in text
    assert "needs uplink" not in text, "the cause is told, not what follows from it"


def test_a_list_of_what_is_allowed_is_said_to_be_one() -> None:
    mark, names = Mark("appliance.yaml", 16, 11), "server, address, routed, kind"
    unknown, wrong = Problem(mark, "there is no such setting", names), Problem(mark, "too large", "1 to 65535")
    first, second = page(status(problems=(unknown, wrong), source=Source.LAST_GOOD)).troubles
    assert first.hint == f"In force is the last good configuration. Allowed: {names}"
    assert second.hint == "1 to 65535"
    assert f"  hint: allowed: {names}" in to_text(status(problems=(unknown,))).splitlines()


def test_each_part_has_a_name_in_plain_words() -> None:
    titles = {kind.name: kind.title for kind in KINDS}
    assert [name for name, title in titles.items() if not title or title == name or len(title) > 40] == []
    assert len({*titles.values()}) == len(KINDS)
    told = status(REACH, health=BLOCKED_41)
    text = unescape(rendered(page(told), NOW)[PAGE])
    assert [title for title in titles.values() if f"{title} <small>" not in text] == []
    assert f"BROKEN reach ({titles['reach']}): {REACH.error}" in to_text(told)
    assert f"  cable ({titles['cable']}): ok" in to_part_list(told).splitlines()


def test_each_tunnel_has_a_card() -> None:
    broken = Health(False, BLOCKED_41, is_known=True)
    healthy = Health(carries=True, diagnosis=HEALTHY)
    told = status()
    assert told.appliance.tunnel is not None
    second = FallbackTunnel(server=IPv4Address("198.51.100.200"), interface="tun6-fallback")
    appliance = replace(told.appliance, tunnel=replace(told.appliance.tunnel, fallback=second))
    for healths, hops in (((healthy, broken), (Hop.GOOD, Hop.BROKEN)), ((healthy,), (Hop.GOOD, Hop.UNKNOWN))):
        found = cards(replace(told, appliance=appliance, facts=replace(told.facts, healths=healths)))
        assert [(card.title, card.hop) for card in found if "unnel" in card.title] == [
            ("Tunnel", hops[0]),
            ("Fallback tunnel", hops[1]),
        ]


DNSMASQ_DOWN = Outcome("units", State.FAILED, error="it fails", differs=("appliance-dnsmasq.service: active: no",))
SSH_DOWN = Outcome("units", State.FAILED, error="it fails", differs=("ssh.service: active: no",))
WITHOUT_FILES = Outcome("units", State.BLOCKED, error="needs files")
SERVES = "DNS, IPv4 addresses by DHCP, IPv6"


@pytest.mark.parametrize(
    ("told", "offered", "partly"),
    [
        (status(), SERVES, False),
        (status(SSH_DOWN), SERVES, False),
        (status(REACH, health=BLOCKED_41), f"{SERVES[:-4]}no IPv6, as the tunnel does not carry", True),
        (status(DNSMASQ_DOWN), "nothing, as dnsmasq is not up", True),
        (status(WITHOUT_FILES), "nothing, as dnsmasq is not up", True),
    ],
)
def test_the_lan_works_as_far_as_it_is_served(told: Status, offered: str, partly: bool) -> None:
    found = [card for card in cards(told) if card.title == "LAN"]
    assert len(found) == 2
    assert {(card.hop, card.partly, dict(card.rows)["Offered"]) for card in found} == {(Hop.GOOD, partly, offered)}
    text = rendered(page(told), NOW)[PAGE]
    assert text.count('<span class="badge waiting">… partly</span>') == 2 * partly
    unplugged = {name: replace(link, carrier=False) for name, link in FACTS.links.items()}
    [lan, _] = [
        card for card in cards(replace(told, facts=replace(told.facts, links=unplugged))) if card.title == "LAN"
    ]
    assert (lan.hop, lan.partly) == (Hop.BROKEN, False)


@pytest.mark.parametrize(
    ("preferred", "offered"),
    [
        (Health(), "no IPv6, as no tunnel carries"),
        (Health(is_known=True), "IPv6 by the fallback, tun6-fallback"),
    ],
)
def test_the_lan_is_offered_what_the_status_says(preferred: Health, offered: str) -> None:
    """A fallback that carries serves nobody before it is known that the preferred tunnel does not."""
    told = status()
    assert told.appliance.tunnel is not None
    second = FallbackTunnel(
        server=IPv4Address("198.51.100.200"),
        interface="tun6-fallback",
        address=IPv6Interface("2001:db8:3::2/64"),
        routed=IPv6Network("2001:db8:4::/48"),
    )
    appliance = replace(told.appliance, tunnel=replace(told.appliance.tunnel, fallback=second))
    both = replace(told, appliance=appliance, facts=replace(told.facts, healths=(preferred, Health(True, HEALTHY))))
    lan = next(card for card in cards(both) if card.title == "LAN")
    assert dict(lan.rows)["Offered"].endswith(offered)
    assert lan.partly is offered.startswith("no ")
    assert f"the network is offered {offered}" in to_text(both)


def test_where_the_way_is_broken_is_not_told_by_colour_alone() -> None:
    text = rendered(page(status(REACH, health=BLOCKED_41)), NOW)[PAGE]
    way = text.partition('<ol class="way">')[2].partition("</ol>")[0]
    assert re.findall(r'<li class="(\w+)"', way) == ["good", "good", "broken", "unknown"]
    assert re.findall(r'aria-hidden="true">(.?)</span><span class="spoken">([\w ]+),', way) == [
        ("", "works"),
        ("", "works"),
        ("✕", "broken"),
        ("?", "not known"),
    ]


class Tags(HTMLParser):
    """Which there are, and whether each is closed where it was opened."""

    VOID = ("meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def test_what_strangers_say_stays_text() -> None:
    history = History()
    history.note([Outcome("files", State.OK, done=(f"write {HOSTILE}",), about=((),))])
    wrong = Outcome("wifi", State.WAITING, error=HOSTILE, hint='" onclick="alert(1)', setting="uplink")
    told = status(wrong, wifi=HOSTILE, failure=HOSTILE, problems=(replace(PROBLEM, message=HOSTILE),))
    files = rendered(page(told, history, LINES), NOW)
    tags = Tags(files[PAGE])
    assert tags.seen.count("script") == 1, "our own"
    assert files[PAGE].count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert 'onclick="' not in files[PAGE]
    assert json.loads(files[JSON])["leases"]["shown"][1]["name"] == HOSTILE


def test_no_secret_and_no_hardware_address_is_in_any_file() -> None:
    history = History()
    history.note([Outcome(kind.name, State.OK, done=(f"do {kind.name}",), about=((),)) for kind in KINDS])
    texts = rendered(page(status(REACH), history, LINES), NOW).values()
    assert all("ipv6gw" in text for text in texts)
    for secret in ("hunter2", "AAAAC3NzaC1lZDI1NTE5", "me@laptop", "123456", "02:00:5e", "secretive-guest"):
        assert not [text for text in texts if secret in text], secret


def test_who_is_on_the_first_network_is_told_and_of_others_how_many() -> None:
    parsed = parse_text(CONFIG.encode(), "a").appliance
    found = leases(LINES, parsed, FACTS)
    assert [(lease.name, lease.addresses) for lease in found.shown] == [
        ("nas", ("192.168.2.20", "2001:db8:2::20")),
        (HOSTILE, ("192.168.2.21",)),
        ("", ("192.168.2.22",)),
        ("beyond-time", ("192.168.2.23",)),
    ]
    assert [lease.until for lease in found.shown[:2]] == ["2026-11-30T00:53:20+00:00", ""]
    assert (found.numbers, found.total) == ({"home": 4, "guests": 1}, 5)
    assert leases(LINES, parse_text(b"profile: custom\n", "a").appliance, FACTS) == Leases((), {})


STARTED_AT, WHEN = "2026-01-01T00:00:00+00:00", "2026-01-02T03:04:05+00:00"


def begun() -> History:
    """After the first pass."""
    history = History()
    made = [Outcome("hostname", State.OK, done=("set it",)), Outcome("routes", State.OK, done=("add one", "add two"))]
    history.note(made, now=datetime(2026, 1, 1, tzinfo=UTC))
    return history


def test_what_a_start_brings_is_one_change() -> None:
    [change] = page(status(), begun()).changes
    assert (change.when, change.what, change.more, change.why) == (STARTED_AT, "set it", 2, STARTED)


def test_what_a_pass_did_to_one_part_for_one_reason_is_one_change_and_what_became_of_it_another() -> None:
    history, done = begun(), ("withdraw the route", "write a file")
    history.note(
        [
            Outcome("withdrawal", State.OK, done=done, about=((), ())),
            Outcome("routes", State.OK, done=("add three",), about=((),)),
            Outcome("units", State.FAILED, done=("start it",), about=((),), error="it does not stay up"),
            REACH,
        ],
        now=NOW,
    )
    told = [(each.part, each.what, each.more, each.why) for each in page(status(), history).changes]
    assert told[:-1] == [
        ("routes", "add three", 0, "wanted by uplink, line 4 of appliance.yaml"),
        ("withdrawal", "withdraw the route", 1, BLOCKED_41.sentence),
        ("units", "start it", 0, "wanted by lan, line 10 of appliance.yaml"),
        ("units", "it does not stay up", 0, "wanted by lan, line 10 of appliance.yaml"),
        ("reach", BLOCKED_41.sentence, 0, BLOCKED_41.grounds),
    ]
    assert told[-1][0] == "hostname"


def test_five_changes_are_shown_and_the_others_to_who_wants_them() -> None:
    history = begun()
    for minute in range(15):
        made = Outcome("routes", State.OK, done=(f"number {minute:02}",), about=((),))
        history.note([made], now=NOW.replace(minute=minute))
    found = page(status(), history)
    text = rendered(found, NOW)[PAGE]
    section = text.partition('id="changes"')[2].partition("</section>")[0]
    shown, _, hidden = section.partition("<details")
    assert re.findall(r"number (\d\d)", shown) == ["14", "13", "12", "11", "10"]
    assert re.findall(r"number (\d\d)", hidden) == ["09", "08", "07", "06", "05", "04", "03"]
    Tags(text)
    few = rendered(page(status(), begun()), NOW)[PAGE]
    assert few.count("<details") == 1, "all parts"


def test_a_change_says_why() -> None:
    history = begun()
    history.note(
        [
            Outcome("routes", State.OK, done=(f"add a route{REPAIRED}it was removed by ip",), about=((),)),
            Outcome("tunnel", State.OK, done=("make tunnel he-ipv6",), about=((),)),
            Outcome("gadget", State.OK, done=("show it",), about=((),)),
            Outcome("files", State.OK, done=("write a file",), about=((),)),
        ],
        now=NOW,
    )
    told = [(change.when, change.part, change.what, change.why) for change in page(status(), history).changes]
    assert told[:-1] == [
        (WHEN, "routes", "add a route", "somebody else had changed it: it was removed by ip"),
        (WHEN, "tunnel", "make tunnel he-ipv6", "wanted by tunnel, line 5 of appliance.yaml"),
        (WHEN, "gadget", "show it", "wanted by: appliance.yaml"),
        (WHEN, "files", "write a file", "wanted by profile, line 1 of appliance.yaml"),
    ]
    rescued = page(status(source=Source.RESCUE), history).changes
    assert rescued[1].why == f"wanted by: {Source.RESCUE}", "it has no lines"


def loaded() -> MemoryHost:
    """A machine in whose kernel the policy's rules are; each has counted seven packets."""
    host, told = MemoryHost("eth0", "eth1", "eth2", "he-ipv6"), status()
    policy = policy_of(told.appliance, told.facts)
    for family in (4, 6):
        text = CLOSING + rules_of(policy, family).text
        host.kernel_rules[family] = restoring(text, Ruleset(), family)
    host.leases = LINES
    return host


class Told:
    """A teller whose clock is the test's."""

    def __init__(self, folder: Path) -> None:
        self.now_s, self.folder, self.history, self.host = 1000.0, folder, History(), loaded()
        settings = {kind.name: kind.setting for kind in KINDS}
        self.teller = Teller(folder, self.history, settings, clock=lambda: self.now_s, now=self._time)

    def _time(self) -> datetime:
        return datetime.fromtimestamp(1_000_000 + self.now_s, UTC)

    def tell(self, told: Status) -> None:
        self.teller.tell(told, self.host)

    def after(self, seconds: float) -> float:
        """Time passes, and what is due is done; when something will be next."""
        self.now_s += seconds
        if self.teller.due_in_s() <= 0:
            self.teller.look(self.host)
        return self.teller.due_in_s()

    def told(self) -> float:
        """When the page was told, on the clock."""
        text = json.loads((self.folder / JSON).read_text())["told"]
        return datetime.fromisoformat(text).timestamp() - 1_000_000


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "www")


def test_the_files_are_all_there_and_readable_by_others(told: Told) -> None:
    told.tell(status())
    told.after(0)
    assert {path.name: path.stat().st_mode & 0o777 for path in told.folder.iterdir()} == {
        PAGE: 0o644,
        JSON: 0o644,
        METRICS: 0o644,
    }


def test_what_the_firewall_refused_is_told_by_reason(told: Told) -> None:
    told.tell(status())
    told.after(0)
    found = json.loads((told.folder / JSON).read_text())["refused"]
    assert THE_REST in [reason["what"] for reason in found["reasons"]]
    assert found["packets"] >= sum(reason["packets"] for reason in found["reasons"]) > 0
    assert "the tunnel's packets come from its server only" in (told.folder / PAGE).read_text().replace("&#39;", "'")
    told.host.kernel_rules.clear()
    told.tell(status(CABLE))
    told.after(SPACING_S)
    assert json.loads((told.folder / JSON).read_text())["refused"] is None, "these are other rules than the policy's"


def test_prometheus_understands_the_metrics(told: Told) -> None:
    told.tell(status(CABLE, REACH, health=BLOCKED_41))
    told.after(0)
    text = (told.folder / METRICS).read_text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert text.count("# HELP ") == text.count("# TYPE ") == len(families)

    def samples(name: str) -> dict[str, float]:
        return {" ".join(sample.labels.values()): sample.value for sample in families[f"appliance_{name}"].samples}

    assert samples("state") == {"good": 0, "waiting": 0, "broken": 1}
    assert samples("leases") == {"home": 4, "guests": 1}
    assert samples("way_good") == {"ipv6gw": 1, "router": 1, "tunnel": 0}
    assert samples("part_right")["files"] == 1
    assert samples("part_right")["uplink"] == 0
    assert samples("firewall_packets")["the rest deny"] > 0
    assert families["appliance_firewall_packets"].type == "counter"
    assert {family.documentation for family in families.values()}.isdisjoint({""})


def test_a_label_may_be_anything() -> None:
    hostile = 'a"b\\c\nd'
    found = replace(page(status()), hostname=hostile)
    families = text_string_to_metric_families(rendered(found, NOW)[METRICS])
    assert hostile in [sample.labels.get("hostname") for family in families for sample in family.samples]


def test_what_is_as_it_was_is_not_written_again(told: Told) -> None:
    told.tell(status())
    told.after(0)
    first = told.told()
    told.tell(status())
    told.after(SPACING_S)
    assert told.told() == first
    told.tell(status(CABLE))
    told.after(SPACING_S)
    assert told.told() > first


def test_however_much_happens_a_page_is_made_now_and_then_only(told: Told) -> None:
    told.tell(status())
    assert told.after(0) == LOOK_S
    first = told.told()
    told.tell(status(CABLE))
    assert told.teller.due_in_s() == SPACING_S
    told.after(SPACING_S / 2)
    assert told.told() == first
    told.after(SPACING_S / 2)
    assert told.told() == first + SPACING_S


def test_nobody_who_never_rests_keeps_it_from_being_made(told: Told) -> None:
    """Passes follow each other, and what is due is never asked for."""
    for _ in range(int(OVERDUE_S) + 2):
        told.tell(status())
        told.now_s += 1
    assert told.told() >= 1000 + OVERDUE_S - 1


def test_while_somebody_reads_it_the_counters_are_looked_at(told: Told) -> None:
    told.tell(status())
    told.after(0)
    first = told.told()
    assert told.after(LOOK_S) == LOOK_S
    assert told.told() == first, "nobody reads it"
    (told.folder / METRICS).read_text()
    told.after(LOOK_S)
    assert told.told() == first + 2 * LOOK_S
    written = (told.folder / PAGE).stat().st_mtime_ns
    told.after(LOOK_S)  # `told` reads it
    told.after(LOOK_S)
    assert (told.folder / PAGE).stat().st_mtime_ns >= written


def test_who_wants_no_page_has_none(told: Told) -> None:
    told.tell(status())
    told.after(0)
    without = parse_text(f"status_page: false\n{CONFIG}".encode(), "a").appliance
    told.tell(status(appliance=without))
    assert told.after(SPACING_S) == float("inf")
    assert list(told.folder.iterdir()) == []
    told.tell(status())
    told.after(SPACING_S)
    assert (told.folder / PAGE).exists()


def test_a_page_that_cannot_be_made_ends_nothing(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TemporaryError("the disk is full")

    monkeypatch.setattr("firstboot.page.teller.rendered", fail)
    for _ in range(3):
        told.tell(status(CABLE))
        told.after(SPACING_S)
    assert [record.message for record in caplog.records] == ["the status page: the disk is full"], "said once"
    monkeypatch.undo()
    told.after(LOOK_S)
    assert (told.folder / PAGE).exists()


def test_a_pass_leads_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path, monkeypatch)
    site.card.write_text(CONFIG)
    site.make()
    assert site.passes._page.due_in_s() == 0
    site.due(0)
    text = (tmp_path / "www/file" / PAGE).read_text()
    assert "ipv6gw" in text
    assert "Last changes" in text
    assert "files of settings" in text
