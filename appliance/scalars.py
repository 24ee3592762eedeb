"""The sorts of value there are: one `Scalar` each, used by the parser, the JSON Schema and the texts.

A JSON Schema fragment never refuses what `parse` accepts (an editor must not underline a good file); it
may accept what only `parse` can know to be wrong. Editors read YAML 1.2, where `1480` is a number and
`true` a boolean, so fragments allow those types where such a value is meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Generic, TypeVar

from appliance import addresses, countries, names, public_key
from appliance.quoting import quoted
from appliance.ranges import AddressRange, PortRange, TableRange

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION_MAX_S = 365 * 86400
ANY_TEXT: dict[str, Any] = {"type": ["string", "number", "boolean"]}  # free text may look like another type


@dataclass(frozen=True)
class Scalar(Generic[T]):
    """A sort of value.

    `parse` raises ValueError with a sentence; `allowed` completes "allowed is …"; `show` gives the
    notation that `parse` reads. `given` is a text that it reads, where `allowed` ends in no such example.
    """

    name: str
    parse: Callable[[str], T]
    allowed: str
    schema: Mapping[str, Any]
    show: Callable[[T], str] = str
    given: str = field(default="", kw_only=True)

    @property
    def rule(self) -> str:
        """What is allowed, without the example; "" where the name says it all."""
        return self.allowed.partition("e.g. ")[0].rstrip(", ")

    @property
    def example(self) -> str:
        """A text that `parse` reads."""
        return self.given or self.allowed.partition("e.g. ")[2].partition(" or ")[0].strip('"')


def choice(options: type[E]) -> Scalar[E]:
    """One of the values of an enumeration."""
    allowed = [option.value for option in options]

    def parse(text: str) -> E:
        if text in allowed:
            return options(text)
        near = difflib.get_close_matches(text.lower(), allowed, 1)
        suggestion = f', did you mean "{near[0]}"?' if near else ""
        raise ValueError(f"{quoted(text)} is not one of the choices{suggestion}")

    return Scalar(options.__name__.lower(), parse, ", ".join(allowed), {"enum": allowed}, given=allowed[0])


def whole_number(name: str, first: int, last: int, unit: str = "", *, given: int) -> Scalar[int]:
    """A number from the first to the last, both included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise ValueError(f"{quoted(text)} is not a number")
        if not first <= int(text) <= last:
            raise ValueError(f"{int(text)} is too {'small' if int(text) < first else 'large'}")
        return int(text)

    number = {"type": "integer", "minimum": first, "maximum": last}
    schema = {"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,12}$"}]}
    return Scalar(name, parse, f"{first} to {last}{unit}", schema, given=str(given))


def _number_range(text: str, first: int, last: int) -> tuple[int, int]:
    """Read `N` or `FIRST-LAST`."""
    found = re.fullmatch(r"([0-9]{1,10})(?: *- *([0-9]{1,10}))?", text)
    if not found:
        raise ValueError(f"{quoted(text)} is neither a number nor FIRST-LAST")
    low, high = int(found[1]), int(found[2] or found[1])
    if not (first <= low <= last and first <= high <= last):
        raise ValueError(f"{quoted(text)} is not between {first} and {last}")
    if low > high:
        raise ValueError(f"{quoted(text)} is the wrong way round: the first is after the last")
    return low, high


def _number_range_schema(first: int, last: int) -> dict[str, Any]:
    number = {"type": "integer", "minimum": first, "maximum": last}
    return {"anyOf": [number, {"type": "string", "pattern": "^[0-9]{1,10}( *- *[0-9]{1,10})?$"}]}


def _duration(text: str) -> int:
    if re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"{quoted(text)} has no unit: s, m, h or d for seconds, minutes, hours or days")
    found = re.fullmatch(r"([0-9]{1,8})([smhd])", text)
    if not found:
        raise ValueError(f"{quoted(text)} is not a length of time")
    seconds = int(found[1]) * SECONDS[found[2]]
    if seconds > DURATION_MAX_S:
        raise ValueError(f"{quoted(text)} is longer than a year")
    return seconds


def _shown_duration(seconds: int) -> str:
    size, unit = next((size, unit) for unit, size in reversed(SECONDS.items()) if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "yes", "on"):
        return True
    if text.lower() in ("false", "no", "off"):
        return False
    raise ValueError(f"{quoted(text)} is neither true nor false")


def _only(word: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text != word:
            raise ValueError(f"{quoted(text)} is not known here")
        return text

    return parse


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


_IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_IPV6 = r"[0-9A-Fa-f:.]{2,45}"
_LENGTH = "/[0-9]{1,3}"

BOOLEAN: Scalar[bool] = Scalar(
    "true or false",
    _boolean,
    "true, false",
    {
        "anyOf": [
            {"type": "boolean"},
            _text("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|[Oo][Ff]{2}|[Nn][Oo])$"),
        ]
    },
    lambda value: "true" if value else "false",
    given="true",
)
INTERFACE: Scalar[str] = Scalar(
    "a network interface",
    names.interface,
    "1 to 15 letters, digits and . _ - @ +, e.g. eth0",
    {**ANY_TEXT, "pattern": names.INTERFACE},
)
INTERFACE_PATTERN: Scalar[str] = Scalar(
    "a name of interfaces",
    names.interface_pattern,
    'a name in which * and ? match, e.g. "eth*"',
    {**ANY_TEXT, "pattern": names.INTERFACE_PATTERN},
)
MAC: Scalar[str] = Scalar(
    "a hardware address", names.mac, "six bytes, e.g. b8:27:eb:01:02:03", {**ANY_TEXT, "pattern": names.MAC}
)
DRIVER_PATTERN: Scalar[str] = Scalar(
    "a name of drivers",
    names.driver_pattern,
    "as `ethtool -i` tells it; * and ? match, e.g. virtio_net",
    {**ANY_TEXT, "pattern": names.DRIVER},
)
KIND: Scalar[str] = Scalar(
    "a kind of interfaces",
    names.kind,
    "as `ip -d link` tells it, or hardware for what has none, e.g. vlan",
    {**ANY_TEXT, "pattern": names.KIND},
)
HOSTNAME: Scalar[str] = Scalar(
    "a host name",
    names.hostname,
    "1 to 63 letters, digits and hyphens, no hyphen at either end",
    {**ANY_TEXT, "pattern": names.HOSTNAME},
    given="ipv6gw",
)
DOMAIN: Scalar[str] = Scalar(
    "a domain name",
    names.domain,
    "letters, digits and hyphens between dots, e.g. home.arpa",
    {**ANY_TEXT, "pattern": names.DOMAIN},
)
SYSCTL: Scalar[str] = Scalar(
    "a kernel setting",
    names.sysctl,
    "a name with dots, e.g. net.ipv4.conf.{interface}.rp_filter",
    _text(names.SYSCTL),
)
UNIT: Scalar[str] = Scalar("a systemd unit", names.unit, "a full name, e.g. ssh.service", _text(names.UNIT))
ARGUMENT: Scalar[str] = Scalar("a word of a command", names.one_line, "text of one line", ANY_TEXT, given="--quiet")
WORD: Scalar[str] = Scalar("a value", names.one_line, "text of one line", ANY_TEXT, given="2")
SSID: Scalar[str] = Scalar("a wireless network's name", names.ssid, "1 to 32 bytes", ANY_TEXT, given="Home")
WPA_PASSPHRASE: Scalar[str] = Scalar(
    "a passphrase",
    names.wpa_passphrase,
    "8 to 63 printable ASCII characters, or 64 hexadecimal digits",
    {**ANY_TEXT, "pattern": names.WPA_KEY},
    given="correct horse battery staple",
)
BROKER_USER: Scalar[str] = Scalar(
    "a user name",
    names.broker_user,
    "the name that you log in to the broker's pages with",
    {**ANY_TEXT, "pattern": names.BROKER_USER},
    given="me",
)
UPDATE_KEY: Scalar[str] = Scalar(
    "an update key",
    names.update_key,
    'the page\'s "Update Key"',
    {**ANY_TEXT, "pattern": names.UPDATE_KEY},
    given="A1b2C3d4E5f6G7h8",
)
COUNTRY: Scalar[str] = Scalar(
    "a country code",
    countries.country,
    "two capital letters of ISO 3166, e.g. NO",
    {"enum": sorted(countries.COUNTRIES)},
)
SSH_PUBLIC_KEY: Scalar[str] = Scalar(
    "an ssh public key",
    public_key.ssh_public_key,
    "the line of a .pub file, e.g. ssh-ed25519 AAAA… you@laptop",
    _text(public_key.PATTERN),
    given="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop",
)
IPV4_ADDRESS: Scalar[IPv4Address] = Scalar(
    "an IPv4 address", addresses.ipv4_address, "e.g. 192.168.1.254", _text(f"^{_IPV4}$")
)
IPV6_ADDRESS: Scalar[IPv6Address] = Scalar(
    "an IPv6 address", addresses.ipv6_address, "e.g. 2001:db8::2", _text(f"^{_IPV6}$")
)
IP_ADDRESS: Scalar[IPv4Address | IPv6Address] = Scalar(
    "an IP address", addresses.ip_address, "e.g. 1.1.1.1 or 2606:4700:4700::1111", _text(f"^({_IPV4}|{_IPV6})$")
)
IPV4_INTERFACE: Scalar[IPv4Interface] = Scalar(
    "an IPv4 address with its prefix length",
    addresses.ipv4_interface,
    "e.g. 192.168.1.252/24",
    _text(f"^{_IPV4}{_LENGTH}$"),
)
IPV6_INTERFACE: Scalar[IPv6Interface] = Scalar(
    "an IPv6 address with its prefix length",
    addresses.ipv6_interface,
    "e.g. 2001:db8::2/64",
    _text(f"^{_IPV6}{_LENGTH}$"),
)
IPV4_NETWORK: Scalar[IPv4Network] = Scalar(
    "an IPv4 network", addresses.ipv4_network, "e.g. 10.0.2.0/24", _text(f"^{_IPV4}{_LENGTH}$")
)
IPV6_NETWORK: Scalar[IPv6Network] = Scalar(
    "an IPv6 network", addresses.ipv6_network, "e.g. 2001:db8:0:1::/64", _text(f"^{_IPV6}{_LENGTH}$")
)
IPV4_RANGE: Scalar[AddressRange] = Scalar(
    "a range of IPv4 addresses",
    addresses.ipv4_range,
    "FIRST-LAST, e.g. 192.168.1.10-192.168.1.210",
    _text(f"^{_IPV4} *- *{_IPV4}$"),
)
GADGET_NETWORK: Scalar[IPv4Interface | None] = Scalar(
    "the Pi's address on the cable",
    addresses.gadget_network,
    "auto, or an address with a prefix length of at most 30, e.g. 10.55.0.1/28",
    _text(f"^(auto|{_IPV4}{_LENGTH})$"),
    lambda value: str(value or "auto"),
)
# IPv6 asks for 1280 (RFC 8200, section 5); the broker's own limit is 1480
MTU: Scalar[int] = whole_number("a packet size", 1280, 9000, " bytes", given=1492)
TUNNEL_MTU: Scalar[int] = whole_number("a packet size", 1280, 1480, " bytes", given=1472)
TUNNEL_ID: Scalar[int] = whole_number("a tunnel's number", 1, 2**31 - 1, given=123456)
METRIC: Scalar[int] = whole_number("a metric", 0, 2**32 - 1, given=10)
DURATION: Scalar[int] = Scalar(
    "a length of time", _duration, "a number with s, m, h or d, e.g. 12h", _text("^[0-9]{1,8}[smhd]$"), _shown_duration
)
PORTS: Scalar[PortRange] = Scalar(
    "a port or a range of ports",
    lambda text: PortRange(*_number_range(text, 1, 65535)),
    "1 to 65535 or FIRST-LAST, e.g. 443 or 8000-8010",
    _number_range_schema(1, 65535),
)
TABLES: Scalar[TableRange] = Scalar(
    "route tables",
    lambda text: TableRange(*_number_range(text, 1, 2**32 - 1)),
    "a number or FIRST-LAST, e.g. 2-252",
    _number_range_schema(1, 2**32 - 1),
)
TABLE_ENSURE: Scalar[str] = Scalar(
    "what a route table must have",
    _only("default-route"),
    "default-route",
    {"enum": ["default-route"]},
    given="default-route",
)
