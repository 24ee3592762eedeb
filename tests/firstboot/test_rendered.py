"""What is rendered is what the programs accept, and says what it shall."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.model import Appliance, Dhcp4, Interfaces, LanNetwork, Uplink
from appliance.parse import load
from appliance.ranges import AddressRange
from firstboot.facts import Facts
from firstboot.health.diagnosis import Health
from firstboot.policy.policy import policy_of
from firstboot.rendered import dnsmasq, networkmanager, resolver, ssh, ufw
from firstboot.rendered.file import File

EXAMPLE = Path(__file__).parent.parent / "appliance" / "examples" / "gateway.yaml"


@pytest.fixture
def two_armed(gateway: Appliance) -> Appliance:
    assert gateway.lan is not None
    return replace(gateway, lan=replace(gateway.lan, interface="eth1", address=IPv4Interface("192.168.2.1/24")))


@pytest.fixture
def several(two_armed: Appliance) -> Appliance:
    assert two_armed.lan is not None and two_armed.tunnel is not None
    dhcp4 = Dhcp4(range=AddressRange(IPv4Address("192.168.3.20"), IPv4Address("192.168.3.99")))
    guests = LanNetwork(interface="eth2", address=IPv4Interface("192.168.3.1/24"), domain="guests", dhcp4=dhcp4)
    routed = IPv6Network("2001:db8:2::/48")
    return replace(
        two_armed, lan=replace(two_armed.lan, others=(guests,)), tunnel=replace(two_armed.tunnel, routed=routed)
    )


def text_of(file: File) -> str:
    assert file.content is not None
    return file.content.decode()


def settings(file: File) -> list[str]:
    lines = text_of(file).splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_dnsmasq_serves_the_lan(gateway: Appliance) -> None:
    at_boot, file = dnsmasq.files(gateway, Facts(healths=(Health(carries=True),)))
    lines = settings(file)
    assert set(lines) - set(settings(at_boot)) == {
        "ra-param=eth0,mtu:1480,60,1800",
        "dhcp-option=tag:eth0,option6:dns-server,[2001:db8:123d:abc::1]",
        "dhcp-option=tag:eth0,option6:domain-search,localnet",
    }
    for expected in (
        "interface=eth0",
        "host-record=ipv6gw.localnet,ipv6gw,192.168.1.252,2001:db8:123d:abc::1",
        "server=1.1.1.1",
        "dhcp-range=2001:db8:123d:abc::,ra-stateless,ra-names,64,2h",
        "ra-param=eth0,mtu:1480,60,1800",
        "dhcp-range=192.168.1.10,192.168.1.210,255.255.255.0,43200",
        "dhcp-option=tag:eth0,option:router,192.168.1.254",
        "dhcp-option=tag:eth0,option:dns-server,192.168.1.252",
    ):
        assert expected in lines


def test_with_two_arms_the_pi_is_the_router(two_armed: Appliance) -> None:
    _, file = dnsmasq.files(two_armed, Facts())
    assert "dhcp-option=tag:eth1,option:router,192.168.2.1" in settings(file)


def test_each_of_several_networks_has_its_names_and_its_prefix(several: Appliance) -> None:
    _, file = dnsmasq.files(several, Facts(healths=(Health(carries=True),)))
    lines = settings(file)
    for expected in (
        "domain=localnet",
        "domain=guests,eth2",
        "local=/guests/",
        "dhcp-range=2001:db8:2::,ra-stateless,ra-names,64,2h",
        "dhcp-range=2001:db8:2:1::,ra-stateless,ra-names,64,2h",
        "host-record=ipv6gw.guests,ipv6gw,192.168.3.1,2001:db8:2:1::1",
        "dhcp-option=tag:eth2,option6:dns-server,[2001:db8:2:1::1]",
    ):
        assert expected in lines
    assert networkmanager.ours(several) == ["eth0", "eth1", "eth2", "he-ipv6"]


def test_a_private_dns_server_may_name_private_addresses(gateway: Appliance) -> None:
    assert gateway.uplink is not None
    _, public = dnsmasq.files(gateway, Facts())
    private = replace(gateway, uplink=replace(gateway.uplink, dns=(IPv4Address("192.168.1.254"),)))
    _, at_home = dnsmasq.files(private, Facts())
    assert "stop-dns-rebind" in settings(public)
    assert "stop-dns-rebind" not in settings(at_home)


@pytest.mark.programs
@pytest.mark.parametrize("arms", ["gateway", "two_armed", "several"])
def test_dnsmasq_accepts_its_configuration(arms: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    _, file = dnsmasq.files(request.getfixturevalue(arms), Facts())
    # The lease file is the image's own; here any will do.
    content = re.sub(r"^dhcp-leasefile=.*", f"dhcp-leasefile={tmp_path}/leases", text_of(file), flags=re.M)
    (tmp_path / "dnsmasq.conf").write_text(content)
    argv = ["/usr/sbin/dnsmasq", "--test", f"--conf-file={tmp_path}/dnsmasq.conf"]
    finished = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_networkmanager_leaves_a_static_uplink_and_the_tunnel_alone(gateway: Appliance) -> None:
    (config,) = networkmanager.files(gateway, Facts())
    assert settings(config) == [
        "[main]",
        "dns=none",
        "rc-manager=unmanaged",
        "[keyfile]",
        "unmanaged-devices+=interface-name:eth0;interface-name:he-ipv6;",
    ]


def test_a_dhcp_uplink_is_a_profile_that_only_root_reads(gateway: Appliance) -> None:
    config, profile = networkmanager.files(replace(gateway, uplink=Uplink(interface="eth0", mtu=1492)), Facts())
    assert settings(config) == ["[keyfile]", "unmanaged-devices+=interface-name:he-ipv6;"]
    assert profile.mode == 0o600
    assert {"interface-name=eth0", "mtu=1492", "method=ignore"} <= set(settings(profile))


def test_ssh_keys_are_one_a_line_and_absent_without_keys(gateway: Appliance) -> None:
    (keys,) = ssh.files(gateway, Facts())
    assert text_of(keys) == "".join(f"{key}\n" for key in gateway.ssh.authorized_keys)
    assert ssh.files(replace(gateway, ssh=replace(gateway.ssh, authorized_keys=())), Facts()) == ()


def test_a_dhcp_uplinks_resolver_is_networkmanagers(gateway: Appliance) -> None:
    assert len(resolver.files(gateway, Facts())) == 1
    assert resolver.files(replace(gateway, uplink=Uplink(interface="eth0")), Facts()) == ()


def test_dnsmasq_has_its_leases_where_it_may_write_without_dhcpv4_too(gateway: Appliance) -> None:
    assert gateway.lan is not None
    _, file = dnsmasq.files(replace(gateway, lan=replace(gateway.lan, dhcp4=None)), Facts())
    assert "dhcp-leasefile=/var/lib/appliance-dnsmasq/leases" in settings(file)


def test_the_rules_version_is_a_digest_of_the_rules(gateway: Appliance, two_armed: Appliance) -> None:
    one, same, other = (ufw.rules_of(policy_of(a, Facts()), 4) for a in (gateway, gateway, two_armed))
    assert one == same
    assert one.version != other.version
    assert f'"appliance {one.version}"' in one.text


def test_no_rule_admits_the_outside_to_a_port_that_is_not_listed(gateway: Appliance) -> None:
    lines = ufw.rules_of(policy_of(gateway, Facts()), 6).text.splitlines()
    from_outside = [line for line in lines if line.startswith("-A ufw6-before") and "-i he-ipv6" in line]
    admitting = [
        line for line in from_outside if not line.endswith(("-j appliance-deny", "-j appliance-log-drop", "-j DROP"))
    ]
    [looked_up] = [line for line in admitting if "-p icmpv6" not in line]
    assert looked_up == "-A ufw6-before-forward -i he-ipv6 -o eth0 -j appliance-in"
    assert [line for line in lines if line.startswith("-A appliance-in")] == [
        f"-A appliance-in -d 2001:db8:123d:abc::2/128 -p tcp --dport {port} -j ACCEPT" for port in (80, 443)
    ]


GADGET = Facts(serial="10000000deadbeef", gadget_ports={"ecm": "usb0", "rndis": "usb1"})


@pytest.fixture(params=["gadget", "gadget-offline"])
def gadget(request: pytest.FixtureRequest) -> Appliance:
    return load(EXAMPLE.with_name(f"{request.param}.yaml")).appliance


@pytest.mark.programs
@pytest.mark.parametrize("interfaces", Interfaces)
def test_dnsmasq_accepts_what_is_served_on_the_cable(gadget: Appliance, interfaces: Interfaces, tmp_path: Path) -> None:
    assert gadget.gadget is not None
    asked = replace(gadget, gadget=replace(gadget.gadget, interfaces=interfaces))
    for file in dnsmasq.files(asked, GADGET):
        (tmp_path / "dnsmasq.conf").write_text(text_of(file))
        argv = ["/usr/sbin/dnsmasq", "--test", f"--conf-file={tmp_path}/dnsmasq.conf"]
        finished = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr


def test_no_rule_of_a_gadgets_admits_anything_from_the_uplink_but_its_own_configuration(gadget: Appliance) -> None:
    for family, expected in ((4, ["--sport 67 --dport 68"]), (6, ["--sport 547 --dport 546"])):
        lines = ufw.rules_of(policy_of(gadget, GADGET), family).text.splitlines()
        admitted = [line for line in lines if "-j ACCEPT" in line and "-i wlan0" in line]
        assert [re.findall(r"--sport.*(?= -j)", line)[0] for line in admitted] == (expected if gadget.uplink else [])
        anywhere = [line for line in lines if "-j ACCEPT" in line and "-i " not in line and "-before-" in line]
        assert not [line for line in anywhere if "echo-request" in line or "dport" in line]


def test_what_a_host_hears_is_what_is_rendered_for_its_interface() -> None:
    config = "\n# --- usb0\nra-param=usb0,mtu:1500,60,1800\ndhcp-range=fd00::,ra-stateless,64,2h\n"
    config += "dhcp-range=10.0.0.2,10.0.0.6,255.255.255.248,120\ndhcp-option=tag:usb0,option:router,10.0.0.1\n"
    config += "dhcp-option=tag:usb0,option6:dns-server\n\n# --- usb1\nra-param=usb1,mtu:1500,60,0\n"
    first, second = dnsmasq.heard(config, "usb0"), dnsmasq.heard(config, "usb1")
    assert (len(first.dhcp), first.router6_s, first.prefixes) == (2, 1800, frozenset({IPv6Network("fd00::/64")}))
    assert (second.dhcp, second.router6_s) == ((), 0)
    assert dnsmasq.heard(config, "usb2") == dnsmasq.heard("", "usb0") == dnsmasq.Heard()
