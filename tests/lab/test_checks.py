"""The checks of a gateway pass with a working one, and each of them fails when what it looks for is not so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from appliance.errors import PermanentError
from appliance.model import Appliance, Dhcp4
from appliance.ranges import AddressRange
from image.lab import site as places
from image.lab.faults import Fault, fault
from image.lab.gateway import Lab
from tests.lab import checks
from tests.lab.fake_gateway import PI

pytestmark = pytest.mark.netns
FAILURE = (AssertionError, PermanentError, TimeoutError)


class TestWorkingGateway:
    def test_slaac(self, faked: Lab) -> None:
        checks.gives_slaac_address(faked)

    def test_advertisement(self, faked: Lab) -> None:
        checks.advertises(faked)

    def test_lease(self, faked: Lab, appliance: Appliance) -> None:
        checks.gives_lease(faked, appliance)

    def test_dns(self, faked: Lab) -> None:
        checks.resolves(faked)

    def test_internet(self, faked: Lab) -> None:
        checks.reaches_the_internet(faked)

    def test_hops(self, faked: Lab) -> None:
        """The tunnel server is a router like any other: where the hop limit ends there, it says so."""
        with pytest.raises(PermanentError, match=rf"From {faked.site.broker_side.ip} .*Time exceeded: Hop limit"):
            faked.client.run("ping", "-6", "-c", "1", "-t", "2", str(places.SERVER.ip))

    def test_closed(self, faked: Lab) -> None:
        checks.keeps_others_out(faked, faked.client, faked.client.slaac_address())
        checks.keeps_out(faked, faked.site.tunnel_client.ip, 22)

    def test_allowed(self, faked: Lab) -> None:
        checks.lets_in(faked, 80, 443)

    def test_full_packets(self, faked: Lab) -> None:
        checks.passes_full_packets(faked)

    def test_mss(self, faked: Lab) -> None:
        checks.clamps_mss(faked)


class TestBrokenGateway:
    """One fault each, after which the check must fail."""

    def test_slaac(self, faked: Lab) -> None:
        with fault(faked.world, Fault.CABLE), pytest.raises(TimeoutError):
            checks.gives_slaac_address(faked, timeout_s=3)

    def test_advertisement(self, faked: Lab) -> None:
        with fault(faked.world, Fault.CABLE), pytest.raises(FAILURE):
            checks.advertises(faked)

    def test_no_lease(self, faked: Lab, appliance: Appliance) -> None:
        with fault(faked.world, Fault.CABLE), pytest.raises(PermanentError):
            checks.gives_lease(faked, appliance, timeout_s=4)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"domain": "elsewhere"},
            {"dhcp4": Dhcp4(range=AddressRange(IPv4Address("192.168.1.10"), IPv4Address("192.168.1.210")), lease=60)},
            {"dhcp4": Dhcp4(range=AddressRange(IPv4Address("192.168.1.9"), IPv4Address("192.168.1.9")), lease=43200)},
        ],
    )
    def test_other_lease(self, faked: Lab, appliance: Appliance, wanted: dict[str, Any]) -> None:
        assert appliance.lan is not None
        with pytest.raises(AssertionError):
            checks.gives_lease(faked, replace(appliance, lan=replace(appliance.lan, **wanted)))

    def test_dns(self, faked: Lab) -> None:
        with fault(faked.world, Fault.DNS), pytest.raises(AssertionError):
            checks.resolves(faked)

    def test_internet(self, faked: Lab) -> None:
        with fault(faked.world, Fault.PROTO41), pytest.raises(PermanentError):
            checks.reaches_the_internet(faked, timeout_s=2)

    def test_closed(self, faked: Lab) -> None:
        with no_rules(faked), pytest.raises(AssertionError):
            checks.keeps_others_out(faked, faked.client, faked.client.slaac_address())
        with no_rules(faked), pytest.raises(AssertionError):
            checks.keeps_out(faked, faked.site.tunnel_client.ip, 22)

    def test_allowed(self, faked: Lab) -> None:
        with fault(faked.world, Fault.PROTO41), pytest.raises(AssertionError):
            checks.lets_in(faked, 80, 443)

    def test_too_much_allowed(self, faked: Lab) -> None:
        with no_rules(faked), pytest.raises(AssertionError):
            checks.lets_in(faked, 80, 443)

    def test_full_packets(self, faked: Lab) -> None:
        with fault(faked.world, Fault.MTU), pytest.raises(PermanentError):
            checks.passes_full_packets(faked)

    def test_mss(self, faked: Lab) -> None:
        with no_rules(faked), pytest.raises(AssertionError):
            checks.clamps_mss(faked)


@contextmanager
def no_rules(lab: Lab) -> Iterator[None]:
    """The fake gateway without any of its firewall while the block runs."""
    rules = lab.world.run(PI, ["ip6tables-save"])
    for table in ("filter", "mangle"):
        lab.world.run(PI, ["ip6tables", "-t", table, "-F"])
    try:
        yield
    finally:
        lab.world.run(PI, ["ip6tables-restore"], stdin=rules)
