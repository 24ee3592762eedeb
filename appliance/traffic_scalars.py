"""The sorts of value that the firewall's rules are made of: hosts, services, rates. See `scalars`."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from appliance import addresses, names, services
from appliance.addresses import Network
from appliance.quoting import quoted
from appliance.ranges import Rate
from appliance.scalars import ANY_TEXT, Scalar, whole_number
from appliance.services import ANY, Protocol, Service

INSIDE = "inside"
"""In a list of hosts: all that are on the networks which are served."""

_RATE = r"^[1-9][0-9]{0,5}/(s|min|h)$"
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_FASTEST_PER_S = 1000
"""The kernel's limit knows no more than 10,000 (xt_limit.c, XT_LIMIT_SCALE)."""
_ADDRESS = re.compile(r"[0-9.]*|.*[:/].*")
"""What is meant as an address, or as a network, and no name."""


def _name(text: str) -> str:
    """That of a machine inside: in small letters, as those of leases are looked up."""
    return names.hostname(text).lower()


def _host(text: str) -> IPv4Address | IPv6Address | str:
    return addresses.ip_address(text) if _ADDRESS.fullmatch(text) else _name(text)


def _host4(text: str) -> IPv4Address | str:
    return addresses.ipv4_address(text) if _ADDRESS.fullmatch(text) else _name(text)


def _manager(text: str) -> Network | str:
    return INSIDE if text == INSIDE else addresses.network(text)


def _endpoint(text: str) -> Network | str | None:
    if text == "any":
        return None
    return addresses.network(text) if _ADDRESS.fullmatch(text) else _name(text)


def _transport(text: str) -> Service:
    found = services.service(text)
    if found.ports is None:
        raise ValueError(f"{quoted(text)} has no port")
    return found


def _outbound(text: str) -> Service:
    return ANY if text == "allow" else services.service(text)


def _rate(text: str) -> Rate:
    if not re.fullmatch(_RATE, text):
        raise ValueError(f"{quoted(text)} is not a rate")
    count, _, unit = text.partition("/")
    if int(count) > _FASTEST_PER_S * _SECONDS[unit]:
        raise ValueError(f"{quoted(text)} is faster than {_FASTEST_PER_S}/s, which nobody could read")
    return Rate(int(count), unit)


def _shown(host: Any) -> str:
    """A host alone is written without a prefix length."""
    return str(host).removesuffix("/32").removesuffix("/128") if host is not None else "any"


_EITHER = "a host's address or a network, e.g. 203.0.113.9 or 2001:db8::/32"

HOST: Scalar[IPv4Address | IPv6Address | str] = Scalar(
    "a machine", _host, "an address, or the name that it has by DHCP, e.g. nas", ANY_TEXT
)
HOST4: Scalar[IPv4Address | str] = Scalar(
    "a machine", _host4, "an IPv4 address, or the name that it has by DHCP, e.g. nas", ANY_TEXT
)
HOSTS: Scalar[Network] = Scalar("hosts", addresses.network, _EITHER, ANY_TEXT, _shown)
MANAGER: Scalar[Network | str] = Scalar("hosts", _manager, f"{INSIDE}, or {_EITHER}", ANY_TEXT, _shown)
ENDPOINT: Scalar[Network | str | None] = Scalar(
    "hosts", _endpoint, f"any, a name that a machine has by DHCP, {_EITHER}", ANY_TEXT, _shown
)
SERVICE: Scalar[Service] = Scalar(
    "a service",
    services.service,
    "tcp/443, udp/8000-8010, tcp, udp, icmp, any",
    {**ANY_TEXT, "pattern": services.PATTERN},
    given="tcp/443",
)
TRANSPORT: Scalar[Service] = Scalar(
    "a port with its protocol",
    _transport,
    "e.g. tcp/8443 or udp/5000-5010",
    {**ANY_TEXT, "pattern": services.PATTERN},
)
OUTBOUND: Scalar[Service] = Scalar(
    "a service",
    _outbound,
    f"allow, or a list of such as {Protocol.TCP}/443, udp/53, icmp",
    {**ANY_TEXT, "pattern": f"^allow$|{services.PATTERN}"},
    lambda found: "allow" if found == ANY else str(found),
    given="udp/53",
)
PORT: Scalar[int] = whole_number("a port", 1, 65535, given=443)
RATE: Scalar[Rate] = Scalar(
    "a rate", _rate, "a number a second, minute or hour, e.g. 3/min", {**ANY_TEXT, "pattern": _RATE}
)
NOTE: Scalar[str] = Scalar("a note", names.one_line, "text of one line", ANY_TEXT, given="it sends mail")
