"""The very image file boots on QEMU's `virt`, one-armed, with the example configuration: everything that it must do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from image.lab.cables import NIC
from image.lab.card import Card
from image.lab.faults import Fault, fault
from image.lab.machine import VIRT
from image.lab.waiting import until
from tests.figures import Figure
from tests.lab import checks
from tests.verdicts import asked, packet
from tests.vm import on_the_pi
from tests.vm.conftest import EXAMPLE, Booted, booting, booting_again
from tests.vm.kept import kept_connection
from tests.vm.knocking import FIRST, Knocking, knocking
from tests.vm.scanned import exposed, finds_only
from tests.vm.verdicts import INSIDE, PLACES, at_gateway, crossed, give_second_arm

pytestmark = pytest.mark.vm
AGAIN = "knocking-again"
NOTHING_DIFFERS = "Nothing differs, nothing would be done.\n"
AS_PI = ("runuser", "-u", "pi", "--")
AS_NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


@pytest.fixture(scope="module")
def gateway(gateway_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    folder = tmp_path_factory.mktemp("virt")
    with booting(gateway_image, folder, VIRT, EXAMPLE.read_text(), knocked=True) as booted:
        yield booted


def test_ready(gateway: Booted) -> None:
    """The guest's own verdict: the appliance is ready, its initrd did its work, and no unit has failed."""
    on_the_pi.is_ready(gateway.guest, timeout_s=on_the_pi.READY_S)


def test_nothing_gets_in_at_the_first_boot(gateway: Booted) -> None:
    """Of this card: nothing is there yet of what the daemon writes. From before it had power until it was ready."""
    has_let_nobody_in(gateway, FIRST)


def has_let_nobody_in(booted: Booted, name: str) -> None:
    """Who knocked, and has that log, got to the Pi, and nothing came of it."""
    knocks = Knocking(booted.lab.world.log(name))
    assert knocks.sent > 1000
    assert knocks.came == []
    assert on_the_pi.received(booted.guest, NIC) > 1000


def test_the_configuration_is_for_those_who_may_become_root(gateway: Booted) -> None:
    """It may hold secrets; whoever logs in may look at it."""
    for name in ("appliance.yaml", "appliance-status.txt"):
        assert gateway.guest.ask([*AS_NOBODY, "cat", f"/boot/firmware/{name}"]).code == 1
    assert gateway.guest.run(*AS_PI, "cat", "/boot/appliance.yaml") == gateway.config


def test_plan_and_explain(gateway: Booted) -> None:
    guest = gateway.guest
    assert guest.run("appliance", "plan") == NOTHING_DIFFERS
    told = guest.run("appliance", "explain", "tunnel")
    line = 1 + EXAMPLE.read_text().splitlines().index("tunnel:")
    assert told.startswith(f"tunnel: appliance.yaml line {line}\n")
    for part in ("files", "firewall", "sysctls", "tunnel", "tunnel-sysctls", "addresses", "routes", "reach"):
        assert f"\n{part}: ok\n  as wanted:\n" in told
    assert re.search(r"\nlately \(UTC\):\n.* tunnel: make tunnel he-ipv6 from ", told, re.DOTALL)
    assert "routes: ok\n" in guest.run("appliance", "explain", "::/0")
    wrong = guest.ask(["appliance", "explain", "tunel"])
    assert wrong.code == 2
    assert "nothing here is called 'tunel'" in wrong.output
    assert "did you mean tunnel" in wrong.output
    assert guest.ask(["appliance", "confirm"]).code == 2
    assert guest.ask([*AS_NOBODY, "appliance", "plan"]).code == 0


def test_plan_for_another_configuration(gateway: Booted) -> None:
    guest = gateway.guest
    guest.write("/root/new.yaml", gateway.config.replace("lease: 12h", "lease: 1h"))
    told = guest.run("appliance", "plan", "/root/new.yaml")
    line = next(at for at, text in enumerate(gateway.config.splitlines(), 1) if "lease:" in text)
    assert f"(new.yaml line {line} lan.dhcp4.lease, " in told
    assert "  would: write /etc/appliance/dnsmasq.conf" in told
    assert guest.run("appliance", "plan") == NOTHING_DIFFERS
    assert on_the_pi.status(guest)["trial"] == ""
    guest.write("/run/new.yaml", gateway.config)
    refused = guest.ask([*AS_NOBODY, "appliance", "plan", "/run/new.yaml"])
    assert refused.code == 2
    assert "only root" in refused.output


def test_nobody_else_manages_the_network(gateway: Booted) -> None:
    """The first boot enables every unit that no preset disables."""
    for unit in ("systemd-networkd.service", "nftables.service"):
        assert gateway.guest.ask(["systemctl", "is-enabled", unit]).output.strip() == "disabled"
        assert gateway.guest.ask(["systemctl", "is-active", unit]).output.strip() == "inactive"


def test_slaac(gateway: Booted) -> None:
    checks.gives_slaac_address(gateway.lab)


def test_advertisement(gateway: Booted) -> None:
    checks.advertises(gateway.lab)


def test_lease(gateway: Booted) -> None:
    checks.gives_lease(gateway.lab, gateway.appliance)


def test_dns(gateway: Booted) -> None:
    checks.resolves(gateway.lab)


def test_dns_over_ipv6(gateway: Booted) -> None:
    """Through the server that the router advertisement names."""
    server = gateway.lab.client.advertised_dns()
    checks.resolves_over_ipv6(gateway.lab, server)


def test_own_name(gateway: Booted) -> None:
    server = str(gateway.lab.site.pi_lan.ip)
    name = f"{gateway.appliance.hostname}.localnet"
    assert gateway.lab.client.resolve(name, "A", server=server) == [server]


def test_announced_by_its_name(gateway: Booted) -> None:
    """`<hostname>.local` is the Pi, as a multicast DNS responder tells whoever asks it (RFC 6762, 6.7)."""
    server = str(gateway.lab.site.pi_lan.ip)
    name = f"{gateway.appliance.hostname}.local"
    assert gateway.lab.client.run("dig", "+short", "-p", "5353", f"@{server}", name, "A").split() == [server]


def test_internet(gateway: Booted) -> None:
    checks.reaches_the_internet(gateway.lab)


def test_nothing_is_refused(gateway: Booted) -> None:
    """The tunnel server saw no source address that is not the tunnel's, nor anything else that it must drop."""
    refused = gateway.lab.outside.refused()
    del refused["link-local"]
    assert not refused


@pytest.fixture(scope="module")
def untold(gateway: Booted) -> str:
    """A changed setting. No message tells of it: the daemon looks every minute, and other tests run meanwhile."""
    setting = "/proc/sys/net/ipv6/conf/he-ipv6/accept_ra"
    gateway.guest.write(setting, "1")
    return setting


@pytest.mark.usefixtures("untold")
def test_closed_and_logged(gateway: Booted) -> None:
    on_the_pi.keeps_everybody_out(gateway.guest, gateway.lab, NIC)
    for address in (gateway.lab.client.slaac_address(), gateway.lab.site.tunnel_client.ip):
        on_the_pi.logs_attempt(gateway.guest, gateway.lab, address, 22)


def test_the_firewall_in_words(gateway: Booted) -> None:
    """As the user who has logged in has them, without sudo: he may see the kernel's log."""
    guest, line = gateway.guest, 1 + gateway.config.splitlines().index("    - to: 2001:db8:123d:abc::2")
    asked = ("--from", "outside", "--to", "2001:db8:123d:abc::2", "--port", "tcp/80")
    told = guest.run(*AS_PI, "appliance", "firewall", "test", *asked).splitlines()
    assert told[0].endswith(" to 2001:db8:123d:abc::2 port 80: allow")
    assert f"appliance.yaml line {line} firewall.allow_in[0]" in told[1]
    told = guest.run(*AS_PI, "appliance", "firewall", "explain").splitlines()
    assert len([each for each in told if f" {line} " in f"{each} "]) == 2
    assert re.search(r" by \S+ to \S+: \w+", told[-1])


def test_status_page(gateway: Booted, figure: Figure) -> None:
    """By the name that the Pi is announced by; the outside gets nothing."""
    guest, client = gateway.guest, gateway.lab.client
    name, server = f"{gateway.appliance.hostname}.local", str(gateway.lab.site.pi_lan.ip)

    def get(path: str) -> str:
        words = ("--silent", "--show-error", "--fail", "--max-time", "20", "--resolve", f"{name}:80:{server}")
        return client.run("curl", *words, f"http://{name}{path}")

    title = f"<title>{gateway.appliance.hostname}: Everything works</title>"
    until(lambda: title in get("/"), "the page says that everything works", timeout_s=60, every_s=2)
    assert 'appliance_state{sign="good"} 1\n' in get("/metrics")
    assert "@media (prefers-color-scheme: dark)" in get("/page/page.css")
    for own in (gateway.lab.site.tunnel_client.ip, gateway.lab.site.routed[1]):
        checks.keeps_out(gateway.lab, own, 80)
    unit = "appliance-lighttpd.service"
    assert guest.ask(["systemctl", "is-enabled", "lighttpd.service"]).output.strip() == "masked", "Debian's own"
    pid = guest.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
    status = dict(line.split(":\t", 1) for line in guest.run("cat", f"/proc/{pid}/status").splitlines())
    assert status["Uid"].split()[0] != "0"
    rss_kb = int(status["VmRSS"].split()[0])
    figure(f"lighttpd in the gateway's image: RSS {rss_kb} kB")
    assert rss_kb <= 4096


def test_allowed(gateway: Booted) -> None:
    checks.lets_in(gateway.lab, 80, 443)


def test_nmap_finds_what_is_allowed_and_nothing_else(gateway: Booted) -> None:
    lab = gateway.lab
    address = checks.give_web_host_its_address(lab)
    with lab.web.listening(80, 443, 22, 8080):
        finds_only(lab, address, 80, 443)
    for own in (lab.site.tunnel_client.ip, lab.site.routed[1]):
        finds_only(lab, own)
    with exposed(lab.world, lab.site.pi_uplink.ip) as address_outside:
        finds_only(lab, address_outside)


def test_full_packets(gateway: Booted) -> None:
    checks.passes_full_packets(gateway.lab)


def test_mss(gateway: Booted) -> None:
    checks.clamps_mss(gateway.lab)


def test_tunnel_server_only(gateway: Booted) -> None:
    on_the_pi.refuses_tunnel_packets_from_strangers(gateway.guest, gateway.lab)
    on_the_pi.refuses_tunnel_packets_from_the_lan(gateway.guest, gateway.lab)


def test_report_on_the_card(gateway: Booted) -> None:
    """What somebody without a screen reads: taken from the card's FAT partition itself."""
    on_the_pi.reports(gateway.guest, "UP: everything")
    gateway.guest.run("sync")
    report = Card(gateway.guest.card).read("appliance-status.txt")
    assert "UP: everything" in report
    for address in (gateway.lab.site.pi_uplink, gateway.lab.site.tunnel_client):
        assert str(address) in report


def test_what_nobody_tells_of_comes_back(gateway: Booted, untold: str) -> None:
    until(lambda: gateway.guest.run("cat", untold).strip() == "0", "accept_ra is off again", timeout_s=75, every_s=2)


FOREIGN = """\
link add foreign0 address 02:00:00:00:00:09 type dummy
link set foreign0 up
address add 10.9.9.1/24 dev foreign0
route add 10.9.8.0/24 via 10.9.9.2 dev foreign0 table 99
rule add from 10.9.9.0/24 lookup 99
link add foreign1 type sit local 192.168.1.252 remote 203.0.113.9
address add 10.9.7.1/24 dev eth0
"""
"""What somebody else has set up, in the words of `ip`: beside ours, and on our interface."""
NOT_FOREIGN = "link delete foreign0\nlink delete foreign1\nrule delete lookup 99\naddress delete 10.9.7.1/24 dev eth0\n"
SHOWN = (
    ("-d", "link", "show", "dev", "foreign0"),
    ("-d", "link", "show", "dev", "foreign1"),
    ("route", "show", "table", "99"),
    ("rule", "show"),
    ("-4", "address", "show", "to", "10.9.0.0/16"),
)
TAKINGS = {
    "tunnel": "ip link delete he-ipv6",
    "unit": "systemctl stop appliance-dnsmasq.service",
    "link": "ip link set eth0 down; ip link set eth0 up",  # the kernel says nothing of the IPv4 routes that go with it
}


@pytest.fixture(scope="class")
def foreign(gateway: Booted) -> Iterator[list[str]]:
    """As it is before anything is taken away, interfaces with their numbers."""
    batch(gateway, FOREIGN)
    yield shown(gateway, *SHOWN)
    batch(gateway, NOT_FOREIGN)


class TestTakenAway:
    """What is ours comes back at once; what somebody else has set up beside it is not touched."""

    @pytest.mark.parametrize("taking", TAKINGS)
    def test_comes_back(self, gateway: Booted, foreign: list[str], taking: str) -> None:
        guest = gateway.guest
        on_the_pi.is_ready(guest, timeout_s=60)
        before = on_the_pi.holds(guest)
        guest.run("sh", "-c", TAKINGS[taking])
        until(lambda: on_the_pi.holds(guest) == before, f"there again is {before}", timeout_s=20, every_s=0.5)
        assert shown(gateway, *SHOWN) == foreign
        # Who was without its tunnel for too long was without its way out as well, and has it back after 30 s of health.
        until(lambda: checks.has_way_out(gateway.lab), "the client has a way out", timeout_s=90)
        checks.reaches_the_internet(gateway.lab)
        checks.gives_lease(gateway.lab, gateway.appliance)
        checks.resolves(gateway.lab)
        on_the_pi.is_ready(guest, timeout_s=60)


def batch(gateway: Booted, commands: str) -> None:
    answer = gateway.guest.ask(["ip", "-batch", "-"], stdin=commands)
    assert answer.code == 0, answer.output


def shown(gateway: Booted, *what: tuple[str, ...]) -> list[str]:
    return [line for words in what for line in gateway.guest.run("ip", *words).splitlines()]


USERS_PORT = 8443
NOT_DECIDING = r"^#|^:\S+ -$|^-A ufw.* -j LOG |^-A ufw6?-\S*(logging|not-local)"
"""Lines of iptables-save."""


class TestUfwByHand:
    """What somebody does with ufw himself: his rules stay, and whatever it is, nothing else gets in meanwhile."""

    def test_a_rule_of_his_own(self, gateway: Booted) -> None:
        assert gateway.lab.outside.knock(gateway.lab.site.tunnel_client.ip, USERS_PORT) == checks.CLOSED
        gateway.guest.run("ufw", "allow", f"{USERS_PORT}/tcp", timeout_s=120)
        admits_to_the_users_port(gateway)

    def test_it_does_not_stay_off(self, gateway: Booted) -> None:
        """Or it would be at the next boot, until the daemon runs."""
        guest, path = gateway.guest, "/etc/ufw/ufw.conf"
        guest.write(path, "ENABLED=no\n")
        until(lambda: "ENABLED=yes" in guest.run("cat", path), "ufw is on", timeout_s=20)

    def test_a_reload_lets_nothing_in_and_changes_nothing(self, gateway: Booted, figure: Figure) -> None:
        """One: it starts program after program, which takes an emulator most of a minute. `tests/netns` has many."""
        guest, lab, before = gateway.guest, gateway.lab, rules(gateway)
        with knocking(lab, lab.client.slaac_address(), "knocking-reload") as knocks, kept_connection(lab) as kept:
            began = time.monotonic()
            guest.run("ufw", "reload", timeout_s=300)
            took_s = time.monotonic() - began
            until(lambda: guest.run("appliance", "plan") == NOTHING_DIFFERS, "all is right", timeout_s=180, every_s=1)
            answers, sent = kept.answers, knocks.sent
            until(lambda: kept.answers > answers, "the connection lives on", timeout_s=15)
            until(lambda: knocks.sent > sent, "somebody knocks still", timeout_s=10)
        figure(f"a reload of ufw took {took_s:.0f} s: {sent} knocks, {answers} datagrams answered")
        assert sent > 1000
        assert knocks.came == []
        assert kept.lost == 0
        assert rules(gateway) == before
        admits_to_the_users_port(gateway)


def rules(gateway: Booted) -> list[str]:
    """Those of both families, and the policies, without what they have counted.

    Not what ufw has for its log: after a reload that is otherwise than after a boot, and nothing is decided there.
    """
    saved = "".join(gateway.guest.run(f"{name}-save") for name in ("iptables", "ip6tables"))
    lines = (line.partition(" [")[0] for line in saved.splitlines())
    return [line for line in lines if not re.search(NOT_DECIDING, line)]


def admits_to_the_users_port(gateway: Booted) -> None:
    """Nobody listens there, and says so."""
    for address in (
        gateway.lab.site.tunnel_client.ip,
        on_the_pi.address_in(gateway.guest, gateway.lab.site.routed, NIC),
    ):
        assert gateway.lab.outside.knock(address, USERS_PORT) == "refused"


class TestFirewallGone:
    """Without the firewall the checks fail; and the daemon puts it back."""

    def test_checks_fail_and_firewall_returns(self, gateway: Booted) -> None:
        guest, lab = gateway.guest, gateway.lab
        guest.run("systemctl", "stop", "appliance.service")
        on_the_pi.open_the_firewall(guest)
        with pytest.raises(AssertionError):
            on_the_pi.keeps_everybody_out(guest, lab, NIC)
        with pytest.raises(TimeoutError):
            on_the_pi.logs_attempt(guest, lab, lab.client.slaac_address(), 22, timeout_s=3)
        with pytest.raises(TimeoutError):
            on_the_pi.refuses_tunnel_packets_from_strangers(guest, lab, timeout_s=3)
        with pytest.raises(TimeoutError):
            on_the_pi.refuses_tunnel_packets_from_the_lan(guest, lab, timeout_s=3)
        with pytest.raises(AssertionError):
            checks.clamps_mss(lab)
        with knocking(lab, checks.give_web_host_its_address(lab), "knocking-open") as knocks:
            until(lambda: knocks.ways == {"bare", "tunnel", "inside"}, "answers", timeout_s=5)
        guest.run("systemctl", "start", "appliance.service", timeout_s=120)
        on_the_pi.is_ready(guest, timeout_s=120)
        on_the_pi.keeps_everybody_out(guest, lab, NIC)
        checks.clamps_mss(lab)


def test_a_daemon_that_may_not_do_its_work_says_so_once(gateway: Booted) -> None:
    guest, drop_in = gateway.guest, "/run/systemd/system/appliance.service.d"
    guest.run("mkdir", "-p", drop_in)
    guest.write(f"{drop_in}/test.conf", "[Service]\nCapabilityBoundingSet=~CAP_NET_ADMIN\n")
    try:
        guest.run("systemctl", "daemon-reload")
        assert guest.ask(["systemctl", "restart", "appliance.service"], timeout_s=120).code
        time.sleep(5)  # RestartSec is 2
        shown = ["systemctl", "show", "appliance.service", "--property=ActiveState,NRestarts,ExecMainStatus"]
        assert sorted(guest.run(*shown).split()) == ["ActiveState=failed", "ExecMainStatus=77", "NRestarts=0"]
        said = on_the_pi.journal(guest, "--unit=appliance.service", "--lines=6")
        assert [line for line in said if "it lacks CAP_NET_ADMIN" in line] == [
            "error: the daemon may not change the network: it lacks CAP_NET_ADMIN"
        ]
        assert not [line for line in said if "Traceback" in line]
    finally:
        guest.run("rm", "-r", drop_in)
        guest.run("systemctl", "daemon-reload")
        guest.run("systemctl", "restart", "appliance.service", timeout_s=120)
    on_the_pi.is_ready(guest, timeout_s=120)


class TestBrokenLater:
    """Somebody makes a mistake in appliance.yaml: the last good configuration stays in force, across a restart too."""

    def test_last_good_stays(self, gateway: Booted) -> None:
        guest, lab = gateway.guest, gateway.lab
        broken = gateway.config.replace("2001:db8:123d:abc::/64", "2001:db8:123d:abc::/640")
        line = next(at for at, text in enumerate(broken.splitlines(), 1) if "/640" in text)
        guest.write(on_the_pi.CONFIG, broken)
        for has_begun_anew in (False, True):
            if has_begun_anew:
                guest.run("systemctl", "restart", "appliance.service", timeout_s=120)
            status = on_the_pi.reaches_state(guest, "config-error")
            assert [problem["line"] for problem in status["problems"]] == [line]
            assert status["configuration"] == "last good configuration"
            on_the_pi.reports(guest, f"ERROR line {line}")
            checks.reaches_the_internet(lab)
        guest.write(on_the_pi.CONFIG, gateway.config)
        on_the_pi.reaches_state(guest, "ready")


class TestFaultOutside:
    def test_tunnel_recovers(self, gateway: Booted) -> None:
        with fault(gateway.lab.world, Fault.PROTO41), pytest.raises(Exception, match="curl"):
            checks.reaches_the_internet(gateway.lab, timeout_s=3)
        checks.reaches_the_internet(gateway.lab)


@pytest.fixture(scope="module")
def before(gateway: Booted) -> on_the_pi.Traces:
    """The first boot's, once it is ready and the client has its addresses, whichever tests ran before."""
    on_the_pi.is_ready(gateway.guest, timeout_s=on_the_pi.READY_S)
    checks.gives_slaac_address(gateway.lab)
    checks.gives_lease(gateway.lab, gateway.appliance)
    return on_the_pi.traces(gateway.guest)


@pytest.fixture(scope="module")
def again(gateway: Booted, before: on_the_pi.Traces) -> Iterator[Booted]:
    """Somebody outside knocks from before the first boot's end until it is ready."""
    with ExitStack() as outside:
        outside.enter_context(knocking(gateway.lab, gateway.lab.client.slaac_address(), AGAIN))
        with booting_again(gateway, VIRT) as booted:
            on_the_pi.is_ready(booted.guest, timeout_s=on_the_pi.READY_S)
            outside.close()
            yield booted


@pytest.fixture(scope="module")
def after(again: Booted) -> on_the_pi.Traces:
    return on_the_pi.traces(again.guest)


class TestSecondBoot:
    """The same card, once more: what the first boot made is kept. These come last: the first boot is over."""

    def test_nothing_gets_in_from_one_boot_to_the_next(self, again: Booted) -> None:
        has_let_nobody_in(again, AGAIN)
        order = [on_the_pi.since_boot(again.guest, unit) for unit in ("ufw.service", "network-pre.target")]
        assert order == sorted(order)

    def test_the_users_rule_is_there(self, again: Booted) -> None:
        admits_to_the_users_port(again)

    def test_the_same_machine(self, before: on_the_pi.Traces, after: on_the_pi.Traces) -> None:
        assert after.boot_id != before.boot_id
        assert after.machine_id == before.machine_id
        names = sorted(line.split()[-1] for line in before.host_keys.splitlines())
        assert names == ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"]
        assert after.host_keys == before.host_keys

    def test_no_file_is_rendered_again(self, before: on_the_pi.Traces, after: on_the_pi.Traces) -> None:
        """But what holds now: from power-on no IPv6 is offered, until the tunnel is known to carry."""
        assert before.written, "the first boot shows what is looked for"
        assert after.said
        assert after.written == ["files: write /run/appliance/dnsmasq.conf"]

    def test_dnsmasq_is_restarted_once(self, after: on_the_pi.Traces) -> None:
        """With what holds now."""
        assert after.dnsmasq_starts == 2
        assert len([line for line in after.said if "start appliance-dnsmasq" in line]) == 1

    def test_the_client_keeps_working(self, again: Booted) -> None:
        """With the addresses that it has had since the first boot."""
        checks.resolves(again.lab)
        checks.reaches_the_internet(again.lab)
        on_the_pi.keeps_everybody_out(again.guest, again.lab, NIC)

    def test_the_report_is_of_this_boot(self, again: Booted) -> None:
        on_the_pi.reports(again.guest, "UP: everything")
        since = re.search(r"^btime (\d+)$", again.guest.run("cat", "/proc/stat"), re.MULTILINE)
        assert since
        assert int(again.guest.run("stat", "--format=%Y", on_the_pi.REPORT)) >= int(since[1])


class TestVerdicts:
    """The standard policy, packet by packet. After all others: the gateway has another inside from here on."""

    def test_who_may_send_what_to_whom(self, again: Booted) -> None:
        give_second_arm(again.guest, again.config)
        # The tunnel is up: what seems to be its server's belongs to a connection that is known, whoever sends it.
        sendable = [(row, family) for row, family in asked() if "as-broker" not in row.what]
        sent = [packet(PLACES, row.source, row.destination, row.what, family) for row, family in sendable]
        passed = crossed(again.guest, again.lab.world, INSIDE, partial(at_gateway, again.lab), sent)
        found = {(str(row), family): has for (row, family), has in zip(sendable, passed, strict=True)}
        assert found == {(str(row), family): row.verdicts[family] for row, family in sendable}
