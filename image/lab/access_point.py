"""An access point of the lab: a computer of its own with one of the guest's simulated radios (mac80211_hwsim).

hostapd is the access point; dnsmasq is the home router in it: addresses of both families, and names. The guest keeps
the first radio, wlan0; the others are for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from image.lab import computer
from image.lab.computer import Computer, Tools

WPA2, WPA3, BOTH = "WPA-PSK", "SAE", "WPA-PSK SAE"
"""What hostapd's `wpa_key_mgmt` calls them."""
CONFIG = "/etc/hostapd.conf"


def kernel_parameters(radios: int) -> list[str]:
    """What the kernel's command line needs so that the guest has that many radios, all of them blocked.

    That is how Raspberry Pi OS boots until somebody has named a country.
    """
    return ["modules-load=mac80211_hwsim", f"mac80211_hwsim.radios={radios}", "rfkill.default_state=0"]


@dataclass(frozen=True)
class AccessPoint(Computer):
    """An access point with the guest's radio of that number."""

    radio: int
    ipv4: IPv4Interface
    ipv6: IPv6Interface

    @property
    def interface(self) -> str:
        """Its wireless interface, as the guest's kernel had called it."""
        return f"wlan{self.radio}"

    def announce(
        self,
        ssid: str,
        passphrase: str | None = None,
        *,
        hidden: bool = False,
        security: str = WPA2,
        country: str = "NO",
    ) -> None:
        """Be the access point of this network, until `silence`; without a passphrase an open one."""
        settings = {
            "interface": self.interface,
            "driver": "nl80211",
            "ssid2": ssid.encode().hex(),
            "ignore_broadcast_ssid": str(int(hidden)),
            "hw_mode": "g",
            "channel": str(5 * self.radio - 4),
            "country_code": country,
            "ieee80211d": "1",
            **(_secured(ssid, passphrase, security) if passphrase is not None else {}),
        }
        self.write(CONFIG, "".join(f"{name}={value}\n" for name, value in settings.items()))
        self.start("hostapd", "hostapd", CONFIG)

    def silence(self) -> None:
        """Be off the air, and tell those who have joined (deauthentication)."""
        self.stop("hostapd")

    def lose_power(self) -> None:
        """Be off the air without a word to anybody, until `announce`."""
        self.guest.run("systemctl", "kill", "--signal=KILL", self.unit("hostapd"))
        self.lay(f"link set {self.interface} down")

    def leases(self) -> str:
        """What the DHCP server has given out: dnsmasq's lease file."""
        return self.read("/run/leases")


def begun(
    tools: Tools, name: str, radio: int, ipv4: IPv4Interface, ipv6: IPv6Interface, *, resolver: IPv4Address
) -> AccessPoint:
    """One more access point, not yet on the air, which routes; it passes questions for names on to `resolver`.

    The guest was booted with `kernel_parameters` and `computer.kernel_parameters`.
    """
    guest = tools.guest
    computer.begun(guest, name)
    point = AccessPoint(guest, name, radio, ipv4, ipv6)
    # A radio changes its network namespace with the whole of its hardware, and is told a process that is there.
    point.start("holder", "sleep", "infinity")
    process = guest.run("systemctl", "show", "--property=MainPID", "--value", point.unit("holder")).strip()
    guest.run("rfkill", "unblock", guest.run("cat", f"/sys/class/ieee80211/phy{radio}/rfkill{radio}/index").strip())
    tools.run("iw", "phy", f"phy{radio}", "set", "netns", process)
    # hostapd takes the interface down when it ends, and with it the kernel takes IPv6 addresses.
    keeping = f"net.ipv6.conf.{point.interface}.keep_addr_on_down=1"
    forwarding = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    guest.run(*point.in_network, "sysctl", "-qw", keeping, *forwarding)
    point.lay(f"address add {ipv4} dev {point.interface}", f"address add {ipv6} dev {point.interface} nodad")
    point.start("router", *_router(point, resolver))
    return point


def _router(point: AccessPoint, resolver: IPv4Address) -> list[str]:
    """As of the wired home (`home.router_services`): DHCP, DNS, router advertisements."""
    pool = point.ipv4.network
    return [
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-dhcp",
        "--bind-dynamic", f"--interface={point.interface}", f"--server={resolver}",
        f"--dhcp-range={pool[100]},{pool[150]},10m",
        "--enable-ra", f"--dhcp-range={point.ipv6.network.network_address},ra-stateless,64,10m",
        "--dhcp-leasefile=/run/leases", "--pid-file=/run/dnsmasq.pid",
    ]  # fmt: skip


def _secured(ssid: str, passphrase: str, security: str) -> Mapping[str, str]:
    """hostapd would drop spaces at the end of a passphrase, so WPA2 gets the key that it stands for.

    One of 64 characters is that key itself.
    """
    is_key = len(passphrase) == 64
    key = passphrase if is_key else pbkdf2_hmac("sha1", passphrase.encode(), ssid.encode(), 4096, 32).hex()
    return {
        "wpa": "2",
        "wpa_key_mgmt": security,
        "rsn_pairwise": "CCMP",
        "ieee80211w": {WPA2: "0", WPA3: "2", BOTH: "1"}[security],
        **({"wpa_psk": key} if security == WPA2 else {"wpa_passphrase": passphrase}),
    }
