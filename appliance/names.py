"""Reading names: interfaces, hosts, domains, kernel settings, units, wireless networks.

Every function takes the text and raises ValueError with a sentence that a person can act on.
"""

from __future__ import annotations

import re

from appliance.quoting import quoted

# The kernel: at most 15 bytes (IFNAMSIZ less the NUL), no "/", ":" or white space, not "." or ".."
# (net/core/dev.c, dev_valid_name). "%" is a pattern to it, and the rest is what every tool accepts.
INTERFACE = r"^(?!\.\.?$)[A-Za-z0-9._@+-]{1,15}$"
INTERFACE_PATTERN = r"^[A-Za-z0-9._@+*?-]{1,15}$"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"  # RFC 1123, section 2.1
MAC = r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"
DRIVER = r"^[A-Za-z0-9._@+*?-]{1,31}$"  # linux/ethtool.h, struct ethtool_drvinfo: 32 bytes with the NUL
KIND = r"^[a-z0-9_-]{1,31}$"
HOSTNAME = rf"^{LABEL}$"
DOMAIN = rf"^(?=.{{1,253}}$){LABEL}(\.{LABEL})*$"
SYSCTL = r"^[a-z0-9_-]+(\.([A-Za-z0-9_-]+|\{interface\}))+$"
UNIT = r"^[A-Za-z0-9:_.\\@-]{1,240}\.(service|socket|target|timer|path|mount|slice)$"
WPA_KEY = r"^([ -~]{8,63}|[0-9A-Fa-f]{64})$"  # IEEE 802.11: printable ASCII, or the 256-bit key itself
BROKER_USER = r"^[!-9;-~]{1,64}$"  # RFC 7617, section 2: no colon in a user name
UPDATE_KEY = r"^[!-~]{1,64}$"
ONE_LINE = r"^[^\x00-\x1f\x7f]{1,256}$"
CABLE_BRIDGE = "br-usb"  # of a gadget's own network interfaces
SSID_MAX_BYTES = 32  # IEEE 802.11


def interface(text: str) -> str:
    """Read the name of a network interface."""
    if len(text) > 15:
        raise ValueError(f"{quoted(text)} is too long: the kernel's limit is 15 characters")
    return _matched(INTERFACE, text, "the name of a network interface")


def interface_pattern(text: str) -> str:
    """Read a name of interfaces in which * and ? match as in a shell."""
    return _matched(INTERFACE_PATTERN, text, "a name of interfaces")


def mac(text: str) -> str:
    """Read a hardware address; its letters become small."""
    return _matched(MAC, text, "a hardware address").lower()


def driver_pattern(text: str) -> str:
    """Read a name of drivers in which * and ? match as in a shell."""
    return _matched(DRIVER, text, "a name of drivers")


def kind(text: str) -> str:
    """Read a kind of interfaces, as the kernel calls it."""
    return _matched(KIND, text, "a kind of interfaces")


def hostname(text: str) -> str:
    """Read a host's name, without a domain."""
    if "." in text:
        raise ValueError(f"{quoted(text)} has a domain in it; here only the first part is wanted")
    if text.lower() == "localhost":
        raise ValueError('"localhost" is every machine\'s name for itself')
    return _matched(HOSTNAME, text, "a host name")


def domain(text: str) -> str:
    """Read a domain's name."""
    return _matched(DOMAIN, text, "a domain name")


def sysctl(text: str) -> str:
    """Read a kernel setting's name."""
    return _matched(SYSCTL, text, "the name of a kernel setting")


def unit(text: str) -> str:
    """Read a systemd unit's full name."""
    if re.fullmatch(r"[A-Za-z0-9_@-]+", text):
        raise ValueError(f'{quoted(text)} has no type, did you mean "{text}.service"?')
    return _matched(UNIT, text, "the name of a systemd unit")


def one_line(text: str) -> str:
    """Read any text of one line."""
    return _matched(ONE_LINE, text, "a value of one line")


def ssid(text: str) -> str:
    """Read a wireless network's name."""
    size_bytes = len(text.encode(errors="replace"))
    if size_bytes > SSID_MAX_BYTES:
        raise ValueError(f"{quoted(text)} is too long: {size_bytes} bytes, and a network's name has at most 32")
    return _matched(ONE_LINE, text, "the name of a wireless network")


def wpa_passphrase(text: str) -> str:
    """Read a passphrase. No message shows any of it."""
    if re.fullmatch(WPA_KEY, text):
        return text
    if not text.isascii() or not text.isprintable():
        raise ValueError("a passphrase has only letters, digits, spaces and signs of a US keyboard")
    if len(text) < 8:
        raise ValueError(f"a passphrase has at least 8 characters, this one has {len(text)}")
    if len(text) == 64:
        raise ValueError("a passphrase of 64 characters is a key, and those have only hexadecimal digits")
    raise ValueError(f"a passphrase has at most 63 characters, this one has {len(text)}")


def broker_user(text: str) -> str:
    """Read the name of an account at the tunnel broker."""
    return _matched(BROKER_USER, text, "the name of an account: it has no spaces and no colon")


def update_key(text: str) -> str:
    """Read a tunnel's update key. No message shows any of it."""
    if not re.fullmatch(UPDATE_KEY, text):
        raise ValueError("an update key has 1 to 64 letters, digits and signs of a US keyboard, and no spaces")
    return text


def _matched(pattern: str, text: str, name: str) -> str:
    if not re.search(pattern.removesuffix("$") + r"\Z", text):
        raise ValueError(f"{quoted(text)} is not {name}")
    return text
