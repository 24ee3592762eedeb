"""The example configurations are contracts: they work as they stand."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from appliance.errors import Mark
from appliance.firewall import AllowIn, Firewall
from appliance.model import (
    Appliance,
    ChangePolicy,
    Dhcp4,
    Function,
    Gadget,
    Lan,
    NetworkConfigurator,
    Profile,
    RankedUplink,
    Routing,
    Share,
    Ssh,
    SysctlPolicy,
    TablePolicy,
    Tunnel,
    Uplink,
    Wifi,
)
from appliance.parse import load
from appliance.ranges import AddressRange, PortRange, TableRange
from tests.appliance.conftest import EXAMPLES

KEYS = Ssh(
    authorized_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb me@laptop",)
)
MEANT = {
    "gateway": Appliance(
        profile=Profile.GATEWAY,
        hostname="ipv6gw",
        ssh=KEYS,
        uplink=Uplink(
            interface="eth0",
            address=IPv4Interface("192.168.1.252/24"),
            gateway=IPv4Address("192.168.1.254"),
            dns=(IPv4Address("1.1.1.1"), IPv4Address("8.8.8.8")),
        ),
        tunnel=Tunnel(
            server=IPv4Address("198.51.100.100"),
            address=IPv6Interface("2001:db8:123c:abd::2/64"),
            routed=IPv6Network("2001:db8:123d:abc::/64"),
        ),
        lan=Lan(
            interface="eth0",
            domain="localnet",
            dhcp4=Dhcp4(range=AddressRange(IPv4Address("192.168.1.10"), IPv4Address("192.168.1.210")), lease=43200),
        ),
        firewall=Firewall(
            allow_in=(AllowIn(to=IPv6Address("2001:db8:123d:abc::2"), tcp=(PortRange(80, 80), PortRange(443, 443))),)
        ),
    ),
    "gadget": Appliance(
        profile=Profile.GADGET,
        hostname="pigadget",
        ssh=KEYS,
        uplink=Uplink(
            interface="wlan0", wifi=Wifi(ssid="Home", passphrase="correct horse battery staple", country="NO")
        ),
        gadget=Gadget(network=IPv4Interface("10.55.0.1/28"), share=Share.ROUTE),
    ),
    "gadget-offline": Appliance(
        profile=Profile.GADGET,
        hostname="sidecar",
        ssh=KEYS,
        gadget=Gadget(network=None, share=Share.LOCAL, functions=(Function.ECM, Function.RNDIS, Function.ACM)),
    ),
    "policies": Appliance(
        profile=Profile.CUSTOM,
        routing=Routing(
            tables=(TablePolicy(lookup=TableRange(2, 252), ensure="default-route"),),
            sysctl=(SysctlPolicy(interface="eni*", set={"net.ipv4.conf.{interface}.rp_filter": "2"}),),
            on_interface_change=(
                ChangePolicy(interface="eth*", settle=3, at_most_every=60, restart="kube-proxy.service"),
            ),
        ),
    ),
    "uplinks": Appliance(
        profile=Profile.CUSTOM,
        manager=NetworkConfigurator.AUTO,
        uplinks=(
            RankedUplink(interface="enp0s8", metric=10, optional=True),
            RankedUplink(interface="enp0s9", metric=11, optional=True),
            RankedUplink(interface="enp0s10", metric=12, optional=True),
            RankedUplink(carrying=IPv4Network("10.0.2.0/24"), metric=1000),
        ),
    ),
}


def test_every_example_is_here() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == set(MEANT)


@pytest.mark.parametrize("name", MEANT)
def test_an_example_means(name: str) -> None:
    parsed = load(EXAMPLES / f"{name}.yaml")
    assert parsed.appliance == MEANT[name]
    assert parsed.warnings == ()


def test_every_setting_has_its_place() -> None:
    file = str(EXAMPLES / "gateway.yaml")
    marks = load(EXAMPLES / "gateway.yaml").marks
    assert marks["hostname"] == Mark(file, 3, 11)
    assert marks["uplink"] == Mark(file, 9, 1)
    assert marks["uplink.dns"] == Mark(file, 13, 3)
    assert marks["uplink.dns[1]"] == Mark(file, 13, 18)
    assert marks["firewall.allow_in[0]"] == Mark(file, 29, 7)
    assert marks["firewall.allow_in[0].to"] == Mark(file, 29, 11)
    assert marks["firewall.allow_in[0].tcp[1]"] == Mark(file, 30, 17)
