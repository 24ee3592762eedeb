"""Another computer, played inside a guest: its own network, its own files, on top of the tools drive; the guest's
kernel. The guest's own files stay as they are, and nothing of it is seen by the guest's programs but by the network.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from appliance.errors import PermanentError
from image.lab import knock
from image.lab.guest import Answer, Guest
from image.lab.tools import LABEL

DRIVE = "/run/lab/drive"


@dataclass(frozen=True)
class Computer:
    """The computer `name`; its network namespace in the guest has that name as well."""

    guest: Guest
    name: str

    @property
    def root(self) -> str:
        """Its files, as the guest sees them."""
        return f"/run/lab/{self.name}/root"

    def ask(self, argv: Sequence[str], *, timeout_s: float = 60) -> Answer:
        """Run one of the drive's programs to its end on this computer."""
        return self.guest.ask(self.entering(argv), timeout_s=timeout_s)

    def run(self, *argv: str, timeout_s: float = 60) -> str:
        """What one of the drive's programs printed; PermanentError if it failed."""
        answer = self.ask(argv, timeout_s=timeout_s)
        if answer.code != 0:
            raise PermanentError(f"on the {self.name}: {' '.join(argv)} ended with {answer.code}\n{answer.output}")
        return answer.output

    def start(self, service: str, *argv: str) -> None:
        """Run one of the drive's programs beside us, until `stop`; what it prints is in the guest's journal."""
        unit = ["systemd-run", "--quiet", "--collect", f"--unit={self.unit(service)}"]
        self.guest.run(*unit, "--", *self.entering(argv))

    def stop(self, service: str) -> None:
        """End what was started."""
        self.guest.run("systemctl", "stop", self.unit(service))

    def unit(self, service: str) -> str:
        """What the guest's systemd calls it."""
        return f"lab-{self.name}-{service}.service"

    def write(self, path: str, text: str) -> None:
        """Write a file of this computer."""
        self.guest.write(self.root + path, text)

    def read(self, path: str) -> str:
        """The text of a file of this computer."""
        return self.guest.run("cat", self.root + path)

    def ip(self, *words: str) -> list[dict[str, Any]]:
        """What iproute2 shows, by its names for things: ip-address(8), ip-route(8)."""
        output = self.guest.run("ip", "-n", self.name, "-json", *words)
        found: list[dict[str, Any]] = json.loads(output) if output.strip() else []
        return [entry for entry in found if entry]

    def lay(self, *commands: str) -> None:
        """Change its network by commands of iproute2, all in one process: starting one takes an emulator long."""
        argv = ["ip", "-n", self.name, "-batch", "-"]
        answer = self.guest.ask(argv, stdin="".join(f"{command}\n" for command in commands))
        if answer.code != 0:
            raise PermanentError(f"on the {self.name}: {commands}\n{answer.output}")

    def knock(self, targets: Sequence[tuple[IPv4Address | IPv6Address | str, int]]) -> list[str]:
        """Try to open TCP connections to these addresses and ports, all at once: what became of each, see `knock`."""
        program = Path(knock.__file__).read_text()
        words = [str(word) for target in targets for word in target]
        answer = self.guest.python(program, *words, network=self.name)
        if answer.code != 0:
            raise PermanentError(f"on the {self.name}: could not knock\n{answer.output}")
        return answer.output.split()

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The words that run `argv` there, in the guest."""
        return [*self.in_network, "chroot", self.root, *argv]

    @property
    def in_network(self) -> list[str]:
        """The words that run one of the guest's own programs in this computer's network."""
        return ["nsenter", f"--net=/run/netns/{self.name}"]


@dataclass(frozen=True)
class Tools(Computer):
    """The drive's programs in the guest's own network: for measuring, and for what needs no computer of its own."""

    name: str = "tools"

    def entering(self, argv: Sequence[str]) -> list[str]:
        """The words that run `argv` there, in the guest."""
        return ["chroot", self.root, *argv]


def begun(guest: Guest, name: str) -> Computer:
    """One more computer, with nothing in its network but its loopback interface."""
    guest.run(f"{DRIVE}/begin-computer", name)
    return Computer(guest, name)


def tools(guest: Guest) -> Tools:
    """The drive's programs, at hand in the guest's own network."""
    guest.run(f"{DRIVE}/begin-computer", Tools.name)
    return Tools(guest)


def kernel_parameters(script: str = "") -> list[str]:
    """What the kernel's command line needs so that the drive is there, and one of its scripts has run, before udev."""
    lines = [
        "[Unit]",
        "DefaultDependencies=no",
        "Before=systemd-udevd.service systemd-modules-load.service",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"RuntimeDirectory={DRIVE.removeprefix('/run/')}",
        "RuntimeDirectoryPreserve=yes",
        f"ExecStart=/bin/mount -o ro,noload LABEL={LABEL} {DRIVE}",
        *([f"ExecStart={DRIVE}/{script}"] if script else []),
    ]
    unit = base64.b64encode("\n".join(lines).encode()).decode()
    return [f"systemd.set_credential_binary=systemd.extra-unit.lab.service:{unit}", "systemd.wants=lab.service"]
