"""Several uplinks by each of the real managers: the example as it stands, drift, cables, and what is taken back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from image.lab.waiting import until
from tests.managers.debian import LATE, Debian

pytestmark = pytest.mark.container
WANTED = {"enp0s8": 10, "enp0s9": 11, "enp0s3": 1000}
PATIENCE_S = 60.0
"""A DHCP client may have to ask several times."""

BOOT_S = 30.0
FILES = {
    "networkd": "/etc/systemd/network/05-appliance-enp0s8.network",
    "netplan": "/etc/netplan/95-appliance.yaml",
    "networkmanager": "/etc/NetworkManager/system-connections/appliance-ranked-enp0s8.nmconnection",
    "ifupdown": "/etc/network/interfaces.d/appliance",
}
CONFIG = "/etc/appliance/appliance.yaml"

MEMORY = "/run/appliance/reactions.json"
REACTION = """
routing:
  on_interface_change:
    - interface: "spare*"
      settle: 1s
      at_most_every: 1s
      run: [/bin/sh, -c, "ls /sys/class/net > /srv/interfaces; echo spare has changed"]
uplinks:"""
"""/srv is read-only for the daemon, and for whatever it starts itself."""


def test_the_example_as_it_stands(debian: Debian) -> None:
    reaches(debian, WANTED)
    assert debian.way_out() == "enp0s8"


def test_the_daemon_is_asked_over_the_bus(debian: Debian) -> None:
    """The package's own: units, bus policy and sandbox, under a real systemd."""
    assert debian.run("appliance", "plan").startswith("Nothing")
    assert "enp0s8" in debian.run("appliance", "explain", "uplinks")
    debian.run("appliance", "apply")
    name = "org.appliance.Appliance1"
    call = ("busctl", "call", name, "/org/appliance/Appliance1", name)
    as_nobody = ("setpriv", "--reuid=65534", "--clear-groups")
    assert "uplinks" in debian.run(*as_nobody, *call, "Status")
    assert "denied" in debian.ask(*as_nobody, *call, "Apply").stderr


def test_one_that_is_missing_delays_nothing(debian: Debian) -> None:
    assert LATE in debian.run("cat", FILES[debian.manager].replace("enp0s8", LATE))
    assert LATE not in debian.run("systemctl", "list-jobs")
    booted = debian.run("systemctl", "show", "--value", "--property=FinishTimestampMonotonic")
    began = debian.run("systemctl", "show", "--value", "--property=UserspaceTimestampMonotonic")
    assert int(booted) - int(began) < BOOT_S * 1e6


def test_a_route_of_another_metric_is_put_right(debian: Debian) -> None:
    _, _, gateway, *_ = debian.run("ip", "-4", "route", "show", "default", "dev", "enp0s8").split()
    debian.run("ip", "route", "del", "default", "dev", "enp0s8")
    debian.run("ip", "route", "add", "default", "via", gateway, "dev", "enp0s8", "metric", "5000")
    reaches(debian, WANTED)


def test_a_default_route_that_somebody_took_away_comes_back(debian: Debian) -> None:
    debian.run("ip", "route", "del", "default", "dev", "enp0s8")
    assert debian.way_out() == "enp0s9"
    reaches(debian, WANTED)


def test_a_file_of_ours_that_somebody_takes_away_is_back(debian: Debian) -> None:
    before = debian.run("cat", FILES[debian.manager])
    debian.run("rm", FILES[debian.manager])
    until(lambda: debian.ask("cat", FILES[debian.manager]).stdout == before, "the file is back", timeout_s=PATIENCE_S)
    reaches(debian, WANTED)


def test_without_its_cable_the_next_one_is_used(debian: Debian) -> None:
    debian.cable("enp0s8", in_=False)
    comes(debian, lambda: debian.way_out() == "enp0s9", "packets leave by the next one")
    debian.cable("enp0s8", in_=True)
    comes(debian, lambda: debian.way_out() == "enp0s8", "packets leave by it again")
    reaches(debian, WANTED)


def test_one_that_is_plugged_in_later_has_its_place(debian: Debian) -> None:
    debian.plug_in(LATE)
    reaches(debian, WANTED | {LATE: 12})


def test_another_order_is_done_and_kept(debian: Debian) -> None:
    change(debian, r"enp0s8, dhcp: true, metric: 10", "enp0s8, dhcp: true, metric: 20")
    reaches(debian, WANTED | {LATE: 12, "enp0s8": 20})
    until(lambda: not debian.status()["trial"], "the configuration is kept", timeout_s=PATIENCE_S)
    assert debian.way_out() == "enp0s9"


def test_systemd_runs_a_command_when_interfaces_change(debian: Debian) -> None:
    """Not in the daemon's sandbox; what it prints goes to the journal."""
    change(debian, "uplinks:", REACTION)
    until(lambda: "spare" in debian.ask("cat", MEMORY).stdout, "the policy is known", timeout_s=PATIENCE_S)
    debian.run("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "other0")
    comes(debian, lambda: "spare0" in debian.ask("cat", "/srv/interfaces").stdout, "the command has run")
    until(lambda: not debian.status()["trial"], "the configuration is kept", timeout_s=PATIENCE_S)
    assert "spare has changed" in debian.run("journalctl", "--unit=appliance-run-*", "--output=cat")


def test_what_is_not_wanted_any_more_goes(debian: Debian) -> None:
    """And the machine is left on its network, as others have configured it."""
    change(debian, r"(?s)uplinks:.*", "")
    until(lambda: debian.ask("cat", FILES[debian.manager]).returncode != 0, "the file is gone", timeout_s=PATIENCE_S)
    assert "appliance" not in debian.run("sh", "-c", "cat /etc/network/interfaces || true")
    comes(debian, lambda: debian.metrics().get("enp0s3", 1000) != 1000, "as others have it")


def reaches(debian: Debian, metrics: dict[str, int]) -> None:
    """Wait until the machine has these, and the daemon says so."""
    comes(debian, lambda: debian.metrics() == metrics and is_content(debian), str(metrics))


def comes(debian: Debian, probe: Callable[[], bool], what: str) -> None:
    """Wait for it; where it does not come, tell why."""
    try:
        until(probe, what, timeout_s=PATIENCE_S)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {debian.metrics()} {debian.status()}\n{debian.journal()}") from error


def is_content(debian: Debian) -> bool:
    return any(kind["kind"] == "uplinks" and kind["state"] == "ok" for kind in debian.status().get("kinds", ()))


def change(debian: Debian, what: str, to: str) -> None:
    """Edit appliance.yaml there."""
    before = debian.run("cat", CONFIG)
    after, found = re.subn(what, to, before)
    assert found == 1
    debian.run("sh", "-c", f"cat > {CONFIG}.new <<'END'\n{after}\nEND\nmv {CONFIG}.new {CONFIG}")
