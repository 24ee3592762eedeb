"""A first boot with a mistake in appliance.yaml: ssh with the keys that could be read, and a report that says the line.

Then the mistake is corrected, without a reboot, and the appliance comes up: two-armed, its LAN on a second NIC.
What is saved there is on trial, and at the end the power is cut in the middle of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from image.lab import site as places
from image.lab.card import Card
from image.lab.gateway import Lab
from image.lab.guest import Guest
from image.lab.machine import VIRT
from image.lab.services import home_dhcp
from image.lab.topology import CLIENT, ROUTER, forward_tunnel
from image.lab.waiting import until
from image.run import run
from tests.lab import checks
from tests.vm import on_the_pi
from tests.vm.conftest import LAN_ADDRESS, Booted, booting, booting_again, two_armed

pytestmark = pytest.mark.vm
RIGHT, WRONG = "192.168.1.254", "192.168.1.2540"


def key(folder: Path, name: str) -> Path:
    """A new ssh key pair: the private one."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name])
    return folder / name


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The owner's and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    return key(folder, "owner"), key(folder, "stranger")


@pytest.fixture(scope="module")
def gateway(gateway_image: Path, keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    public_key = keys[0].with_suffix(".pub").read_text().strip()
    config = re.sub(r"ssh-ed25519 .*", public_key, two_armed())
    folder = tmp_path_factory.mktemp("recovery")
    with (
        booting(gateway_image, folder, VIRT, config.replace(RIGHT, WRONG), around=config) as booted,
        home_dhcp(booted.lab.world, booted.lab.site),
    ):
        yield booted


def test_says_the_line(gateway: Booted) -> None:
    line = next(at for at, text in enumerate(gateway.config.splitlines(), 1) if WRONG in text)
    status = on_the_pi.reaches_state(gateway.guest, "config-error", timeout_s=on_the_pi.READY_S)
    assert [problem["line"] for problem in status["problems"]] == [line]
    gateway.guest.run("sync")
    assert f"ERROR line {line}" in Card(gateway.guest.card).read("appliance-status.txt")


def test_ssh(gateway: Booted, keys: tuple[Path, Path]) -> None:
    address = until(lambda: leased_address(gateway), "the Pi has an address by DHCP", timeout_s=90, every_s=1)
    owner, stranger = keys
    assert ssh(gateway.lab, address, owner) == "pi"
    with pytest.raises(PermanentError, match="Permission denied"):
        ssh(gateway.lab, address, stranger)


def leased_address(gateway: Booted) -> IPv4Address | None:
    words = gateway.guest.run("ip", "-4", "-o", "address", "show", "dev", "eth0", "scope", "global")
    found = re.search(r"inet ([\d.]+)/", words)
    return IPv4Address(found[1]) if found else None


def ssh(lab: Lab, address: IPv4Address | None, identity: Path, *, namespace: str = ROUTER) -> str:
    """Who one is when logged in with that key, from the network that the Pi's uplink is on if from no other."""
    return lab.world.run(namespace, login(address, identity, "id", "-un")).strip()


def login(address: IPv4Address | None, identity: Path, *command: str) -> list[str | Path]:
    options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
    words = [word for option in options for word in ("-o", option)]
    return ["ssh", "-i", identity, *words, f"pi@{address}", *command]


def test_corrected(gateway: Booted) -> None:
    gateway.guest.write(on_the_pi.CONFIG, gateway.config.replace(WRONG, RIGHT))
    on_the_pi.is_ready(gateway.guest, timeout_s=120)


def test_two_armed(gateway: Booted) -> None:
    lab = gateway.lab
    checks.gives_slaac_address(lab)
    checks.gives_lease(lab, gateway.appliance)
    checks.resolves(lab)
    checks.reaches_the_internet(lab)
    checks.passes_full_packets(lab)
    checks.clamps_mss(lab)
    checks.lets_in(lab, 80, 443)
    on_the_pi.keeps_everybody_out(gateway.guest, lab, "eth1")


def test_a_domain_that_refuses_tunnels_has_no_ipv6_addresses(gateway: Booted) -> None:
    client, config = gateway.lab.client, right(gateway)
    gateway.guest.write(on_the_pi.CONFIG, config.replace("tunnel:\n", "tunnel:\n  ipv4_only: [example.net]\n"))
    asked = partial(client.resolve, places.SERVER_NAME, server=str(LAN_ADDRESS))
    until(lambda: not asked("AAAA"), "it has none, or nobody answers", timeout_s=60, every_s=1)
    on_the_pi.is_ready(gateway.guest, timeout_s=60)
    until(lambda: asked("A") == [str(places.NAMED_IPV4)], "somebody answers", timeout_s=60, every_s=1)
    assert asked("AAAA") == []
    gateway.guest.write(on_the_pi.CONFIG, config)
    until(lambda: asked("AAAA") == [str(places.NAMED_IPV6)], "it has one again", timeout_s=60, every_s=1)


def test_a_change_that_cuts_nobody_is_kept(gateway: Booted, keys: tuple[Path, Path]) -> None:
    config = right(gateway).replace("192.168.2.210", "192.168.2.200")
    with session(gateway, keys[0]):
        gateway.guest.write(on_the_pi.CONFIG, config)
        until(lambda: last_good(gateway) == config, "it is the last good one", timeout_s=60, every_s=1)
    on_the_pi.is_ready(gateway.guest, timeout_s=60)


def test_a_mistake_that_cuts_a_session_is_undone(gateway: Booted, keys: tuple[Path, Path]) -> None:
    """The LAN has another network than the one who is logged in."""
    guest, config = gateway.guest, last_good(gateway)
    with session(gateway, keys[0]):
        guest.write(on_the_pi.CONFIG, config.replace("192.168.2.", "192.168.7."))
        until(lambda: "on trial" in on_the_pi.told(guest).get("trial", ""), "it is on trial", timeout_s=60)
        assert last_good(gateway) == config
        status = on_the_pi.reaches_state(guest, "config-error", timeout_s=150)
        assert "ssh over eth1" in status["refused"]
    assert ssh(gateway.lab, LAN_ADDRESS, keys[0], namespace=CLIENT) == "pi"
    assert guest.ask(["appliance", "confirm"]).code, "there is nothing to be kept"


def test_whoever_moves_it_confirms(gateway: Booted, keys: tuple[Path, Path]) -> None:
    guest, config = gateway.guest, last_good(gateway)
    with session(gateway, keys[0]):
        moved = config.replace("192.168.2.", "192.168.7.")
        guest.write(on_the_pi.CONFIG, moved + "# again\n")
        until(lambda: "on trial" in on_the_pi.told(guest).get("trial", ""), "it is on trial", timeout_s=60)
        guest.run("appliance", "confirm")
        until(lambda: last_good(gateway) == moved + "# again\n", "it is the last good one", timeout_s=30, every_s=1)
        guest.write(on_the_pi.CONFIG, config)  # in the test that follows it is looked for where it was
    until(lambda: last_good(gateway) == config, "it is back", timeout_s=90, every_s=1)
    on_the_pi.is_ready(guest, timeout_s=120)


def right(gateway: Booted) -> str:
    return gateway.config.replace(WRONG, RIGHT)


def last_good(gateway: Booted) -> str:
    return gateway.guest.run("cat", "/var/lib/appliance/last-good.yaml")


@contextmanager
def session(gateway: Booted, identity: Path) -> Iterator[None]:
    """Somebody on the LAN is logged in while the block runs, and does nothing."""
    with gateway.lab.world.running(CLIENT, login(LAN_ADDRESS, identity, "sleep", "600"), log="session"):
        connected = ["ss", "-Htn", "state", "established", "sport", "=", ":22"]
        until(lambda: gateway.guest.run(*connected).strip(), "somebody is logged in", timeout_s=60, every_s=1)
        yield


def test_whoever_logs_in_is_greeted_with_the_state(gateway: Booted, keys: tuple[Path, Path]) -> None:
    """With nothing else, and is told when the daemon does not run."""
    greeted = greeting(gateway, keys[0], "greeting", until_it_says="More: ")
    assert greeted.lstrip().startswith("ipv6gw (gateway): UP: ")
    assert "WARRANTY" not in greeted
    [way] = [line for line in greeted.splitlines() if " router " in line]
    assert way.split()[::2] == ["LAN", "ipv6gw", "router", "tunnel", "IPv6"]
    gateway.guest.run("systemctl", "stop", "appliance")
    try:
        assert "UP" not in greeting(gateway, keys[0], "greeting-without", until_it_says="daemon does not run")
    finally:
        gateway.guest.run("systemctl", "start", "appliance")
    on_the_pi.is_ready(gateway.guest, timeout_s=120)
    assert "Starting appliance.service" in gateway.guest.run("appliance", "logs", "-n", "1000")
    assert not re.search(r" (dnsmasq|lighttpd|sh)\[", gateway.guest.run("appliance", "logs"))
    everything = gateway.guest.run("appliance", "logs", "--all", "-n", "10000")
    assert " dnsmasq[" in everything and " lighttpd[" in everything
    assert not re.search("DHCPACK|RTR-ADVERT", everything)


def greeting(gateway: Booted, identity: Path, log: str, *, until_it_says: str) -> str:
    """What somebody is shown who logs in at a terminal, in the machine's own good time."""
    ssh, *words = login(LAN_ADDRESS, identity)
    with gateway.lab.world.running(CLIENT, [ssh, "-tt", "-o", "LogLevel=ERROR", *words], log=log):
        shown = gateway.lab.world.log(log)
        until(lambda: until_it_says in shown.read_text(), f"one is greeted: {until_it_says}", timeout_s=120, every_s=1)
    return shown.read_text()


def test_ipv4_behind_nat(gateway: Booted) -> None:
    """The LAN's IPv4 goes through the Pi, which hides it behind its own address."""
    lab = gateway.lab
    [router] = lab.client.dhcp_lease().routers
    lab.client.run("ip", "route", "replace", "default", "via", str(router))
    assert lab.client.resolve(places.SERVER_NAME, "A", server=str(lab.site.resolvers[0])) == [str(places.NAMED_IPV4)]


def test_uplink_by_dhcp(gateway: Booted) -> None:
    """NetworkManager takes the wire over, and the tunnel follows the address that the home router gives."""
    lines = re.compile(r"  (address: 192\.168\.1\.252/24|gateway: 192\.168\.1\.254)\n")
    config, removed = lines.subn("", gateway.config.replace(WRONG, RIGHT))
    assert removed == 2
    gateway.guest.write(on_the_pi.CONFIG, config)
    leased = until(lambda: another_address(gateway), "the Pi has an address by DHCP", timeout_s=120, every_s=1)
    assert leased
    until(
        lambda: f"local {leased} " in gateway.guest.run("ip", "-d", "link", "show", "he-ipv6"),
        "the tunnel begins at that address",
        timeout_s=60,
        every_s=1,
    )
    forward_tunnel(gateway.lab.world, leased)
    # Until somebody forwarded it, the tunnel may have been dead for so long that it was taken back from the LAN.
    until(lambda: checks.has_way_out(gateway.lab), "the LAN has a way out again", timeout_s=120, every_s=1)
    on_the_pi.is_ready(gateway.guest, timeout_s=120)
    checks.reaches_the_internet(gateway.lab)
    on_the_pi.keeps_everybody_out(gateway.guest, gateway.lab, "eth1")


def another_address(gateway: Booted) -> IPv4Address | None:
    """The uplink's address, once it is not the one that used to be configured."""
    address = leased_address(gateway)
    return None if address == gateway.lab.site.pi_uplink.ip else address


def states(guest: Guest) -> set[str]:
    """In what states the kinds are."""
    return {kind["state"] for kind in on_the_pi.told(guest)["kinds"]}


OLD_LAN, NEW_LAN = "192.168.2.", "192.168.7."
TRIAL = "/var/lib/appliance/trial.json"
LAN_FOLDERS = ("/etc/appliance", "/etc/ufw", "/run/appliance")


def test_a_power_cut_during_a_trial_ends_in_one_of_the_two(gateway: Booted, keys: tuple[Path, Path]) -> None:
    """These come last: the first boot is over. The machine is cut off as soon as the change has been noticed, with
    hardly anything of it done, and then again, with all of it done.
    """
    guest = gateway.guest
    config = guest.run("cat", on_the_pi.CONFIG)
    until(lambda: last_good(gateway) == config, "it is the last good one", timeout_s=90, every_s=1)
    checks.gives_lease(gateway.lab, gateway.appliance)
    with session(gateway, keys[0]):  # which nobody can take up again: the LAN has another network
        guest.write(on_the_pi.CONFIG, config.replace(OLD_LAN, NEW_LAN))
        guest.run("sync", "--file-system", on_the_pi.CONFIG)
        guest.run("sh", "-c", f"until test -e {TRIAL}; do sleep 0.05; done")
        with booting_again(gateway, VIRT, cut=True) as second:
            on_the_pi.is_ready(second.guest, timeout_s=on_the_pi.READY_S)
            status = on_the_pi.status(second.guest)
            assert status["configuration"] == "appliance.yaml"
            assert status["trial"].startswith("on trial for up to ")
            assert last_good(second) == config
            is_whole(second.guest, NEW_LAN, OLD_LAN)
            with booting_again(second, VIRT, cut=True) as third:
                status = on_the_pi.reaches_state(third.guest, "config-error", timeout_s=on_the_pi.READY_S)
                assert status["configuration"] == "last good configuration"
                assert status["refused"] == "the machine went down 2 times while it was tried"
                assert not status["trial"]
                until(lambda: states(third.guest) == {"ok"}, "all of it is right", timeout_s=60, every_s=1)
                on_the_pi.reports(third.guest, "it was tried, and taken back: the machine went down 2 times")
                assert last_good(third) == config
                is_whole(third.guest, OLD_LAN, NEW_LAN)


def is_whole(guest: Guest, mine: str, other: str) -> None:
    """The machine is as one configuration wants it, and nothing in it is of the other."""
    assert guest.run("appliance", "plan") == "Nothing differs, nothing would be done.\n"
    there = [
        guest.run("ip", "-4", "address", "show", "dev", "eth1"),
        guest.run("iptables-save"),
        guest.run("cat", "/run/appliance-dnsmasq/dnsmasq.conf"),
    ]
    for text in there:
        assert mine in text
        assert other not in text
    found = guest.ask(["grep", "-rlF", other, *LAN_FOLDERS])
    assert found.output == ""
