"""What the tunnel broker gives of a tunnel: its example for Debian, or its information as XML.

The example is a stanza of interfaces(5). The information is what https://tunnelbroker.net/tunnelInfo.php?tid=ID shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Interface, IPv6Network

from appliance import addresses
from appliance.errors import InputError

STANZA = ("inet6", "v4tunnel")  # `iface NAME inet6 v4tunnel`, interfaces(5)
WHERE = 'log in at tunnelbroker.net; save what "Example Configurations", "Debian/Ubuntu" on the tunnel\'s page shows'
WHERE_INFORMATION = "log in at tunnelbroker.net, open https://tunnelbroker.net/tunnelInfo.php?tid=ID, and save that"
_TUNNEL = re.compile(
    r"""<tunnel\b[^<>]*?\bid=["']?(?P<number>[0-9]{1,10})\b[^<>]*>(?P<content>.*?)</tunnel>""", re.DOTALL
)
_ELEMENT = re.compile(r"<(?P<name>[a-z0-9]+)>(?P<text>[^<>]*)</(?P=name)>")  # nothing in it takes long, whatever comes


@dataclass(frozen=True)
class BrokerTunnel:
    """What the broker gives of your tunnel; only its information has the last three, and `routed48` only if asked for.

    Your own IPv4 address is there as the broker sees it, and of no use behind NAT.
    """

    server: IPv4Address
    address: IPv6Interface
    routed: IPv6Network | None = None
    number: int | None = None
    routed48: IPv6Network | None = None


def read_tunnel(text: str, file: str) -> BrokerTunnel:
    """Read either of them; raises InputError saying what is missing in it."""
    return read_information(text, file) if text.lstrip("\ufeff \t\r\n").startswith("<") else read_stanza(text, file)


def read_information(text: str, file: str) -> BrokerTunnel:
    """Read the broker's information about one tunnel; raises InputError saying what is missing in it."""
    tunnels = list(_TUNNEL.finditer(text))
    if len(tunnels) != 1:
        told = f"there are {len(tunnels)} tunnels" if tunnels else "there is no tunnel"
        raise InputError(f"{file}: {told} in it, not one", hint=WHERE_INFORMATION)
    texts = {each["name"]: each["text"].strip() for each in _ELEMENT.finditer(tunnels[0]["content"])}
    found = {name: each for name, each in texts.items() if each}
    _require(found, ("serverv4", "clientv6"), f"{file}: the tunnel", WHERE_INFORMATION)
    try:
        return BrokerTunnel(
            server=addresses.ipv4_address(found["serverv4"]),
            address=_client(found["clientv6"]),
            routed=addresses.ipv6_network(found["routed64"]) if "routed64" in found else None,
            number=int(tunnels[0]["number"]),
            routed48=addresses.ipv6_network(found["routed48"]) if "routed48" in found else None,
        )
    except ValueError as error:
        raise InputError(f"{file}: {error}", hint=WHERE_INFORMATION) from None


def read_stanza(text: str, file: str) -> BrokerTunnel:
    """Read the page's text; raises InputError saying what is missing in it."""
    options = _options(text)
    if options is None:
        raise InputError(f"{file}: there is no `iface … inet6 v4tunnel` in it", hint=WHERE)
    _require(options, ("address", "endpoint"), f"{file}: the stanza", WHERE)
    try:
        return BrokerTunnel(
            server=addresses.ipv4_address(options["endpoint"]),
            address=_client(options["address"], options.get("netmask", "64")),
        )
    except ValueError as error:
        raise InputError(f"{file}: {error}", hint=WHERE) from None


def _require(found: Mapping[str, str], names: Sequence[str], what: str, where: str) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise InputError(f"{what} has no {' and no '.join(missing)}", hint=where)


def _client(text: str, usual: str = "64") -> IPv6Interface:
    """The Pi's own address; where its prefix length is left out, it is the usual one."""
    address, _, length = text.partition("/")
    return addresses.ipv6_interface(f"{address}/{length or usual}")


def _options(text: str) -> dict[str, str] | None:
    """Give the options of the first tunnel's stanza, None where there is none."""
    options: dict[str, str] | None = None
    for line in text.replace("\u00a0", " ").splitlines():
        words = line.split("#", 1)[0].split()
        if words[:1] == ["iface"]:
            if options is not None:
                break
            options = {} if tuple(words[2:4]) == STANZA else None
        elif options is not None and len(words) >= 2:
            options.setdefault(words[0], words[1])
    return options
