"""Other programs' things beside a gateway's, of every sort, and telling them from what is the daemon's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from firstboot.facts import OURS, Address
from firstboot.tables import Tables
from tests.netns.living import soon
from tests.netns.namespace import Namespace

TUNNELS = """\
link add foreign-sit type sit local 192.168.1.77 remote 198.51.100.100 ttl 255
link add foreign-gre group 96 type gre local 192.168.1.77 remote 198.51.100.7
link add foreign-ip6 type ip6tnl local 2001:db8:66::1 remote 2001:db8:66::9
"""
IP = """\
link add foreign0 type bridge
link add foreign1 mtu 1400 group 7 type veth peer name foreign2
link set foreign1 master foreign0 alias somebody's
link add he-ipv7 group 96 type vxlan id 5 dstport 4789 local 10.66.0.1 remote 10.66.0.9
link set foreign0 up
link set foreign1 up
link set foreign2 up
link set he-ipv7 up
addr add 192.168.1.77/24 dev eth0
addr add 10.66.1.1/24 dev eth0
addr add 10.66.0.1/24 dev foreign0
addr add 10.66.9.1/32 dev he-ipv6
addr add 2001:db8:123d:abc::66/64 dev eth0 nodad
addr add 2001:db8:66::1/64 dev eth0 nodad
addr add 2001:db8:66:1::1/64 dev foreign0 nodad
route add 10.67.0.0/16 via 192.168.1.7 dev eth0 proto static
route add 10.68.0.0/16 dev foreign0
route add 10.69.0.0/16 proto bird nexthop via 10.66.0.2 dev foreign0 nexthop via 10.66.1.2 dev eth0
route add default via 192.168.1.7 dev eth0 metric 98 proto dhcp
route add default via 10.66.0.2 dev foreign0 metric 4000 proto 96
route add 198.51.100.100/32 via 192.168.1.7 dev eth0 metric 98 proto static
route add blackhole 10.70.0.0/16 table 7
route add default via 192.168.1.7 dev eth0 metric 98 table 7
route add 192.168.1.0/24 dev eth0 table 9
route add default dev foreign0 metric 97 table 300
route add unreachable 10.71.0.0/16 table 4000000
rule add from 192.168.1.77 table 9 priority 900
rule add from 10.0.7.0/24 table 7 priority 901 protocol 66
rule add fwmark 7 table 300 priority 902
rule add to 10.72.0.0/16 prohibit priority 903
"""
IP6 = """\
route add 2001:db8:67::/48 via 2001:db8:66::7 dev eth0 proto static
route add default via 2001:db8:66::7 dev eth0 metric 513
route add 2001:db8:68::/48 dev foreign0 table 7
route add default dev foreign0 metric 512 table 300
rule add from 2001:db8:66::/64 table 300 priority 900
rule add iif foreign0 table 7 priority 901
"""
"""Next to ours, and as much like them as can be: the same metric, or one more, in the same network, by the same way."""

_CHAINS = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "POSTROUTING"),
    "mangle": ("PREROUTING", "FORWARD"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT",),
}
NFTABLES = """\
add table inet foreign
add chain inet foreign input { type filter hook input priority 10; policy accept; }
add rule inet foreign input tcp dport 7 counter accept comment "appliance 0123456789ab"
add table ip foreign
add chain ip foreign ufw-before-input
add rule ip foreign ufw-before-input udp dport 7 drop
"""
FILES = {
    "dnsmasq.d/foreign.conf": "local-ttl=7\n",
    "dnsmasq.d/appliance.conf": "# somebody's all the same\n",
    "dnsmasq.conf": "conf-dir=/etc/dnsmasq.d\n",
    "NetworkManager/NetworkManager.conf": "[main]\n",
    "NetworkManager/conf.d/50-foreign.conf": "[keyfile]\nunmanaged-devices=interface-name:foreign*\n",
    "NetworkManager/conf.d/91-appliance.conf": "[main]\n",
    "NetworkManager/system-connections/foreign.nmconnection": "[connection]\nid=foreign\n",
    "NetworkManager/system-connections/appliance.nmconnection": "[connection]\nid=appliance\n",
    "systemd/network/05-foreign.network": "[Match]\nName=foreign0\n",
    "systemd/network/04-appliance.network": "[Match]\nName=foreign1\n",
    "systemd/network/10-foreign.netdev": "[NetDev]\nName=foreign0\nKind=bridge\n",
    "sysctl.d/foreign.conf": "net.ipv4.conf.foreign0.rp_filter=1\n",
}
"""By path in /etc: some have names that only nearly are the daemon's."""

_ALLOWING = "-A ufw-user-input -p tcp --dport 8080 -j ACCEPT"
OUR_CHAINS = re.compile(r"\b(ufw6?-(?!user)|appliance-)")
IPTABLES = ("iptables", "ip6tables")
_COUNTERS = re.compile(r" \[\d+:\d+\]$")
_OF_THE_MOMENT = re.compile(r" secondary\b|\w+_timer +[\d.]+")
"""A bridge's clocks; and an address becomes the first one of its network whenever the one before it is deleted."""
_KERNELS = re.compile(r" dev .* proto kernel| fe80:")
"""What the kernel makes of addresses and links that come and go."""
_OUR_LINK = re.compile(r"^\d+: (he-ipv6@|br-usb:|usb\d@)")
_NUMBER = re.compile(r"^\d+: ")
"""Of an interface: another, where ours is made anew."""

_POLICY = re.compile(r":(INPUT|FORWARD|OUTPUT) ")


@dataclass(frozen=True)
class State:
    """Everything that there is, by where it stands."""

    ours: Mapping[str, Any]
    foreign: Mapping[str, Any]


def add(namespace: Namespace) -> None:
    """All of it. Of the tunnels those that this kernel can make."""
    namespace.call(_write_files)
    namespace.call(
        partial(subprocess.run, ["ip", "-force", "-batch", "-"], input=TUNNELS, capture_output=True, text=True)
    )
    namespace.program("ip", "-batch", "-", stdin=IP)
    namespace.program("ip", "-6", "-batch", "-", stdin=IP6)
    for program in IPTABLES:
        namespace.program(f"{program}-restore", "--noflush", stdin="".join(_rules()))
    namespace.program("nft", "-f", "-", stdin=NFTABLES)
    assert soon(lambda: "LOWER_UP" in namespace.program("ip", "link", "show", "foreign0")), "until then it says so"


def _write_files() -> None:
    for name, content in FILES.items():
        path = Path("/etc", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600 if "connections" in name else 0o644)


def allow(namespace: Namespace) -> None:
    """What `ufw allow 8080/tcp` does."""
    namespace.call(_write_user_rules)
    namespace.program("iptables", *_ALLOWING.split())


def _write_user_rules() -> None:
    rules = Path("/etc/ufw/user.rules")
    told = f"### RULES ###\n\n### tuple ### allow tcp 8080 0.0.0.0/0 any 0.0.0.0/0 in\n{_ALLOWING}\n"
    rules.write_text(rules.read_text().replace("### RULES ###\n", told, 1))


def _rules() -> Iterator[str]:
    """In each built-in chain before ours and after them, by a chain and without one."""
    for table, chains in _CHAINS.items():
        yield f"*{table}\n:foreign-{table} -\n"
        yield f"-A foreign-{table} -p tcp --dport 7 -m comment --comment appliance -j RETURN\n"
        for chain in chains:
            yield f"-I {chain} -j foreign-{table}\n-A {chain} -p udp --dport 9 -m comment --comment foreign\n"
        yield "-A POSTROUTING -o foreign0 -j MASQUERADE\nCOMMIT\n" if table == "nat" else "COMMIT\n"


@dataclass(frozen=True)
class Looker:
    """Looks at everything in a namespace. `files` in /etc, and `settings` of the kernel, are ours."""

    namespace: Namespace
    files: Collection[str]
    settings: Collection[str]

    def state(self) -> State:
        """What is there now."""
        mine, others = self._split()
        for table in ("inet foreign", "ip foreign"):
            others[table] = self.namespace.program("nft", "list", "table", *table.split())
        others["settings"] = self.namespace.call(_settings)
        others["files"] = self.namespace.call(_all_files_but, self.files)
        return State(mine, others)

    def ours(self) -> Mapping[str, Any]:
        """What is there now of ours."""
        return self._split()[0]

    def _split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Ours and the foreign, but for the files and nftables' of others."""
        addresses = [f" {address.address} " for address in self.namespace.call(our_addresses)]
        marks = ("proto 97", *addresses)
        mine: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, lines in _shown(self.namespace).items():
            is_ours = [bool(_OUR_LINK.match(line)) or any(mark in line for mark in marks) for line in lines]
            mine[name] = sorted(_NUMBER.sub("", line) for line in compress(lines, is_ours))
            others[name] = _without(is_ours, lines)
        for program in IPTABLES:
            lines = [_COUNTERS.sub("", line) for line in self.namespace.program(f"{program}-save").splitlines()]
            lines = [line for line in lines if not line.startswith("#")]
            is_ours = [bool(OUR_CHAINS.search(line) or _POLICY.match(line)) for line in lines]
            mine[program] = sorted(compress(lines, is_ours))
            others[program] = _without(is_ours, lines)
        mine["settings"] = [self.namespace.call(Path("/proc/sys", name).read_text) for name in self.settings]
        mine["files"] = [self.namespace.call(_file, Path("/etc", name))[:4] for name in self.files]
        return mine, others


def _without(chosen: Iterable[bool], lines: Sequence[str]) -> list[str]:
    return list(compress(lines, (not each for each in chosen)))


def _shown(namespace: Namespace) -> Mapping[str, list[str]]:
    """By the words that `ip` was asked with: what it shows, sorted."""
    asked = {
        "": ("addr", "route show table all", "rule"),
        "-6": ("rule",),
        "-d": ("link",),
    }
    found = {}
    for option, commands in asked.items():
        argv = ["ip", "-o", *option.split(), "-batch", "-"]
        lines = namespace.program(*argv, stdin="\n".join(commands) + "\n").splitlines()
        found[f"ip {option}"] = sorted(_OF_THE_MOMENT.sub("", line) for line in lines if not _KERNELS.search(line))
    return found


def our_addresses() -> list[Address]:
    """To be called in the namespace. Not every `ip` shows whose an address is."""
    with closing(Tables()) as tables:
        tables.links()
        return [address for address in tables.addresses()[0] if address.protocol == OURS]


def _settings() -> dict[str, str]:
    """Of the foreign interfaces."""
    found = {}
    for path in Path("/proc/sys/net").glob("ipv?/conf/foreign*/*"):
        with suppress(OSError):  # one has never been set
            found[str(path)] = path.read_text(encoding="ascii")
    return found


def _all_files_but(ours: Collection[str]) -> dict[str, tuple[Any, ...]]:
    """In /etc."""
    etc = Path("/etc")
    names = {str(path.relative_to(etc)) for path in etc.rglob("*") if path.is_symlink() or path.is_file()}
    return {name: _file(etc / name) for name in names.difference(ours)}


def _file(path: Path) -> tuple[Any, ...]:
    """Content, mode, owner and time, or where a link leads; nothing, where there is none."""
    if path.is_symlink():
        return (path.readlink(),)
    if not path.is_file():
        return ()
    facts = path.lstat()
    return (path.read_bytes(), facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns)
