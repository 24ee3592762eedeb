"""A Debian that is booted by its own systemd, in a container: with three uplinks, and a DHCP server at each."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from image.lab.waiting import until
from tests.netns.namespace import Namespace

NETWORKS = {"enp0s3": "10.0.2", "enp0s8": "10.0.8", "enp0s9": "10.0.9", "enp0s10": "10.0.10"}
"""The first 24 bits of the network that each uplink is on: as with a hypervisor, the first is its NAT."""

LATE = "enp0s10"
"""Not there before it is plugged in."""

MASKED = ("systemd-sysctl", "systemd-udev-trigger", "systemd-pstore", "systemd-remount-fs", "systemd-logind")
"""What would change the machine that the tests run on, or cannot do anything in a container."""

UDEV = """
[Unit]
After=systemd-udevd.service
Before=sysinit.target
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=udevadm trigger --action=add --subsystem-match=net
[Install]
WantedBy=sysinit.target
"""
"""Of the devices, a container has only the network's."""


def prepare(root: Path) -> None:
    """Make a root bootable in a container."""
    units = root / "etc/systemd/system"
    for name in MASKED:
        (units / f"{name}.service").symlink_to("/dev/null")
    # NetworkManager passes over the interfaces of containers, which is what the uplinks are here.
    (root / "etc/udev/rules.d/85-nm-unmanaged.rules").symlink_to("/dev/null")
    (units / "network-devices.service").write_text(UDEV)
    (units / "sysinit.target.wants").mkdir(exist_ok=True)
    (units / "sysinit.target.wants/network-devices.service").symlink_to("../network-devices.service")


def _udev_beside(root: Path) -> Path:
    """What looks as if udev ran already: where /dev is not the kernel's own, systemd listens to udev only then, and
    units that are bound to devices (ifup@.service) would never start (sd-device, device_monitor_new_full).
    """
    folder = root.with_name(f"{root.name}-udev")
    folder.mkdir(exist_ok=True)
    (folder / "control").touch()
    return folder


class Debian:
    """A booted machine; `run` is a program in it."""

    def __init__(self, root: Path, log: Path, manager: str) -> None:
        self.root, self.manager = root, manager
        self.outside = Namespace()
        """Where the other ends of its cables are, by the same names."""
        self._log = log.open("ab")
        command = ["systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--console=pipe"]
        self._process = subprocess.Popen(
            [*command, f"--directory={root}", "--private-network", f"--bind={_udev_beside(root)}:/run/udev"],
            # With 1, udev runs too: ifupdown's units are bound to what it says of devices.
            env={
                "PATH": os.environ["PATH"],
                "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "1",
                "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        until(self._has_network, "the container has a network of its own", timeout_s=10, every_s=0.01)
        for name in NETWORKS.keys() - {LATE}:
            self.plug_in(name)
        self._server = self.outside.call(self._serve)

    def plug_in(self, name: str) -> None:
        """Give it a network adapter, with its cable in."""
        peer = ("peer", "name", name, "netns", str(self._first))
        self.outside.program("ip", "link", "add", name, "type", "veth", *peer)
        self.outside.program("ip", "address", "add", f"{NETWORKS[name]}.2/24", "dev", name)
        self.cable(name, in_=True)

    def cable(self, name: str, *, in_: bool) -> None:
        """Put an adapter's cable in, or pull it out."""
        self.outside.program("ip", "link", "set", name, "up" if in_ else "down")

    @property
    def _first(self) -> int:
        """The first process's number, as the outside knows it."""
        [child] = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(child)

    def _has_network(self) -> bool:
        try:
            return Path(f"/proc/{self._first}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
        except (ValueError, OSError):
            return False

    def _serve(self) -> subprocess.Popen[str]:
        command = [
            "dnsmasq",
            "--keep-in-foreground",
            "--port=0",
            "--no-ping",  # else a client waits for three seconds
            "--bind-dynamic",
            "--conf-file=/dev/null",
            "--leasefile-ro",
            "--user=root",
        ]
        command += [f"--dhcp-range={network}.100,{network}.150,1h" for network in NETWORKS.values()]
        return Namespace.begin(*command, "--pid-file=")

    def ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, to its end."""
        inside = ["nsenter", "--target", str(self._first), "--all", "--root", "--wd", "--"]
        return subprocess.run([*inside, *argv], capture_output=True, text=True, check=False, timeout=60)

    def run(self, *argv: str) -> str:
        """What a program in it prints; it must not fail."""
        done = self.ask(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def metrics(self) -> dict[str, int]:
        """By interface, the metric of its IPv4 way out by a router."""
        found = json.loads(self.run("ip", "-4", "-json", "route", "show", "default"))
        return {route["dev"]: route.get("metric", 0) for route in found if "gateway" in route}

    def way_out(self) -> str:
        """The interface by which packets to the Internet leave; "" while there is none."""
        found = self.ask("ip", "-json", "route", "get", "192.0.2.1").stdout
        return str(json.loads(found)[0]["dev"]) if found else ""

    def journal(self) -> str:
        """What was done and said about the network, the last of it."""
        units = [f"--unit={name}" for name in ("appliance", "appliance-ifup@*", "ifup@*", "systemd-networkd")]
        return self.run("journalctl", "--no-pager", "--lines=80", "--output=short-monotonic", *units)

    def status(self) -> dict[str, Any]:
        """What the daemon says, also where its exit code says that something is not right; {} while it starts."""
        said = self.ask("appliance", "status", "--json").stdout
        return dict(json.loads(said)) if said else {}

    def wait(self) -> None:
        """Until it has booted."""
        until(self._is_up, "systemd has started everything", timeout_s=90, every_s=0.5)

    def _is_up(self) -> bool:
        try:
            return self.ask("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        except ValueError:
            return False

    def close(self) -> None:
        """Shut it down."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._server.kill()
        self._server.wait()
        self.outside.__exit__()
        self._log.close()
