"""Whether what was taken away comes back, with this daemon and with the usual network managers, in one machine.

Each in its turn has the same network card and is configured to the same state, as well as it can be: this daemon by
the example of a gateway and then by two policies, the others by `configured/`. What it holds is then taken away by
the same program, and counted is when *all* of it was there again. None of the others manages that card meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from image.lab.guest import Guest
from tests.bench.booted import Taken, gateway, take_away
from tests.bench.shown import heading, table

ROUNDS, TRIES, PATIENCE_S, SPACING_S = 10, 3, 15.0, 3.0
"""Who has let a thing go for good so many times is not asked further."""
CONFIGURED = Path(__file__).with_name("configured")

TABLE_DEFAULT = "route 0.0.0.0/0 via 192.168.1.254 dev eth0 table 7"
RULE = "rule from 192.168.1.252/32 table 7"
RP_FILTER = "setting net/ipv4/conf/eth0/rp_filter 2"
POLICIES = (TABLE_DEFAULT, RULE, RP_FILTER)
TUNNEL = "tunnel he-ipv6 from 192.168.1.252 to 198.51.100.100"
UPLINK = (
    "link eth0 up",
    "address 192.168.1.252/24 dev eth0",
    "address 2001:db8:123d:abc::1/64 dev eth0",
    "route 192.168.1.0/24 dev eth0 table 254",
    "route 2001:db8:123d:abc::/64 dev eth0 table 254",
    "route 0.0.0.0/0 via 192.168.1.254 dev eth0 table 254",
    "route 198.51.100.100/32 via 192.168.1.254 dev eth0 table 254",
    TUNNEL,
    "link he-ipv6 up",
    "address 2001:db8:123c:abd::2/64 dev he-ipv6",
    "route 2001:db8:123c:abd::/64 dev he-ipv6 table 254",
    "route ::/0 dev he-ipv6 table 254",
    "setting net/ipv6/conf/all/forwarding 1",
    "setting net/ipv6/conf/eth0/accept_ra 0",
)
"""What tests/appliance/examples/gateway.yaml is about, in the words of `taking`."""


@dataclass(frozen=True)
class Taking:
    """Something to be taken away, in the words of `taking`."""

    what: str
    take: str
    rounds: int = ROUNDS
    patience_s: float = PATIENCE_S


ADDRESS = Taking("IPv4 address deleted", "address 192.168.1.252/24 dev eth0")
ADDRESS_IPV6 = Taking("IPv6 address deleted", "address 2001:db8:123d:abc::1/64 dev eth0")
DEFAULT = Taking("default route deleted", "route 0.0.0.0/0 via 192.168.1.254 dev eth0 table 254")
STATIC = Taking("static route deleted", "route 198.51.100.100/32 via 192.168.1.254 dev eth0 table 254")
IN_TABLE = Taking("default route of table 7 deleted", TABLE_DEFAULT)
BY_RULE = Taking("routing policy rule deleted", RULE)
SIT = Taking("6in4 tunnel's link deleted", TUNNEL)
DOWN = Taking("link set down", "down eth0")
FLAP = Taking("link set down and at once up again", "flap eth0")
FORWARDING = Taking("net.ipv6.conf.all.forwarding changed", "write net/ipv6/conf/all/forwarding 0")
FILTER = Taking("net.ipv4.conf.eth0.rp_filter changed", "write net/ipv4/conf/eth0/rp_filter 0")
UNTOLD = Taking(
    "net.ipv6.conf.eth0.accept_ra changed",  # the kernel tells nobody
    "write net/ipv6/conf/eth0/accept_ra 1",
    rounds=3,
    patience_s=75.0,
)
TAKINGS = (
    ADDRESS, ADDRESS_IPV6, DEFAULT, STATIC, IN_TABLE, BY_RULE, SIT, DOWN, FLAP, FORWARDING, FILTER, UNTOLD
)  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """Who has the network in its turn, and what is taken from it.

    `begin` and `end` are shell scripts; `again` has it set everything anew after it has let something go. `files` are
    those of `configured/` and where they belong. `wanted` is what it holds; `lacks` says why it is not asked for more.
    """

    name: str
    package: str
    begin: str
    again: str
    end: str
    takings: Sequence[Taking] = TAKINGS
    wanted: Sequence[str] = (*UPLINK, *POLICIES)
    files: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)


OURS = "this daemon"
GATEWAY = Contender(
    OURS,
    "",
    begin="systemctl start appliance",
    again="systemctl restart appliance",
    end="systemctl stop appliance",  # what it has set stays
    takings=[taking for taking in TAKINGS if taking not in (IN_TABLE, BY_RULE, FILTER)],
    wanted=UPLINK,
    lacks={BY_RULE.what: "makes no rules"},
)
POLICY = Contender(
    OURS,
    "",
    begin="ip rule add from 192.168.1.252 table 7 priority 1000; rm /var/lib/appliance/last-good.yaml;"
    "systemctl daemon-reload; systemctl start appliance",
    again="systemctl restart appliance",
    end="systemctl stop appliance",
    takings=(IN_TABLE, FILTER),
    files={
        "custom.yaml": "/etc/appliance/appliance.yaml",
        "custom.conf": "/etc/systemd/system/appliance.service.d/zz-custom.conf",
    },
)
NETWORKD = Contender(
    "systemd-networkd",
    "systemd",
    begin="systemctl start systemd-networkd",
    again="ip link set eth0 up; systemctl restart systemd-networkd",
    end="systemctl stop systemd-networkd.socket systemd-networkd; rm -r /etc/systemd/network",
    files={
        "networkd.conf": "/etc/systemd/networkd.conf.d/gateway.conf",
        "networkd-uplink.network": "/etc/systemd/network/10-uplink.network",
        "networkd-tunnel.netdev": "/etc/systemd/network/10-tunnel.netdev",
        "networkd-tunnel.network": "/etc/systemd/network/10-tunnel.network",
    },
)
SYSCTLS = "sysctl --load=/etc/sysctl.d/gateway.conf"
NETWORKMANAGER = Contender(
    "NetworkManager",
    "network-manager",
    begin="rm /etc/NetworkManager/conf.d/90-appliance.conf; chmod 600 /etc/NetworkManager/system-connections/*;"
    f"{SYSCTLS}; systemctl start NetworkManager",
    again=f"{SYSCTLS}; ip link set eth0 up; nmcli connection up uplink; nmcli connection up tunnel",
    end="systemctl stop NetworkManager",
    takings=[taking for taking in TAKINGS if taking not in (FORWARDING, FILTER)],
    files={
        "networkmanager-uplink.nmconnection": "/etc/NetworkManager/system-connections/uplink.nmconnection",
        "networkmanager-tunnel.nmconnection": "/etc/NetworkManager/system-connections/tunnel.nmconnection",
        "networkmanager-sysctl.conf": "/etc/sysctl.d/gateway.conf",
    },
    lacks=dict.fromkeys((FORWARDING.what, FILTER.what), "has no such setting"),
)
TURNS = ((GATEWAY, POLICY), (NETWORKD,), (NETWORKMANAGER,))
"""One after the other; between two of them everything is removed."""


def measure(folder: Path) -> None:
    """Print it; `folder` is empty."""
    with gateway(folder) as guest:
        compare(guest)


def compare(guest: Guest, turns: Sequence[Sequence[Contender]] = TURNS) -> None:
    """One contender after the other."""
    heading(f"taken away {ROUNDS} times, emulated arm64 (TCG): how often all was there again, and the median time")
    columns, cells = [""], {taking.what: [taking.what] for taking in TAKINGS}
    for turn in turns:
        told: dict[str, str] = {}
        for contender in turn:
            version = _begin(guest, contender)
            told |= contender.lacks
            for taking in contender.takings:
                told[taking.what] = _told(_taken(guest, contender, taking), taking.patience_s)
                print(f"    {contender.name}: {taking.what}: {told[taking.what]}", file=sys.stderr, flush=True)
            guest.run("sh", "-c", contender.end, timeout_s=120)
        columns.append(f"{turn[0].name} {version}".strip())
        for what, row in cells.items():
            row.append(told[what])
        _clean(guest)
    table(columns, list(cells.values()))


def _begin(guest: Guest, contender: Contender) -> str:
    """Its version, once it has been started."""
    for file, path in contender.files.items():
        guest.run("mkdir", "-p", str(Path(path).parent))
        guest.write(path, (CONFIGURED / file).read_text())
    guest.run("sh", "-c", contender.begin, timeout_s=120)
    if not contender.package:
        return ""
    return guest.run("dpkg-query", "--show", "--showformat=${Version}", contender.package).strip()


def _taken(guest: Guest, contender: Contender, taking: Taking) -> Taken:
    return take_away(
        guest,
        taking.take,
        {"wanted": contender.wanted},
        rounds=taking.rounds,
        patience_s=taking.patience_s,
        spacing_s=SPACING_S,
        tries=TRIES,
        again=lambda: guest.run("sh", "-c", contender.again, timeout_s=120),
    )


def _told(taken: Taken, patience_s: float) -> str:
    if not taken.seconds:
        return f"no (0 of {taken.lost} within {patience_s:g} s)"
    count, middle = len(taken.seconds), median(taken.seconds)
    return f"{count} of {count + taken.lost}: {middle:.2f} s, longest {max(taken.seconds):.2f} s"


def _clean(guest: Guest) -> None:
    """Nothing is left of what a contender has set, and nobody acts."""
    guest.run("systemctl", "stop", "appliance", "NetworkManager", timeout_s=120)
    guest.ask(["sh", "-s"], stdin=(CONFIGURED / "clean.sh").read_text())
