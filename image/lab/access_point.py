"""An access point of the lab: a computer of its own with one of the guest's simulated radios (mac80211_hwsim).

hostapd is the access point, dnsmasq its DHCP server. The guest keeps the first radio, wlan0; the others are for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from ipaddress import IPv4Interface

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
    address: IPv4Interface

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
        """Be off the air."""
        self.stop("hostapd")

    def leases(self) -> str:
        """What the DHCP server has given out: dnsmasq's lease file."""
        return self.read("/run/leases")


def begun(tools: Tools, name: str, radio: int, address: IPv4Interface) -> AccessPoint:
    """One more access point, not yet on the air; its DHCP server gives out addresses of that network.

    The guest was booted with `kernel_parameters` and `computer.kernel_parameters`.
    """
    guest = tools.guest
    computer.begun(guest, name)
    point = AccessPoint(guest, name, radio, address)
    # A radio changes its network namespace with the whole of its hardware, and is told a process that is there.
    point.start("holder", "sleep", "infinity")
    process = guest.run("systemctl", "show", "--property=MainPID", "--value", f"lab-{name}-holder.service").strip()
    guest.run("rfkill", "unblock", guest.run("cat", f"/sys/class/ieee80211/phy{radio}/rfkill{radio}/index").strip())
    tools.run("iw", "phy", f"phy{radio}", "set", "netns", process)
    point.run("ip", "address", "add", str(address), "dev", point.interface)
    pool = address.network
    point.start(
        "dhcp",
        *("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--bind-dynamic", "--log-dhcp"),
        *(f"--interface={point.interface}", f"--dhcp-range={pool[100]},{pool[150]},10m"),
        *("--dhcp-leasefile=/run/leases", "--pid-file=/run/dnsmasq.pid"),
    )
    return point


def _secured(ssid: str, passphrase: str, security: str) -> Mapping[str, str]:
    """hostapd would drop spaces at the end of a passphrase, so WPA2 gets the key that it stands for."""
    key = pbkdf2_hmac("sha1", passphrase.encode(), ssid.encode(), 4096, 32).hex()
    return {
        "wpa": "2",
        "wpa_key_mgmt": security,
        "rsn_pairwise": "CCMP",
        "ieee80211w": {WPA2: "0", WPA3: "2", BOTH: "1"}[security],
        **({"wpa_psk": key} if security == WPA2 else {"wpa_passphrase": passphrase}),
    }
