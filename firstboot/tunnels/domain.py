"""6rd (RFC 5969): a provider's IPv6 prefix in which each customer's IPv4 address says what is the customer's. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from appliance.addresses import SUBNET_PREFIXLEN
from appliance.tunnel_checks import UNICAST

OPTION = 212
"""The DHCPv4 option that tells of it (RFC 5969, 7.1.1)."""

_IPV4_BITS, _IPV6_BITS = 32, 128
_HEAD_BYTES, _RELAY_BYTES = 18, 4


@dataclass(frozen=True)
class Domain:
    """A provider's 6rd domain, in the words of RFC 5969, section 4.

    The first `ipv4_mask_length` bits are the same in all of its customers' IPv4 addresses, and are not in the prefixes
    that they have. `relays`: the border relays, which lead to the rest of the IPv6 Internet, the preferred one first.
    """

    prefix: IPv6Network
    ipv4_mask_length: int
    relays: tuple[IPv4Address, ...]

    @property
    def relay(self) -> IPv4Address:
        """The preferred one."""
        return self.relays[0]

    @property
    def delegated_length(self) -> int:
        """The length of a customer's prefix."""
        return self.prefix.prefixlen + _IPV4_BITS - self.ipv4_mask_length

    def delegated(self, address: IPv4Address) -> IPv6Network:
        """The prefix of whoever has that address: the domain's, and those bits of the address that are its own."""
        own_bits = int(address) & ((1 << (_IPV4_BITS - self.ipv4_mask_length)) - 1)
        number = own_bits << (_IPV6_BITS - self.delegated_length)
        return IPv6Network((int(self.prefix.network_address) | number, self.delegated_length))

    def customers(self, address: IPv4Address) -> IPv4Network:
        """The IPv4 addresses of all customers, one of whom has that address."""
        return IPv4Network((address, self.ipv4_mask_length), strict=False)

    def anycast(self, address: IPv4Address) -> IPv6Address | None:
        """By what a customer with that address asks for the relay: the first address of its prefix (RFC 4291, 2.6.1).

        None where the relay's IPv4 address is not among the customers': such an address would be one of theirs.
        """
        is_among_them = self.relay in self.customers(address)
        return self.delegated(self.relay).network_address if is_among_them else None


def read(option: bytes) -> Domain:
    """What the option says. Raises ValueError with a sentence where it is nonsense, or leaves no network to a LAN."""
    relays = option[_HEAD_BYTES:]
    if len(option) < _HEAD_BYTES + _RELAY_BYTES or len(relays) % _RELAY_BYTES:
        raise ValueError(f"it has {len(option)} bytes, and not 22, or 4 more for each further border relay")
    mask_length, length, prefix = option[0], option[1], option[2:_HEAD_BYTES]
    if mask_length > _IPV4_BITS:
        raise ValueError(f"an IPv4 mask of {mask_length} bits is longer than an address")
    delegated_length = length + _IPV4_BITS - mask_length
    if delegated_length > SUBNET_PREFIXLEN:
        raise ValueError(f"it leaves a /{delegated_length} to each customer, and a LAN needs a /{SUBNET_PREFIXLEN}")
    found = Domain(
        # What comes after the prefix is to be ignored.
        IPv6Network((prefix, length), strict=False),
        mask_length,
        tuple(IPv4Address(relays[at : at + _RELAY_BYTES]) for at in range(0, len(relays), _RELAY_BYTES)),
    )
    for mistake in _mistakes(found):
        raise ValueError(mistake)
    return found


def _mistakes(domain: Domain) -> Iterator[str]:
    """Addresses that nobody has. Private ones may be: a provider's relays and customers are in its own network."""
    if not any(domain.prefix.subnet_of(network) for network in UNICAST):
        yield f"{domain.prefix} is not a network of global addresses"
    for relay in domain.relays:
        is_nobodys = relay.is_loopback or relay.is_link_local or relay.is_multicast or relay.is_reserved
        if is_nobodys or relay in _THIS_NETWORK:
            yield f"{relay} is not the address of a border relay"


_THIS_NETWORK = IPv4Network("0.0.0.0/8")
