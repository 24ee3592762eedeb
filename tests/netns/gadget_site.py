"""A gadget's surroundings in namespaces: a laptop on the cable, the Pi, a home router, and the Internet behind it.

The cable is a pair of wires: the Pi's ends are called as the gadget's interfaces are, and the laptop has one for
each. The gadget's kind, and those that need a bus, are not in here; systemd is stood in for by what its unit's file
says is to be run.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance.model import Appliance
from firstboot.actions import Action, ReplugGadget
from firstboot.bus import Bus
from firstboot.events import network_events
from firstboot.facts import Facts
from firstboot.host import Host
from firstboot.kind import Kind
from firstboot.neighbours import Neighbours
from firstboot.netlink import Netlink
from firstboot.reconcile import Outcome, Reconciler
from firstboot.resources.addresses import Addresses
from firstboot.resources.bridge import Bridge
from firstboot.resources.cable import Cable, Withdrawal
from firstboot.resources.dhcpcd import DHCPCD, Dhcpcd
from firstboot.resources.files import Files
from firstboot.resources.firewall import Firewall
from firstboot.resources.links import Links
from firstboot.resources.offer import Offer
from firstboot.resources.overlap import Overlap
from firstboot.resources.routes import Routes
from firstboot.resources.sysctls import Sysctls
from firstboot.resources.units import DNSMASQ, Units
from firstboot.resources.uplink import Uplink
from firstboot.sharing import questions
from tests.netns.namespace import Namespace
from tests.netns.ufw_files import own_lock

ROOT = Path(__file__).parent.parent.parent
UNITS = tuple(ROOT.glob("overlays/*/usr/lib/systemd/system/*.service"))
KINDS: tuple[Kind[Any], ...] = (
    Withdrawal(), Files(), Firewall(), Sysctls(), Bridge(), Links(), Uplink(), Addresses(), Routes(), Units(), Dhcpcd(),
    Overlap(), Offer(), Cable(),
)  # fmt: skip
LOG = "/run/dnsmasq.log"
FUNCTIONS, PORTS = ("ecm", "rndis"), ("usb0", "usb1")
AWAY_S = 1.5
"""Linux tells programs of a carrier that went after up to a second."""
SERIAL = "10000000deadbeef"
ROUTER, ROUTER6, PI = "192.168.1.254", "2001:db8:1::1", "192.168.1.252"
SERVER, SERVER6 = "203.0.113.80", "2001:db8:ffff::80"


class UnitFiles:
    """Runs services as their units' files say, in the namespace that it is called from."""

    def __init__(self) -> None:
        self.restarts = 0
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def unit_is_active(self, name: str) -> bool:
        if name in self._processes:
            return self._processes[name].poll() is None
        pid = _pid(name)
        return pid is not None and _runs(pid)

    def restart_unit(self, name: str) -> None:
        self.stop_unit(name)
        self.restarts += name == DNSMASQ
        if not all(Path(path).exists() for path in _values(name, "ConditionPathExists")):
            return
        for folder in _values(name, "RuntimeDirectory")[0].split():
            Path("/run", folder).mkdir(exist_ok=True)
        for argv in _values(name, "ExecStartPre"):
            subprocess.run(shlex.split(argv), check=True, capture_output=True)
        [start] = _values(name, "ExecStart")
        if _values(name, "Type") == ["forking"]:
            # Where nobody takes its log, dnsmasq waits more than a second for somebody before it ends.
            start = start.replace("--pid-file", f"--log-facility={LOG} --pid-file")
            subprocess.run(shlex.split(start), check=True, capture_output=True)
        else:
            self._processes[name] = subprocess.Popen(
                shlex.split(start), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    def stop_unit(self, name: str) -> None:
        if name in self._processes:
            _end(self._processes.pop(name))
        pid = _pid(name)
        if pid is not None and _runs(pid):
            os.kill(pid, signal.SIGTERM)
            within(10, lambda: not _runs(pid))

    def networkmanager_runs(self) -> bool:
        return False


def _values(unit: str, setting: str) -> list[str]:
    """What a unit's file has of a setting."""
    [path] = [path for path in UNITS if path.name == unit]
    lines = [line.partition("=") for line in path.read_text().replace("\\\n", "").splitlines()]
    return [value for name, _, value in lines if name == setting]


def _pid(unit: str) -> int | None:
    try:
        return int(Path(*_values(unit, "PIDFile")).read_text())
    except (OSError, ValueError):
        return None


def _runs(pid: int) -> bool:
    """Whether it is dnsmasq, and does not only wait for its parent to take note of its end."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return name == "dnsmasq" and rest.split()[0] != "Z"


class GadgetHost(Host):
    """The Pi, with a gadget whose interfaces are the wires; taken from the laptop, they have no carrier."""

    def facts(self) -> Facts:
        return replace(super().facts(), serial=SERIAL, gadget_ports=dict(zip(FUNCTIONS, PORTS, strict=True)))

    def execute(self, action: Action) -> None:
        if not isinstance(action, ReplugGadget):
            super().execute(action)
            return
        shown_again = time.monotonic() + AWAY_S
        for port in PORTS:
            self._netlink.set_link_down(port)
        for each in action.meanwhile:
            super().execute(each)
        time.sleep(max(0.0, shown_again - time.monotonic()))
        for port in PORTS:
            self._netlink.set_link(port, mtu=None)


@dataclass
class Daemon:
    """What the daemon's loop does: every event leads to a pass, and another answer of a neighbour is an event."""

    namespace: Namespace
    appliance: Appliance
    units: UnitFiles = field(default_factory=UnitFiles)
    passes: list[float] = field(default_factory=list)
    """How long each took, in seconds."""
    outcomes: tuple[Outcome, ...] = ()

    def __post_init__(self) -> None:
        self.still = threading.Lock()
        """Whoever has it keeps passes from beginning."""
        self._woken, self._wake = os.pipe()
        self.neighbours = Neighbours(on_change=self.wake)
        bus: Bus = self.units  # type: ignore[assignment]
        self.host = self.namespace.call(lambda: GadgetHost(Netlink(), bus, neighbours=lambda: self.neighbours.answers))
        self._events = self.namespace.call(network_events)
        self._reconciler = Reconciler(KINDS, news=lambda: self.neighbours.answers)
        self._stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wake(self) -> None:
        os.write(self._wake, b"x")

    @property
    def serves(self) -> bool:
        """Whether dnsmasq runs."""
        return self.namespace.call(self.units.unit_is_active, DNSMASQ)

    def stop(self) -> None:
        self._stopping = True
        self.wake()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the pass hangs"
        self.namespace.call(self.neighbours.ask, ())
        for name in (DNSMASQ, DHCPCD):
            self.namespace.call(self.units.stop_unit, name)

    def _run(self) -> None:
        while not self._stopping:
            with self.still:
                self._events.drain()
                began = time.monotonic()
                self.outcomes = self.namespace.call(self._pass)
                self.passes.append(time.monotonic() - began)
            poll = select.poll()
            poll.register(self._woken, select.POLLIN)
            poll.register(self._events, select.POLLIN)
            if self._woken in dict(poll.poll(5000)):
                os.read(self._woken, 1000)
            time.sleep(0.05)

    def _pass(self) -> tuple[Outcome, ...]:
        outcomes = self._reconciler.reconcile(self.appliance, self.host)
        self.neighbours.ask(questions(self.appliance, self.host.facts()))
        return outcomes


@dataclass
class GadgetSite:
    """`internet` is the home router and whatever is behind it."""

    laptop: Namespace
    pi: Namespace
    internet: Namespace
    stack: ExitStack
    advertising: ExitStack
    """What has the router advertise itself."""
    daemons: list[Daemon] = field(default_factory=list)

    def daemon(self, appliance: Appliance) -> Daemon:
        """Start the daemon; it ends with the site."""
        made = Daemon(self.pi, appliance)
        self.stack.callback(made.stop)
        self.daemons.append(made)
        return made

    def client(self) -> None:
        """Start the laptop's own DHCP client and listener for routers."""
        argv = ["dhcpcd", "--nobackground", "--noarp", "--quiet", "cable0"]
        self.stack.enter_context(running(self.laptop, *argv))

    def routers(self, family: int) -> list[str]:
        """The laptop's default routes."""
        routes = json.loads(self.laptop.program("ip", f"-{family}", "-json", "route", "show", "default"))
        hops = [hop for route in routes for hop in route.get("nexthops", [route])]
        return [hop["gateway"] for hop in hops]

    def addresses(self, family: int) -> list[str]:
        """The laptop's global addresses on the cable."""
        shown = self.laptop.program("ip", f"-{family}", "-json", "addr", "show", "dev", "cable0", "scope", "global")
        return [info["local"] for link in json.loads(shown) for info in link.get("addr_info", []) if info]

    def nameservers(self) -> list[str]:
        """What the laptop asks for names."""
        text = self.laptop.call(lambda: Path("/etc/resolv.conf").read_text())
        return [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")]

    @contextmanager
    def shared_by_the_laptop(self, address: str) -> Iterator[None]:
        """The laptop shares its own Internet over the cable while the block runs."""
        first = address.rpartition(".")[0]
        self.laptop.program("ip", "addr", "add", address, "dev", "cable0")
        argv = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=cable0",
            "--bind-dynamic", f"--dhcp-range={first}.10,{first}.20", f"--dhcp-option=option:dns-server,{first}.1",
            "--leasefile-ro", "--pid-file=", "--user=root",
        ]  # fmt: skip
        with running(self.laptop, *argv):
            yield
        self.laptop.program("ip", "addr", "del", address, "dev", "cable0")

    def advertise(self, prefix: str, mode: str) -> None:
        """The router advertises itself and that prefix, in one of dnsmasq's modes for `dhcp-range`."""
        argv = [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0",
            "--bind-dynamic", "--enable-ra", f"--dhcp-range={prefix},{mode}", "--leasefile-ro", "--pid-file=",
            "--user=root",
        ]  # fmt: skip
        self.advertising.close()
        self.advertising.enter_context(running(self.internet, *argv))

    @contextmanager
    def delegating(self, *, lease_s: int = 600) -> Iterator[None]:
        """The router lends prefixes while the block runs."""
        times = f"default-lease-time {lease_s}; preferred-lifetime {lease_s};"
        pool = "subnet6 2001:db8:1::/64 { prefix6 2001:db8:f00:: 2001:db8:f00:f00:: /56; }\n"
        self.internet.program("tee", "/etc/lend.conf", stdin=f"{times}\n{pool}")
        self.internet.program("touch", "/run/lent")
        files = ["-cf", "/etc/lend.conf", "-lf", "/run/lent", "-pf", "/run/lend.pid"]
        with running(self.internet, "dhcpd", "-6", "-f", *files, "eth0"):
            yield

    def kill_router(self) -> None:
        """It has power, and does nothing any more."""
        hook = "type filter hook ingress device eth0 priority 0; policy drop;"
        self.internet.program("nft", f"add table netdev dead; add chain netdev dead in {{ {hook} }}")

    def revive_router(self) -> None:
        """It works again."""
        self.internet.program("nft", "delete table netdev dead")


@contextmanager
def gadget_site(folder: Path) -> Iterator[GadgetSite]:
    """Two ports, a laptop at both, and a router that advertises 2001:db8:1::/64, for SLAAC alone."""
    with Namespace() as laptop, Namespace() as pi, Namespace() as internet, ExitStack() as stack:
        for namespace, name in ((laptop, "laptop"), (pi, "pi"), (internet, "internet")):
            _own_files(namespace, folder / name)
            namespace.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        own_lock(pi)
        pi.program("cp", "-r", f"{ROOT}/overlays/base/etc/ufw", f"{ROOT}/overlays/base/etc/default", "/etc/")
        pi.program("cp", "-rn", "/usr/share/ufw/iptables/.", "/etc/ufw/")
        for number in (0, 1):
            pi.connect(f"usb{number}", laptop, f"cable{number}")
        laptop.program("sysctl", "-q", "net.ipv6.conf.cable0.accept_ra=0")  # dhcpcd listens for itself
        pi.program("sysctl", "-q", "net.ipv4.ip_forward=0")  # a namespace begins with the machine's own
        pi.connect("eth0", internet, "eth0")
        _router(internet)
        site = GadgetSite(laptop, pi, internet, stack, stack.enter_context(ExitStack()))
        site.advertise("2001:db8:1::", "ra-only,64")
        yield site


def _own_files(namespace: Namespace, folder: Path) -> None:
    folder.mkdir()
    namespace.program("mount", "-t", "tmpfs", "tmpfs", str(folder))
    namespace.program("mkdir", *(f"{folder}/{name}" for name in ("upper", "work", "var")))
    overlay = f"lowerdir=/etc,upperdir={folder}/upper,workdir={folder}/work"
    namespace.program("mount", "-t", "overlay", "overlay", "-o", overlay, "/etc")
    namespace.program("mount", "-t", "tmpfs", "tmpfs", "/run")
    if Path("/var/lib/dhcpcd").is_dir():
        namespace.program("mount", "--bind", f"{folder}/var", "/var/lib/dhcpcd")


def _router(internet: Namespace) -> None:
    for address in (f"{ROUTER}/24", f"{ROUTER6}/64"):
        internet.program("ip", "addr", "add", address, "dev", "eth0")
    for address in (f"{SERVER}/32", f"{SERVER6}/128"):
        internet.program("ip", "addr", "add", address, "dev", "lo")
    internet.program("sysctl", "-q", "net.ipv6.conf.all.forwarding=1", "net.ipv4.ip_forward=1")


@contextmanager
def running(namespace: Namespace, *argv: str) -> Iterator[None]:
    """A program runs in the namespace."""
    process = namespace.call(_begin, argv)
    try:
        yield
    finally:
        _end(process)


def _begin(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """With a process group of its own: dhcpcd has helpers."""
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def within(longest_s: float, holds: Callable[[], bool]) -> float:
    """The time after which something holds; an AssertionError if it takes longer."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < longest_s, "it took longer"
        time.sleep(0.02)
    return time.monotonic() - began
