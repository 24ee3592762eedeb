"""Reading IP addresses, networks and ranges as they are written in `appliance.yaml`.

Every function takes the text and raises ValueError with a sentence that a person can act on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from appliance.quoting import quoted
from appliance.ranges import AddressRange

Network = IPv4Network | IPv6Network
EVERYWHERE: Mapping[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}
"""All addresses of a family."""
PREFIX_LENGTH = re.compile(r"[0-9]{1,3}")
PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))  # RFC 1918
SUBNET_PREFIXLEN = 64  # of a network whose machines choose their addresses (RFC 4862)
GADGET_PREFIX_MAX = 30  # the longest prefix with an address for the Pi and one for the laptop


def ipv4_address(text: str) -> IPv4Address:
    """Read an address of one machine."""
    if "/" in text:
        raise ValueError(f"{quoted(text)} has a prefix length; here only the address is wanted")
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise ValueError(f"{quoted(text)} is not an IPv4 address") from None


def ipv6_address(text: str) -> IPv6Address:
    """Read an address of one machine, without a zone."""
    if "/" in text:
        raise ValueError(f"{quoted(text)} has a prefix length; here only the address is wanted")
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise ValueError(f"{quoted(text)} is not an IPv6 address") from None
    if address.scope_id is not None:
        raise ValueError(f'{quoted(text)} names an interface; leave out the "%" and what follows it')
    return address


def ip_address(text: str) -> IPv4Address | IPv6Address:
    """Read an address of either family."""
    try:
        return ipv6_address(text) if ":" in text else ipv4_address(text)
    except ValueError as error:
        if "is not an" not in str(error):
            raise
        raise ValueError(f"{quoted(text)} is not an IP address") from None


def ipv4_interface(text: str) -> IPv4Interface:
    """Read a machine's own address with the prefix length of its network."""
    address, length = _split(text, "24")
    try:
        interface = IPv4Interface((ipv4_address(address), length))
    except ValueError as error:
        raise _explained(error, f"/{length} is not a prefix length of IPv4, which is at most 32") from None
    network = interface.network
    if network.prefixlen <= GADGET_PREFIX_MAX:
        first = f"{network.network_address + 1}/{network.prefixlen}"
        if interface.ip == network.network_address:
            raise ValueError(f'"{text}" is the network itself, not an address in it; the first one is {first}')
        if interface.ip == network.broadcast_address:
            raise ValueError(f'"{text}" is the broadcast address of its network; the first usable one is {first}')
    return interface


def ipv6_interface(text: str) -> IPv6Interface:
    """Read a machine's own address with the prefix length of its network."""
    address, length = _split(text, "64")
    try:
        return IPv6Interface((ipv6_address(address), length))
    except ValueError as error:
        raise _explained(error, f"/{length} is not a prefix length of IPv6, which is at most 128") from None


def ipv4_network(text: str) -> IPv4Network:
    """Read a network: its first address and its prefix length."""
    address, length = _split(text, "24")
    try:
        return IPv4Network((ipv4_address(address), length))
    except ValueError as error:
        raise _explained(error, _network_mistake(text, lambda: IPv4Interface((address, length)).network)) from None


def ipv6_network(text: str) -> IPv6Network:
    """Read a network: its first address and its prefix length."""
    address, length = _split(text, "64")
    try:
        return IPv6Network((ipv6_address(address), length))
    except ValueError as error:
        raise _explained(error, _network_mistake(text, lambda: IPv6Interface((address, length)).network)) from None


def gadget_network(text: str) -> IPv4Interface | None:
    """Read the Pi's address on the USB cable; `auto` is None."""
    if text == "auto":
        return None
    interface = ipv4_interface(text)
    if interface.network.prefixlen > GADGET_PREFIX_MAX:
        raise ValueError(f"{quoted(text)} is too small: there is no address for the laptop in it")
    return interface


def network(text: str) -> Network:
    """Read a network of either family; an address alone is the network of one host."""
    if "/" in text:
        return ipv6_network(text) if ":" in text else ipv4_network(text)
    return host_network(ip_address(text))


def host_network(address: IPv4Address | IPv6Address) -> Network:
    """The network of one host."""
    return IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)


def is_within(network: Network, other: Network) -> bool:
    """Whether all of a network is in another one, of the same family."""
    return (
        network.version == other.version and network.network_address in other and network.prefixlen >= other.prefixlen
    )


def overlap(network: Network, other: Network) -> bool:
    """Whether two networks have addresses in common: of two that do, one is within the other."""
    return is_within(network, other) or is_within(other, network)


def subnet(prefix: IPv6Network, number: int) -> IPv6Network:
    """The /64 of that number from the beginning of a prefix on, the first being 0; it may be beyond its end."""
    return IPv6Network((int(prefix.network_address) + (number << SUBNET_PREFIXLEN), SUBNET_PREFIXLEN))


def own_address_in(prefix: IPv6Network) -> IPv6Interface:
    """The Pi's own address in a prefix that it serves: the first one, as routers have by custom."""
    return IPv6Interface((prefix[1], prefix.prefixlen))


def ipv4_range(text: str) -> AddressRange:
    """Read FIRST-LAST."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not dash:
        raise ValueError(f"{quoted(text)} is not a range of addresses")
    if last.isdigit() and len(last) <= 3:
        raise ValueError(f"{quoted(text)}: write the last address in full")
    found = AddressRange(ipv4_address(first), ipv4_address(last))
    if found.first > found.last:
        raise ValueError(f"{quoted(text)} is the wrong way round: the first address is after the last")
    return found


def _split(text: str, usual: str) -> tuple[str, int]:
    address, slash, length = text.partition("/")
    if not slash:
        raise ValueError(f"{quoted(text)} has no prefix length; many networks are /{usual}")
    if not PREFIX_LENGTH.fullmatch(length):
        raise ValueError(f"{quoted(text)}: the prefix length after / is a number, such as {usual}")
    return address, int(length)


def _network_mistake(text: str, network: object) -> str:
    try:
        meant = network()  # type: ignore[operator]
    except ValueError:
        return f"{quoted(text)} is not a network"
    return f"{quoted(text)} is an address in a network; the network is {meant}"


def _explained(error: ValueError, message: str) -> ValueError:
    """Keep our own sentences; replace those of the ipaddress module."""
    return error if str(error).startswith('"') else ValueError(message)
