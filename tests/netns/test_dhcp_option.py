"""Real DHCP servers are asked for 6rd's option by whoever has an address already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

import pytest

from firstboot import dhcp
from firstboot.tunnels.domain import OPTION, Domain, read
from tests.netns.gadget_site import running, within
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

NETWORK = IPv4Network("10.100.100.0/24")
OWN, ROUTER, RELAY = IPv4Address("10.100.100.5"), IPv4Address("10.100.100.1"), IPv4Address("10.0.0.1")
TOLD = bytes([8, 32]) + IPv6Network("2001:db8::/32").network_address.packed + RELAY.packed
SEEN_S = 20.0


@pytest.fixture
def wire() -> Iterator[tuple[Namespace, Namespace]]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with Namespace() as pi, Namespace() as router:
        pi.connect("eth0", router, "eth0")
        pi.program("ip", "addr", "add", f"{OWN}/24", "dev", "eth0")
        router.program("ip", "addr", "add", f"{ROUTER}/24", "dev", "eth0")
        yield pi, router


@contextmanager
def dnsmasq(router: Namespace, *more: str) -> Iterator[None]:
    argv = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-dynamic",
        f"--dhcp-range={NETWORK[10]},{NETWORK[20]}", "--leasefile-ro", "--pid-file=", "--user=root", "--no-ping", *more,
    ]  # fmt: skip
    with running(router, *argv):
        within(SEEN_S, lambda: ":67 " in router.program("ss", "-lun"))
        yield


@contextmanager
def dhcpd(router: Namespace, folder: Path) -> Iterator[None]:
    """It answers nobody who only wants to know something, unless it is told that the network is its own."""
    (folder / "conf").write_text(
        f"option rapid code {OPTION} = string;\noption rapid {TOLD.hex(':')};\n"
        f"subnet {NETWORK.network_address} netmask {NETWORK.netmask} {{ range {NETWORK[10]} {NETWORK[20]}; }}\n"
    )
    (folder / "leases").touch()
    files = ["-cf", f"{folder}/conf", "-lf", f"{folder}/leases", "-pf", f"{folder}/pid"]
    with running(router, "dhcpd", "-4", "-f", *files, "eth0"):
        within(SEEN_S, lambda: ":67 " in router.program("ss", "-lun"))
        yield


def test_dnsmasq_tells(wire: tuple[Namespace, Namespace]) -> None:
    pi, router = wire
    with dnsmasq(router, f"--dhcp-option={OPTION},{TOLD.hex(':')}"):
        told = pi.call(dhcp.option, "eth0", OWN, OPTION)
    assert told == TOLD
    assert read(told) == Domain(IPv6Network("2001:db8::/32"), 8, (RELAY,))


def test_who_only_answers_those_that_want_an_address_tells_as_well(
    wire: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    pi, router = wire
    tmp_path.chmod(0o755)
    with dhcpd(router, tmp_path):
        assert pi.call(dhcp.option, "eth0", OWN, OPTION) == TOLD
        assert "binding state active" not in (tmp_path / "leases").read_text()


def test_who_has_nothing_to_tell(wire: tuple[Namespace, Namespace], monkeypatch: pytest.MonkeyPatch) -> None:
    pi, router = wire
    monkeypatch.setattr(dhcp, "PATIENCE_S", 1.0)
    with dnsmasq(router):
        assert pi.call(dhcp.option, "eth0", OWN, OPTION) == b""
    assert pi.call(dhcp.option, "eth0", OWN, OPTION) is None


def test_the_server_of_an_offer_is_still_known(wire: tuple[Namespace, Namespace]) -> None:
    pi, router = wire
    with dnsmasq(router):
        assert pi.call(dhcp.offers, "eth0", ROUTER)
