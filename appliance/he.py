"""What the tunnel broker's "Example Configurations" page gives for Debian: a stanza of interfaces(5)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Interface

from appliance import addresses
from appliance.errors import InputError

STANZA = ("inet6", "v4tunnel")  # `iface NAME inet6 v4tunnel`, interfaces(5)
WHERE = 'on the tunnel\'s page: "Example Configurations", then "Debian/Ubuntu"; save what it shows in a file'


@dataclass(frozen=True)
class BrokerTunnel:
    """What the page knows of your tunnel. Its `local` is your address as the broker sees it, of no use behind NAT."""

    server: IPv4Address
    address: IPv6Interface


def read_stanza(text: str, file: str) -> BrokerTunnel:
    """Read the page's text; raises InputError saying what is missing in it."""
    options = _options(text)
    if options is None:
        raise InputError(f"{file}: there is no `iface … inet6 v4tunnel` in it", hint=WHERE)
    missing = [name for name in ("address", "endpoint") if name not in options]
    if missing:
        raise InputError(f"{file}: the stanza has no {' and no '.join(missing)}", hint=WHERE)
    address, _, length = options["address"].partition("/")
    try:
        return BrokerTunnel(
            server=addresses.ipv4_address(options["endpoint"]),
            address=addresses.ipv6_interface(f"{address}/{length or options.get('netmask', '64')}"),
        )
    except ValueError as error:
        raise InputError(f"{file}: {error}", hint=WHERE) from None


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
