"""The laptop at the other end of the USB cable: the guest's own USB host side (dummy_hcd), as a computer of its own.

No code of ours runs on it: its adapter's driver is the kernel's (cdc_ether, rndis_host, cdc_ncm), its DHCP client
and the one for router advertisements is dhcpcd. `begin-laptop` makes it while the guest boots.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Any, TypeVar

from appliance.errors import PermanentError
from image.lab import computer, mdns
from image.lab.computer import Computer
from image.lab.guest import Guest
from image.lab.waiting import until

NAME = "laptop"
CABLE = "cable"
"""What the laptop calls the network adapter that the Pi is."""
DRIVERS = {"ecm": "cdc_ether", "rndis": "rndis_host", "ncm": "cdc_ncm"}
"""The kernel's driver of each network function, on the host's side."""
USB = "/sys/devices/platform/dummy_hcd.0"
LEASE_S = 30.0
PATIENCE_S = 40.0
DHCP_LOG = "/var/log/dhcpcd.log"

FOUND = "import glob, sys; print(*glob.glob(sys.argv[1]))"
LINKED = "import glob, os, sys; print(*map(os.readlink, glob.glob(sys.argv[1])))"
ROUTES = "for name in 'route', 'ipv6_route': print(open(f'/proc/thread-self/net/{name}').read())"
"""Programs for what is looked at again and again."""

T = TypeVar("T")


def kernel_parameters() -> list[str]:
    """What the kernel's command line needs so that the guest has a USB device controller, and the laptop is on it.

    dummy_hcd looks at what is to be transferred 8,000 times a second, which is most of what an emulator can do; without
    fine timers it does so 250 times.
    """
    return ["modules-load=dummy_hcd", "highres=off", *computer.kernel_parameters("begin-laptop")]


class Laptop(Computer):
    """The laptop of a guest that was booted with these kernel parameters."""

    def __init__(self, guest: Guest) -> None:
        """`guest` was booted with `kernel_parameters`."""
        super().__init__(guest, NAME)

    # --- the USB device

    def device(self, *, timeout_s: float = 60) -> str:
        """The folder in sysfs of the device that the Pi is; TimeoutError if it shows none."""
        return until(self._shown, "the Pi shows a USB device", timeout_s=timeout_s, every_s=0.5)

    def take(self, function: str) -> None:
        """Be a host that chooses the configuration with this function (`ecm`, `rndis`, `ncm`) and has its adapter.

        PermanentError if there is none.
        """
        device = self.device()
        for configuration in range(1, int(self.guest.run("cat", f"{device}/bNumConfigurations")) + 1):
            self.choose(configuration)
            if until(self.driver, "the adapter has a driver", timeout_s=20) == DRIVERS[function]:
                return
        raise PermanentError(f"the Pi shows no {function}")

    def keep(self, function: str) -> None:
        """As a system that knows only this function: take it whenever the Pi was plugged in anew."""
        self.device()
        if until(self.driver, "the adapter has a driver", timeout_s=20) != DRIVERS[function]:
            self.take(function)

    def choose(self, configuration: int) -> None:
        """Make the USB device take one of its configurations (bConfigurationValue); 0: none."""
        self.guest.write(f"{self.device()}/bConfigurationValue", str(configuration))

    def configuration(self) -> int:
        """Which one it has."""
        return int(self.guest.run("cat", f"{self.device()}/bConfigurationValue") or "0")

    def unplug(self) -> None:
        """As if the cable were pulled: the device is no longer allowed to be used (`authorized`, usb/authorization)."""
        self.guest.write(f"{self.device()}/authorized", "0")

    def plug(self) -> None:
        """And put back."""
        self.guest.write(f"{self.device()}/authorized", "1")

    def driver(self) -> str:
        """The driver of the network adapter: cdc_ether, rndis_host, cdc_ncm; "" while there is none."""
        return self._look(LINKED, f"{self.device()}/*:*.0/driver").rpartition("/")[2]

    # --- what it was given

    def has_adapter(self) -> bool:
        """Whether there is a network adapter."""
        return self.guest.ask(["ip", "-n", self.name, "link", "show", CABLE]).code == 0

    def ipv4(self) -> IPv4Interface | None:
        """Its address by DHCP."""
        found = self._addresses("-4", "scope", "global")
        return IPv4Interface(found[0]) if found else None

    def ipv6(self) -> list[IPv6Interface]:
        """Its addresses by SLAAC that are ready for use."""
        return [IPv6Interface(words) for words in self._addresses("-6", "scope", "global", "-tentative")]

    def lease(self, *, timeout_s: float = LEASE_S) -> IPv4Interface:
        """Its address by DHCP; TimeoutError if it gets none."""
        return self.until(self.ipv4, "the laptop has a DHCP lease", timeout_s=timeout_s)

    def until(self, probe: Callable[[], T | None], what: str, *, timeout_s: float) -> T:
        """What `probe` returns once it is true; TimeoutError after so many seconds.

        An adapter that changes its network namespace while the Pi's word that there is a carrier is on its way (an
        interrupt transfer, which is sent once) never hears it. On a computer without namespaces that cannot happen;
        here it is plugged in again when half of the time is over, or `PATIENCE_S`.
        """
        first_s = min(timeout_s / 2, PATIENCE_S)
        try:
            return until(probe, what, timeout_s=first_s)
        except TimeoutError:
            if self.has_adapter() and not self._has_carrier():
                self.unplug()
                self.plug()
        try:
            return until(probe, what, timeout_s=timeout_s - first_s)
        except TimeoutError as error:
            error.add_note(self._happened())
            raise

    def slaac(self, *, timeout_s: float = LEASE_S) -> list[IPv6Interface]:
        """Its addresses by SLAAC; TimeoutError if it gets none."""
        return until(self.ipv6, "the laptop has a SLAAC address", timeout_s=timeout_s)

    def default_routes(self, family: int) -> list[dict[str, Any]]:
        """Its default routes (family 4 or 6), as `ip -json route` has them: gateway, dev, protocol, metric."""
        return self.ip(f"-{family}", "route", "show", "default")

    def has_default_routes(self) -> set[int]:
        """The families (4, 6) of which it would send into the cable what is for the Internet. One short look."""
        lines = self._look(ROUTES).splitlines()
        found = set()
        for words in (line.split() for line in lines):
            if words[:2] == [CABLE, "00000000"] and words[7] == "00000000":
                found.add(4)
            if words[:2] == ["0" * 32, "00"] and words[-1] == CABLE:
                found.add(6)
        return found

    def given(self) -> dict[str, str]:
        """What it was told over DHCP and in router advertisements, by dhcpcd's names for it (`dhcpcd --dumplease`)."""
        lines = self.ask(["dhcpcd", "--dumplease", CABLE]).output.splitlines()
        return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines) if value}

    def resolvers(self) -> list[str]:
        """The DNS servers that it was told."""
        given = self.given()
        found = [given[name] for name in given if name == "domain_name_servers" or name.endswith("rdnss1_servers")]
        return " ".join(found).split()

    def received_of_tcp(self) -> int:
        """How many segments have come for it (InSegs of RFC 4022), since it was made."""
        names, values = (line.split() for line in self.run("cat", "/proc/net/snmp").splitlines() if "Tcp:" in line)
        return int(values[names.index("InSegs")])

    # --- what it can do

    def resolve(self, name: str, kind: str, *, server: str) -> list[str]:
        """What a DNS server answers; empty if nothing."""
        answer = self.ask(["dig", "+short", "+time=2", "+tries=3", f"@{server}", kind, name])
        return answer.output.split() if answer.code == 0 else []

    def resolve_on_the_cable(self, name: str) -> str:
        """The IPv4 address that whoever has that name answers by multicast DNS; "" if nobody does."""
        program = Path(mdns.__file__).read_text()
        answer = self.guest.python(program, name, CABLE, network=self.name)
        return answer.output.strip() if answer.code == 0 else ""

    def fetch(self, url: str, *, timeout_s: int = 10) -> str:
        """What a web server answers; PermanentError if nothing."""
        return self.run("curl", "--silent", "--show-error", "--max-time", str(timeout_s), url)

    def reaches(self, address: IPv4Address | IPv6Address | str, *, count: int = 1) -> bool:
        """Whether a host answers its ping."""
        try:
            self.run("ping", "-c", str(count), "-i", "0.3", "-W", "3", str(address))
        except PermanentError:
            return False
        return True

    def _happened(self) -> str:
        """For whoever has waited in vain: what it has, and what its DHCP client did last."""
        asked = (["ip", "address", "show", "dev", CABLE], ["tail", "-n", "30", DHCP_LOG])
        return "\n".join(self.ask(argv).output for argv in asked)

    def _has_carrier(self) -> bool:
        return "LOWER_UP" in self.ip("link", "show", CABLE)[0]["flags"]

    def _shown(self) -> str:
        return self._look(FOUND, f"{USB}/*/[0-9]*-1")

    def _look(self, program: str, *argv: str) -> str:
        answer = self.guest.python(program, *argv, network=self.name)
        if answer.code != 0:
            raise PermanentError(f"on the {self.name}: {answer.output}")
        return answer.output.strip()

    def _addresses(self, family: str, *words: str) -> list[str]:
        shown = ["address", "show", "dev", CABLE, *words]
        answer = self.guest.ask(["ip", "-n", self.name, "-json", family, *shown])
        links = json.loads(answer.output or "[]") if answer.code == 0 else []
        return [f"{a['local']}/{a['prefixlen']}" for link in links for a in link.get("addr_info", []) if "local" in a]
