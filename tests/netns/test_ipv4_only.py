"""A domain that refuses tunnels has no IPv6 addresses on the LAN: asked of real DNS servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from appliance.parse import parse_text
from firstboot.facts import Facts
from firstboot.rendered import dnsmasq, ipv4_only
from firstboot.rendered.file import File
from tests.netns.living import soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

CONFIG = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1, dns: [203.0.113.1]}
tunnel:
  server: 198.51.100.100
  address: 2001:db8:123c:abd::2/64
  routed: 2001:db8:123d:abc::/64
  ipv4_only: [film.example, series.example]
lan: {interface: eth1, address: 192.168.2.1/24}
"""
HTTPS_HINT = "0001" + "00" + "0006" + "0010" + "20010db8000000000000000000000009"
"""An HTTPS record (RFC 9460): priority 1, for the name itself, ipv6hint of 16 bytes: 2001:db8::9."""
UPSTREAM = (
    "--no-resolv", "--no-hosts", "--listen-address=203.0.113.1", "--bind-interfaces",
    "--host-record=www.film.example,192.0.2.1,2001:db8::1", "--cname=film.example,www.film.example",
    "--host-record=edge.cloud.example,192.0.2.3,2001:db8::3", "--cname=cdn.film.example,edge.cloud.example",
    "--host-record=library.example,192.0.2.2,2001:db8::2", "--host-record=notfilm.example,192.0.2.4,2001:db8::4",
    f"--dns-rr=www.film.example,65,{HTTPS_HINT}", f"--dns-rr=library.example,65,{HTTPS_HINT}",
    "--local=/#/",
)  # fmt: skip


@contextmanager
def dns_server(namespace: Namespace, *options: str) -> Iterator[None]:
    argv = ("dnsmasq", "--keep-in-foreground", "--pid-file=", "--user=root", *options)
    program = namespace.call(namespace.begin, *argv)
    try:
        yield
    finally:
        program.kill()
        program.communicate()


def written(file: File, folder: Path) -> str:
    """The option that has dnsmasq read it, with its leases where a test may write."""
    assert file.content is not None
    path = folder / file.path.name
    path.write_text(file.content.decode().replace("user=dnsmasq", "").replace("dhcp-leasefile=/", f"#{folder}/"))
    return f"--conf-file={path}"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Namespace]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    appliance = parse_text(CONFIG.encode(), "appliance.yaml").appliance
    _, main = dnsmasq.files(appliance, Facts())
    [other] = ipv4_only.files(appliance, Facts())
    with Namespace() as router, Namespace() as client, Namespace() as outside, ExitStack() as servers:
        router.connect("eth1", client, "eth1")
        router.connect("eth0", outside, "eth0")
        router.program("ip", "addr", "add", "203.0.113.5/24", "dev", "eth0")
        router.program("ip", "addr", "add", "192.168.2.1/24", "dev", "eth1")
        outside.program("ip", "addr", "add", "203.0.113.1/24", "dev", "eth0")
        client.program("ip", "addr", "add", "192.168.2.2/24", "dev", "eth1")
        servers.enter_context(dns_server(outside, "--conf-file=/dev/null", *UPSTREAM))
        servers.enter_context(dns_server(router, written(other, tmp_path)))
        servers.enter_context(dns_server(router, written(main, tmp_path), f"--dhcp-leasefile={tmp_path}/leases"))
        assert soon(lambda: asked(client, "library.example", "A") == ["192.0.2.2"])
        yield client


def asked(client: Namespace, name: str, kind: str) -> list[str]:
    """The records in the answer."""
    argv = ("dig", "+short", "+tries=1", "+time=1", "@192.168.2.1", name, kind)
    return client.program("sh", "-c", '"$@" || true', "sh", *argv).split("\n")[:-1]


@pytest.mark.parametrize(
    ("name", "ipv4", "ipv6"),
    [
        ("www.film.example", ["192.0.2.1"], []),
        ("film.example", ["www.film.example.", "192.0.2.1"], ["www.film.example."]),
        ("cdn.film.example", ["edge.cloud.example.", "192.0.2.3"], ["edge.cloud.example."]),
        ("edge.cloud.example", ["192.0.2.3"], ["2001:db8::3"]),
        ("notfilm.example", ["192.0.2.4"], ["2001:db8::4"]),
        ("library.example", ["192.0.2.2"], ["2001:db8::2"]),
    ],
)
def test_listed_domains_lead_to_ipv4_alone(client: Namespace, name: str, ipv4: list[str], ipv6: list[str]) -> None:
    for _ in range(2):  # the second answer may be from the cache
        assert asked(client, name, "A") == ipv4
        assert asked(client, name, "AAAA") == ipv6


def test_no_hint_of_an_ipv6_address_gets_through_either(client: Namespace) -> None:
    assert "2001:db8::9" in " ".join(asked(client, "library.example", "HTTPS"))
    assert asked(client, "www.film.example", "HTTPS") == []
