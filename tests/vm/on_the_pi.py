"""What a gateway must do, seen from inside of it: each function checks one thing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from image.lab import site as places
from image.lab.gateway import Lab
from image.lab.guest import Guest
from image.lab.waiting import until
from tests.lab import checks

CONFIG = "/boot/firmware/appliance.yaml"
REPORT = "/boot/firmware/appliance-status.txt"
LED = "/sys/class/leds/ACT"
STATUS = "/run/appliance/status.json"
READY_S = 900
"""From power-on. Not what it takes, which is measured elsewhere: a computer that has much else to do takes long."""
UNIT_STARTED = "39f53479d3a045ac8e11786248231fbf"
LOGGED_S = 75
"""Ten packets are logged at once and then three a minute, so one of those that we send is within this time."""


def is_ready(guest: Guest, *, timeout_s: float) -> None:
    verdict = guest.verdict(timeout_s=timeout_s)
    assert verdict.verdict == "ready", "\n".join(verdict.reasons)
    assert verdict.reasons == []


def status(guest: Guest) -> dict[str, Any]:
    """What the daemon says, or that it has said nothing yet."""
    output = guest.ask(["appliance", "status", "--json"]).output
    found: dict[str, Any] = json.loads(output) if output.startswith("{") else {"state": f"silent: {output}"}
    return found


def told(guest: Guest) -> dict[str, Any]:
    """The same from the file that is printed there: for who waits, as starting a program takes an emulator a second."""
    answer = guest.python(f"print(open({STATUS!r}).read())")
    found: dict[str, Any] = json.loads(answer.output) if answer.code == 0 else {"state": "silent"}
    return found


def reaches_state(guest: Guest, word: str, *, timeout_s: float = 60) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        return said if told(guest)["state"] == word and (said := status(guest))["state"] == word else None

    return until(found, f"the appliance says {word}", timeout_s=timeout_s)


def reports(guest: Guest, words: str) -> None:
    """The file on the card says so; to spare the card, it is written every 30 s at the most."""
    until(lambda: words in guest.run("cat", REPORT), f"the report says {words}", timeout_s=60, every_s=1)


def shows(guest: Guest, trigger: str, **files: str) -> None:
    """The LED has come to have this trigger, and these values in files of its folder."""

    def shown() -> bool:
        read = guest.ask(["grep", "-H", ".", f"{LED}/trigger", *(f"{LED}/{name}" for name in files)]).output
        wanted = (f"{LED}/{name}:{value}" for name, value in files.items())
        return f"[{trigger}]" in read and set(read.splitlines()).issuperset(wanted)

    until(shown, f"the LED shows {trigger} {files}", timeout_s=120, every_s=1)


def tells_by_the_led(guest: Guest) -> None:
    """Of a ready one: steady. A mistake is told, and taken back; while the daemon does not run, it is the system's."""
    shows(guest, "none", brightness="1")
    guest.run("sed", "-i", "s/^profile:/profil:/", CONFIG)
    shows(guest, "timer", delay_on="100", delay_off="100")
    guest.run("systemctl", "stop", "appliance.service", timeout_s=120)
    shows(guest, "heartbeat")
    guest.run("sed", "-i", "s/^profil:/profile:/", CONFIG)
    guest.run("systemctl", "start", "appliance.service", timeout_s=300)
    shows(guest, "none", brightness="1")


def kind(guest: Guest, name: str) -> dict[str, Any]:
    """What the daemon says of a kind; empty while it says nothing."""
    return next((each for each in told(guest).get("kinds", []) if each["kind"] == name), {})


def says_of_the_tunnel(guest: Guest, words: str, *, of: str = "reach", timeout_s: float = 150) -> None:
    """What `appliance status` says of the tunnel (or `of` another kind) comes to have these words, and a hint.

    How far packets get is looked at now and then only, and a busy computer may lose what is told of it.
    """

    heard: list[str] = []

    def said() -> bool:
        found = kind(guest, of)
        heard[:] = [*heard[-19:], found.get("error", "")]
        return words in heard[-1] and bool(found["hint"])

    try:
        until(said, f"{of} says: {words}", timeout_s=timeout_s)
    except TimeoutError as error:
        error.add_note("\n".join(["what it says is", *heard]))
        raise
    assert words in guest.ask(["appliance", "status"]).output


@dataclass(frozen=True)
class Traces:
    """What one boot leaves behind, to compare with another's."""

    boot_id: str
    machine_id: str
    host_keys: str
    """The digest and name of each file."""
    said: tuple[str, ...]
    """The daemon's lines in the journal."""
    dnsmasq_starts: int

    @property
    def written(self) -> list[str]:
        """What the daemon says about files that it rendered."""
        return [line for line in self.said if line.startswith("files: write ")]


def traces(guest: Guest) -> Traces:
    return Traces(
        boot_id=guest.run("cat", "/proc/sys/kernel/random/boot_id"),
        machine_id=guest.run("cat", "/etc/machine-id"),
        host_keys=guest.run("find", "/etc/ssh", "-name", "ssh_host_*", "-exec", "sha256sum", "{}", "+"),
        said=tuple(journal(guest, "--unit=appliance.service")),
        # As the journal's catalogue names it (SD_MESSAGE_UNIT_STARTED in systemd's sd-messages.h).
        dnsmasq_starts=len(journal(guest, "UNIT=appliance-dnsmasq.service", f"MESSAGE_ID={UNIT_STARTED}")),
    )


def journal(guest: Guest, *matches: str) -> list[str]:
    """The lines of this boot."""
    return guest.run("journalctl", "--boot", "--no-pager", "--quiet", "--output=cat", *matches).splitlines()


def open_the_firewall(guest: Guest) -> None:
    for program in ("iptables", "ip6tables"):
        for chain in ("INPUT", "FORWARD"):
            guest.run(program, "-P", chain, "ACCEPT")
        for table in ("filter", "mangle"):
            guest.run(program, "-t", table, "-F")


def logs_attempt(guest: Guest, lab: Lab, address: IPv6Address, port: int, *, timeout_s: float = LOGGED_S) -> None:
    """The server's attempt to connect is in the Pi's log, with both addresses (netfilter writes all their digits)."""
    ends = {"SRC": places.SERVER.ip.exploded, "DST": address.exploded}
    wanted = {**ends, "PROTO": "TCP", "DPT": str(port)}
    is_logged(guest, lambda: lab.outside.knock(address, port, timeout_s=1), timeout_s=timeout_s, **wanted)


def refuses_tunnel_packets_from_strangers(guest: Guest, lab: Lab, *, timeout_s: float = LOGGED_S) -> None:
    """Protocol 41 from another address is dropped and logged, although what is in it would be welcome."""

    def send() -> None:
        lab.outside.forge(source=lab.site.broker_side.ip, target=lab.site.tunnel_client.ip)

    is_logged(guest, send, timeout_s=timeout_s, SRC=str(places.STRANGER), PROTO="41")


def refuses_tunnel_packets_from_the_lan(guest: Guest, lab: Lab, *, timeout_s: float = LOGGED_S) -> None:
    """The inside is trusted, but not as a tunnel server."""
    source = lab.client.dhcp_lease().address.ip

    def send() -> None:
        lab.outside.forge(
            namespace=lab.client.name,
            outer_source=source,
            outer_target=lab.site.pi_lan.ip,
            source=lab.site.broker_side.ip,
            target=lab.site.tunnel_client.ip,
        )

    is_logged(guest, send, timeout_s=timeout_s, SRC=str(source), PROTO="41")


def is_logged(guest: Guest, send: Callable[[], object], *, timeout_s: float, **wanted: str) -> None:
    """One more blocked packet with these fields is logged when it is sent, again and again; else TimeoutError."""
    before = len(blocked(guest, **wanted))

    def logged() -> bool:
        send()
        return len(blocked(guest, **wanted)) > before

    until(logged, f"a blocked packet with {wanted} is in the Pi's log", timeout_s=timeout_s)


def blocked(guest: Guest, **wanted: str) -> list[str]:
    """The kernel's lines about blocked packets that have all of these fields."""
    lines = guest.ask(["journalctl", "--dmesg", "--boot", "--no-pager", "--output=cat"]).output.splitlines()
    return [
        line
        for line in lines
        if "[UFW BLOCK]" in line and all(re.search(rf"\b{name}={value}( |$)", line) for name, value in wanted.items())
    ]


def address_in(guest: Guest, prefix: IPv6Network, interface: str) -> IPv6Address:
    """The Pi's own address in a prefix, once it has one and knows that it is nobody else's."""

    def found() -> IPv6Address | None:
        words = guest.run("ip", "-6", "-o", "address", "show", "dev", interface, "scope", "global", "-tentative")
        addresses = (IPv6Address(word) for word in re.findall(r"inet6 ([^/]+)/", words))
        return next((address for address in addresses if address in prefix), None)

    return until(found, f"the Pi has an address in {prefix}", timeout_s=60)


def link_local(guest: Guest, interface: str) -> IPv6Address:
    """The Pi's own address on that link."""
    words = guest.run("ip", "-6", "-o", "address", "show", "dev", interface, "scope", "link")
    return IPv6Address(re.findall(r"inet6 ([^/]+)/", words)[0])


def holds(guest: Guest) -> list[str]:
    """What the daemon has put in place on a gateway: its routes, the global addresses, and which units run."""
    routes = [guest.run("ip", family, "route", "show", "protocol", "97") for family in ("-4", "-6")]
    addresses = guest.run("ip", "-o", "address", "show", "scope", "global")
    units = guest.ask(["systemctl", "is-active", "appliance-dnsmasq.service", "ssh.service"]).output
    found = re.findall(r"^\d+: (\S+) +(inet6? \S+)", addresses, re.MULTILINE)
    return [*routes, *sorted(" ".join(words) for words in found), units]


def received(guest: Guest, interface: str) -> int:
    """Packets since the boot."""
    return int(guest.run("cat", f"/sys/class/net/{interface}/statistics/rx_packets"))


def since_boot(guest: Guest, unit: str) -> float:
    """When systemd had started it: seconds."""
    return int(guest.run("systemctl", "show", "-P", "ActiveEnterTimestampMonotonic", unit)) / 1e6


def daemon_pid(guest: Guest) -> str:
    return guest.run("systemctl", "show", "-P", "MainPID", "appliance.service").strip()


def daemon_rss_mib(guest: Guest) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", guest.run("cat", f"/proc/{daemon_pid(guest)}/status"))
    assert found
    return int(found[1]) / 1024


def keeps_everybody_out(guest: Guest, lab: Lab, interface: str) -> None:
    """The server reaches neither the Pi, on ports that are open to the inside, nor the client."""
    on_lan = address_in(guest, lab.site.routed, interface)
    for port in (22, 53):
        assert lab.client.knock(on_lan, port) == "connected"
        for address in (lab.site.tunnel_client.ip, on_lan):
            checks.keeps_out(lab, address, port)
    checks.keeps_others_out(lab, lab.client, lab.client.slaac_address())
