"""A machine that gets its lease is let in within seconds, and said to be missing before."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

SOON_S, LEASE_S = 5.0, 20.0
LEASES = "/var/lib/appliance-dnsmasq/leases"
CONFIG = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
lan: {interface: eth1, address: 192.168.2.1/24, dhcp4: {range: 192.168.2.20-192.168.2.99}}
firewall:
  allow_in:
    - {to: nas, tcp: 443}
"""
DNSMASQ = (
    "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-dynamic", "--interface=eth1",
    "--user=root", "--dhcp-range=192.168.2.20,192.168.2.99", "--dhcp-authoritative", "--no-ping", "--pid-file=",
    f"--dhcp-leasefile={LEASES}",
)  # fmt: skip


@contextmanager
def running(namespace: Namespace, *argv: str) -> Iterator[Popen[str]]:
    program = namespace.call(namespace.begin, *argv)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Living, Namespace]]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as router, Namespace() as client, Namespace() as outside:
        for each in (router, client):
            each.program("sysctl", "-q", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        router.connect("eth1", client, "eth1")
        router.connect("eth0", outside, "eth0")
        router.connect("he-ipv6", outside, "he-ipv6")
        gateway = Living(router, tmp_path, CONFIG, without=NOT_HERE)
        give_ufw_files(router)
        router.program("mkdir", "-p", str(Path(LEASES).parent))
        with running(router, *DNSMASQ), gateway:
            gateway.rested()
            yield gateway, client


def names(gateway: Living) -> dict[str, object]:
    """The part of `appliance status --json` that is about names."""
    found = json.loads(gateway.namespace.program("cat", "/run/appliance/status.json"))["kinds"]
    [told] = [kind for kind in found if kind["kind"] == "names"]
    return {name: told[name] for name in ("state", "setting", "line")}


def lets_in(gateway: Living, program: str, address: str) -> bool:
    saved = gateway.namespace.program(f"{program}-save").splitlines()
    leads_there = any(line.endswith("-j appliance-in") for line in saved)
    return leads_there and any(f"-d {address}" in line and "--dport 443" in line and "ACCEPT" in line for line in saved)


def test_a_machine_is_let_in_while_it_has_a_lease(site: tuple[Living, Namespace]) -> None:
    gateway, client = site
    assert names(gateway) == {"state": "waiting", "setting": "firewall.allow_in[0].to", "line": 8}
    client.program("mount", "-t", "tmpfs", "tmpfs", "/var/lib/dhcp")
    client.program("sh", "-c", "cat > /var/lib/dhcp/conf", stdin='send host-name "nas";\n')
    with running(client, "dhclient", "-d", "-cf", "/var/lib/dhcp/conf", "-sf", "/bin/true", "--no-pid", "eth1"):
        assert soon(lambda: "nas" in gateway.namespace.program("cat", LEASES), within_s=LEASE_S)
    address = gateway.namespace.program("cat", LEASES).split()[2]
    assert soon(lambda: lets_in(gateway, "iptables", address), within_s=SOON_S)
    assert soon(lambda: names(gateway)["state"] == "ok", within_s=SOON_S)
    own = "2001:db8:123d:abc::20"
    assert not lets_in(gateway, "ip6tables", own)
    client.program("ip", "addr", "add", f"{own}/64", "dev", "eth1", "nodad")
    client.program("ping", "-c", "1", "-W", "2", "-I", own, "2001:db8:123d:abc::1")
    assert soon(lambda: lets_in(gateway, "ip6tables", own), within_s=SOON_S)
    client.program("ip", "addr", "del", f"{own}/64", "dev", "eth1")
    gateway.rested()
    gateway.namespace.program("ip", "-6", "neigh", "del", own, "dev", "eth1")
    assert own not in gateway.namespace.program("ip", "-6", "neigh")
    passes = len(gateway.daemon.ended)
    gateway.look_again()
    assert soon(lambda: len(gateway.daemon.ended) > passes, within_s=SOON_S)
    assert lets_in(gateway, "ip6tables", own), "it may only be switched off for a while"
    gateway.namespace.program("sh", "-c", f": > {LEASES}")
    assert soon(lambda: not lets_in(gateway, "ip6tables", own), within_s=SOON_S)
