"""The IPv6 addresses of machines that the firewall knows by name stay theirs while they are off."""

from __future__ import annotations

from ipaddress import IPv6Address

from firstboot.hosts import cards
from firstboot.known_addresses import MOST, KnownAddresses
from tests.firstboot.test_hosts import LEASES

NAS, PRINTER = "02:00:00:00:00:20", "02:00:00:00:00:21"
FIRST, SECOND, *MANY = (IPv6Address(0x20010DB8 << 96 | number) for number in range(2 * MOST))


def test_all_that_have_a_lease_have_a_card() -> None:
    assert cards(LEASES.splitlines()) == [NAS, PRINTER, "02:00:00:00:00:22"]


def test_an_address_stays_that_the_kernel_has_forgotten() -> None:
    known = KnownAddresses()
    known.updated([NAS], {NAS: (FIRST,)})
    assert known.updated([NAS], {}) == {NAS: (FIRST,)}
    assert known.updated([NAS], {NAS: (SECOND,)}) == {NAS: (SECOND, FIRST)}
    assert known.updated([NAS], {NAS: (FIRST, SECOND)}) == {NAS: (FIRST, SECOND)}


def test_it_goes_with_the_lease_and_to_another_card() -> None:
    known = KnownAddresses()
    known.updated([NAS, PRINTER], {NAS: (FIRST, SECOND)})
    assert known.updated([NAS, PRINTER], {PRINTER: (FIRST,)}) == {NAS: (SECOND,), PRINTER: (FIRST,)}
    assert known.updated([PRINTER], {}) == {PRINTER: (FIRST,)}
    assert known.updated([NAS, PRINTER], {}) == {NAS: (), PRINTER: (FIRST,)}


def test_who_has_no_lease_has_none() -> None:
    assert KnownAddresses().updated([PRINTER], {NAS: (FIRST,)}) == {PRINTER: ()}


def test_of_those_that_change_every_day_only_the_last_stay() -> None:
    known = KnownAddresses()
    for address in (FIRST, SECOND, *MANY):
        known.updated([NAS], {NAS: (address,)})
    found = known.updated([NAS], {})[NAS]
    assert len(found) == MOST
    assert MANY[-1] in found
    assert FIRST not in found
