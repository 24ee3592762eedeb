"""The status page as a host on the LAN has it: the daemon's files, Debian's lighttpd, and a real browser."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from firstboot.history import UNTIL_THEN
from firstboot.page.teller import LOOK_S
from firstboot.paths import WWW
from firstboot.resources.status_page import StatusPage
from tests.figures import Figure
from tests.firstboot.test_led import UNIT
from tests.netns import served_lan
from tests.netns.gadget_site import ROOT, within
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.served_lan import LAN, NOT_HERE, lan_daemon
from tests.netns.tunnel_site import OWN, PI, ROUTED, TunnelSite, tunnel_site
from tests.page.browser import Browser, View, browsing

pytestmark = pytest.mark.netns

LAN6 = ROUTED.replace("/64", "1")
NAME = "ipv6gw.home"
KEY = "hunter2hunter2"
CONFIG = served_lan.CONFIG.replace("dhcp4:", "domain: home, dhcp4:")
WELL = "Everything works"
LEASES = Path("/var/lib/appliance-dnsmasq/leases")
HOSTILE = "<img/src=x/onerror=alert(1)>"
RSS_MAX_KB = 4096
SOON_S, CARRIES_S = 15.0, 40.0
PICTURES = ROOT / ".cache" / "screenshots"
VIEWS = [
    View(width, height, scheme, scripts, is_phone)
    for width, height, is_phone in ((390, 844, True), (1280, 900, False))
    for scheme in ("light", "dark")
    for scripts in (True, False)
]
TOLD = "document.querySelector('#told').dateTime"
WHYS = """[...document.querySelectorAll(".changes tr")].slice(1).map(row => row.cells[2].textContent.trim())"""
WHY_WITHDRAWN = """[...document.querySelectorAll(".changes tr")]
    .find(row => row.textContent.includes("withdraw the IPv6"))?.lastElementChild.textContent ?? ''"""
SERIOUS = ("serious", "critical")


@dataclass
class Site:
    tunnel: TunnelSite
    living: Living

    @property
    def client(self) -> Namespace:
        """A host on the LAN."""
        return self.tunnel.client

    def ask(self, *words: str, url: str = f"http://{LAN}/") -> int:
        """The status that is answered, as seen from the LAN; 0: nothing is."""
        argv = ["curl", "-s", "-o", "/dev/null", "-m", "10", "-w", "%{http_code}", "--path-as-is", "-g", *words, url]
        return int(self.client.program("sh", "-c", '"$@" || true', "sh", *argv))

    def get(self, path: str) -> str:
        """What is there, as seen from the LAN."""
        return self.client.program("curl", "-sf", "-m", "10", f"http://{LAN}{path}")

    def rss_kb(self) -> int:
        """What the server holds of memory."""
        status = Path(f"/proc/{_server(self.tunnel.pi)}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def _server(pi: Namespace) -> str:
    """The process that serves in a namespace."""
    own = Path(f"/proc/self/task/{pi.thread_id}/ns/net").readlink()
    lines = {path.parent: path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")}
    [found] = [
        process.name
        for process, line in lines.items()
        if line.startswith(b"lighttpd\0") and (process / "ns/net").readlink() == own
    ]
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    without = [kind for kind in NOT_HERE if kind != StatusPage.name]
    folder = tmp_path_factory.mktemp("card")
    with tunnel_site() as made, lan_daemon(made, folder, CONFIG, without=without) as living:
        static = ROOT / "overlays/base/usr/share/appliance"
        made.pi.program("sh", "-c", f"mkdir -p /run/static && cp -r {static} /run/static/")
        made.pi.program("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/run/static:/usr/share", "/usr/share")
        with living:
            found = Site(made, living)
            within(CARRIES_S, lambda: found.ask() == 200)
            within(CARRIES_S, lambda: WELL in found.get("/"))
            yield found


@contextmanager
def leased(site: Site, *lines: str) -> Iterator[None]:
    """dnsmasq has given out addresses, which its file tells of."""
    pi = site.tunnel.pi
    before = pi.call(LEASES.read_text)
    pi.call(LEASES.write_text, "".join(f"{line}\n" for line in lines))
    try:
        yield
    finally:
        pi.call(LEASES.write_text, before)


def test_the_inside_sees_it_and_nobody_else_does(site: Site) -> None:
    for url in (f"http://{LAN}/", f"http://[{LAN6}]/", f"http://{LAN}/metrics", f"http://{LAN}/status.json"):
        within(CARRIES_S, lambda url=url: site.ask(url=url) == 200)  # type: ignore[misc]
    assert not _connects(site.tunnel.home, str(PI))
    assert not _connects(site.tunnel.internet, LAN6)
    assert not _connects(site.tunnel.internet, str(OWN))
    assert not _connects(site.client, str(PI), expects_refusal=True), "nobody listens at an address of the outside"


def _connects(namespace: Namespace, address: str, *, expects_refusal: bool = False) -> bool:
    def attempt() -> bool:
        try:
            socket.create_connection((address, 80), timeout=2).close()
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            return not expects_refusal
        return True

    return namespace.call(attempt)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "PATCH", "TRACE", "MKCOL", "X"])
def test_it_is_looked_at_and_nothing_else(site: Site, method: str) -> None:
    for url in (f"http://{LAN}/", f"http://{LAN}/new", f"http://{LAN}/metrics"):
        assert site.ask("-X", method, "--data", "x", url=url) in (403, 405, 413, 501)
    assert site.ask("-I") == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/page/", 403),
        ("/page/../../../../etc/passwd", 404),
        ("/page/..%2f..%2f..%2f..%2fetc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/../lighttpd.conf", 404),
        ("/page..//etc/passwd", 404),
        ("/etc/passwd", 404),
        ("/page/page.js", 200),
    ],
)
def test_there_is_nothing_but_the_page(site: Site, path: str, expected: int) -> None:
    assert site.ask(url=f"http://{LAN}{path}") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ipv6gw", 200),
        ("IPv6GW.local", 200),
        (NAME, 200),
        (f"{NAME}:80", 200),
        (LAN, 200),
        (f"[{LAN6}]", 200),
        ("rebound.example", 403),
        (f"{NAME}.example", 403),
        (f"rebound-{NAME}", 403),
        (NAME.replace(".", "x"), 403),
        (str(PI), 403),
    ],
)
def test_a_name_that_is_not_the_pis_is_refused(site: Site, host: str, expected: int) -> None:
    """A page elsewhere could have its own name lead here, and read what only the inside shall."""
    assert site.ask("-H", f"Host: {host}") == expected


def test_who_asks_for_another_name_is_told_which_to_take_and_nothing_of_this_pi(site: Site) -> None:
    """A page whose name was made to lead here reads the answer as well, and has its own name in the question."""
    for path in ("/", "/status.json", "/page/page.js", "/nothing"):
        told = site.client.program("curl", "-s", "-H", "Host: rebound.example", f"http://{LAN}{path}")
        assert "<h1>Not by this name</h1>" in told
        assert "http://HOSTNAME.local/" in told
        for word in (NAME.partition(".")[0], LAN, LAN6, "rebound", str(PI)):
            assert word not in told
    assert "<h1>Not by this name</h1>" not in site.client.program("curl", "-s", f"http://{LAN}/page/")


def test_dnsmasq_has_the_name(site: Site) -> None:
    assert site.client.program("dig", "+short", f"@{LAN}", NAME).split() == [LAN]
    assert site.client.program("dig", "+short", f"@{LAN}", NAME, "AAAA").split() == [LAN6]


def test_browsers_are_told_to_be_careful(site: Site) -> None:
    told = site.client.program("curl", "-s", "-D", "-", "-o", "/dev/null", f"http://{LAN}/").lower()
    for header in (
        "content-security-policy: default-src 'self'; ",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
    ):
        assert header in told, header


def test_it_takes_little_memory(site: Site, figure: Figure) -> None:
    urls = "".join(
        f'url = "http://{LAN}{path}"\noutput = /dev/null\n' for path in ("/", "/metrics") for _ in range(250)
    )
    before_kb = site.rss_kb()
    site.client.program("curl", "-sf", "-K", "-", stdin=urls)
    after_kb = site.rss_kb()
    figure(f"lighttpd: RSS {before_kb} kB, after 500 requests {after_kb} kB (to be {RSS_MAX_KB} at most)")
    assert after_kb <= RSS_MAX_KB


def test_the_counters_go_on_while_somebody_looks(site: Site) -> None:
    def dropped() -> float:
        families = text_string_to_metric_families(site.get("/metrics"))
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "appliance_firewall_packets_total" and sample.labels["part"] == "the rest"
        )

    before = dropped()
    assert not _connects(site.tunnel.home, str(PI))
    within(3 * LOOK_S, lambda: dropped() > before)


@pytest.fixture(scope="module")
def browser(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(site.client, tmp_path_factory.mktemp("browser")) as found:
        yield found


def shown(browser: Browser, selector: str) -> str:
    return str(browser.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent.trim() ?? ''"))


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_it_is_readable_by_everybody(site: Site, browser: Browser, view: View) -> None:
    """The pictures are for people to look at."""
    soon = int(time.time()) + 3600
    machines = (f"{soon} 02:00:5e:00:53:01 192.168.2.101 nas *", f"{soon} 02:00:5e:00:53:02 192.168.2.102 {HOSTILE} *")
    with leased(site, *machines):
        within(3 * LOOK_S, lambda: "nas" in site.get("/"))
        browser.show(f"http://{LAN}/", view)
        assert shown(browser, "h1") == WELL
        assert HOSTILE in shown(browser, "table"), "it is text"
        if view.scripts:
            within(SOON_S, lambda: shown(browser, "#live") == "Updates by itself.")
        width = int(browser.evaluate("document.documentElement.scrollWidth"))
        assert width <= view.width, "nobody has to scroll sideways"
        browser.picture(PICTURES / f"well-{view}.png")
        found = [each for each in browser.violations() if each["impact"] in SERIOUS] if view.scripts else []
        assert not found
        assert not browser.complaints


def test_what_breaks_is_seen_without_loading_the_page_anew(site: Site, browser: Browser, figure: Figure) -> None:
    browser.show(f"http://{LAN}/", VIEWS[0])
    assert shown(browser, "h1") == WELL
    browser.evaluate("window.wasHere = true; document.querySelector('#parts').open = true")
    browser.evaluate("document.querySelector('#open-parts').focus(); window.focused = document.activeElement")
    with site.tunnel.rules(site.tunnel.isp, "ip", "forward", "ip protocol 41 drop"):
        within(3 * SOON_S, lambda: shown(browser, "h1") not in ("", WELL))
        assert browser.evaluate("window.wasHere === true")
        assert browser.evaluate("document.querySelector('#parts').open"), "what was opened stays so"
        assert browser.evaluate("document.activeElement.id") == "open-parts"
        assert not browser.evaluate("focused.isConnected"), "it is another one"
        assert shown(browser, "li.broken strong") == "tunnel"
        within(SOON_S, lambda: "the tunnel" in str(browser.evaluate(WHY_WITHDRAWN)))
        assert "partly" in shown(browser, ".card:last-child h2"), "the LAN is there, and has no IPv6"
        for view in VIEWS[:2] + VIEWS[4:6]:
            browser.show(f"http://{LAN}/", view)
            browser.picture(PICTURES / f"broken-{view}.png")
        browser.show(f"http://{LAN}/", VIEWS[4])  # without scripts it is loaded anew now and then
        assert not [each for each in browser.violations() if each["impact"] in SERIOUS]
    browser.show(f"http://{LAN}/", VIEWS[0])
    within(2 * CARRIES_S, lambda: shown(browser, "h1") == WELL)
    whys = browser.evaluate(WHYS)
    assert isinstance(whys, list)
    assert any(why.startswith(UNTIL_THEN) for why in whys) and all(whys), whys
    assert not any(why.startswith("wanted by") for why in whys), whys
    assert not browser.complaints
    figure(f"pictures of the status page: {PICTURES.relative_to(ROOT)}/")


def test_whoever_reads_is_not_disturbed(site: Site, browser: Browser) -> None:
    """While something else is told as well: a machine more."""
    browser.show(f"http://{LAN}/", VIEWS[0])
    within(SOON_S, lambda: shown(browser, "#live") == "Updates by itself.")
    browser.evaluate("getSelection().selectAllChildren(document.querySelector('#way')); window.scrollTo(0, 200)")
    browser.evaluate("window.kept = [...document.querySelectorAll('main > *')]; window.at = scrollY")
    told = browser.evaluate(TOLD)
    within(3 * LOOK_S, lambda: browser.evaluate(TOLD) != told)
    assert browser.evaluate("kept.every(part => part.isConnected)"), "nothing but the time is another"
    with leased(site, f"{int(time.time()) + 3600} 02:00:5e:00:53:01 192.168.2.101 newcomer *"):
        within(3 * LOOK_S, lambda: "newcomer" in shown(browser, "main"))
        assert browser.evaluate("kept.filter(part => !part.isConnected).length") == 1
        assert browser.evaluate("getSelection().toString()") == shown(browser, "#way")
        assert browser.evaluate("scrollY === at && at > 0")


def test_who_says_nothing_any_more_is_known_to(site: Site, browser: Browser) -> None:
    """The check mark goes, and what was told is dimmed, until it answers again."""
    browser.show(f"http://{LAN}/", VIEWS[0])
    within(SOON_S, lambda: shown(browser, "#live") == "Updates by itself.")
    within(2 * CARRIES_S, lambda: shown(browser, "h1") == WELL)
    cards = shown(browser, ".cards")
    complaints = len(browser.complaints)
    with site.tunnel.rules(site.client, "inet", "output", "tcp dport 80 drop"):  # as of who was turned off
        within(3 * SOON_S, lambda: "does not answer" in shown(browser, "#live"))
        assert re.fullmatch(r"No answer from ipv6gw since \d\d:\d\d", shown(browser, "h1"))
        assert shown(browser, ".sign") == "?"
        assert shown(browser, ".cards") == cards, "what it said last stays"
        assert browser.evaluate("getComputedStyle(document.querySelector('.cards')).opacity") < "1"
        before = shown(browser, "#told")
        within(2 * SOON_S, lambda: shown(browser, "#told") != before)
        for view in (VIEWS[0], VIEWS[2]):
            scheme = [{"name": "prefers-color-scheme", "value": view.scheme}]
            browser.ask("Emulation.setEmulatedMedia", features=scheme)
            browser.picture(PICTURES / f"silent-{view}.png")
            assert not [each for each in browser.violations() if each["impact"] in SERIOUS]
    within(3 * SOON_S, lambda: shown(browser, "h1") == WELL)
    assert shown(browser, ".sign") == "✓"
    assert shown(browser, "#live") == "Updates by itself."
    del browser.complaints[complaints:]


def heading(browser: Browser) -> str:
    """What the page says first; "" while another one comes in its place, which ends what is asked of it."""
    with suppress(AssertionError):
        return shown(browser, "h1")
    return ""


def test_a_daemon_that_has_ended_is_known_to(site: Site, browser: Browser) -> None:
    """Last. The Pi answers all the same, and what was told is taken away by the unit."""
    browser.show(f"http://{LAN}/", VIEWS[0])
    within(SOON_S, lambda: shown(browser, "#live") == "Updates by itself.")
    complaints = len(browser.complaints)
    [command] = re.findall(rf"^ExecStopPost=(.*{WWW}.*)$", UNIT.read_text(), re.MULTILINE)
    site.living.__exit__()
    site.tunnel.pi.program(*command.split())
    try:
        within(2 * SOON_S, lambda: heading(browser) == "Nothing is known now")
    finally:
        site.living.__enter__()
    within(CARRIES_S, lambda: heading(browser) == WELL)
    del browser.complaints[complaints:]
