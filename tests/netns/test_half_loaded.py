"""The families are two steps: one has the new policy and the other one's fails, for as long as it does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES, Action
from tests.netns.crossing import GATEWAY, LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing
from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living, soon
from tests.netns.namespace import Namespace

pytestmark = pytest.mark.netns

RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}
OLD = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 80}
    - {to: "2001:db8:123d:abc::20", tcp: 80}
  rules:
    - {from: outside, to: box, port: udp/9, action: allow}
"""
NEW = """
firewall:
  allow_in:
    - {to: 192.168.2.20, tcp: 443}
    - {to: "2001:db8:123d:abc::20", tcp: 443}
  outbound: [tcp/443]
"""
ENDS = {
    4: {"inside": "192.168.2.20", "outside": "203.0.113.9", "box": "203.0.113.5", "machine": "203.0.113.5"},
    6: {
        "inside": "2001:db8:123d:abc::20",
        "outside": "2001:db8:ffff::80",
        "box": "2001:db8:123c:abd::2",
        "machine": "2001:db8:123d:abc::20",
    },
}
"""Of a machine inside, the outside knows the box's address in IPv4."""
WIRES = {4: OUTSIDE, 6: TUNNEL}
SOON_S = 20.0


def packets(family: int) -> Sequence[Packet]:
    """What one policy allows, the other, both, or none."""
    ends, wire = {name: ip_address(end) for name, end in ENDS[family].items()}, WIRES[family]
    behind = LAN if family == 6 else ""
    reached = [Packet(ends["outside"], ends["machine"], "tcp", wire, behind, port) for port in (22, 80, 443)]
    box = [
        Packet(ends["outside"], ends["box"], protocol, wire, "", port) for protocol, port in (("tcp", 22), ("udp", 9))
    ]
    out = [Packet(ends["inside"], ends["outside"], "tcp", LAN, wire, port) for port in (25, 443)]
    return [*reached, *box, *out]


def allowed(site: Crossing, firewall: str, family: int) -> list[bool]:
    policy = policy_of(appliance_with(firewall), site.facts)
    return [decide(policy, packet).action is Action.ALLOW for packet in packets(family)]


def passing(site: Crossing) -> dict[int, list[bool]]:
    return {family: site.passing(packets(family)) for family in FAMILIES}


FAILS = {"before it begins": "", "after the first table": "sed '/^COMMIT/q' | {real}; "}
"""What the program does before it fails."""


@contextmanager
def failing(namespace: Namespace, folder: Path, family: int, how: str) -> Iterator[None]:
    """Have a program fail until the context ends."""
    (folder / "fails").touch()
    (folder / "bin").mkdir()
    program = folder / "bin" / RESTORE[family]
    real = f'/usr/sbin/xtables-nft-multi {RESTORE[family]} "$@"'
    fails = f"{{ {FAILS[how].format(real=real)}echo 'no memory' >&2; exit 1; }}"
    program.write_text(f"#!/bin/sh\n[ -e {folder}/fails ] && {fails}\nexec {real}\n")
    program.chmod(0o755)
    namespace.program("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={folder}/bin:/usr/sbin", "/usr/sbin")
    try:
        yield
    finally:
        (folder / "fails").unlink()


def firewalls_state(site: Crossing) -> str:
    kinds = json.loads(site.router.program("cat", "/run/appliance/status.json"))["kinds"]
    return next(f"{kind['state']}: {kind['error']}" for kind in kinds if kind["kind"] == "firewall")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path) as made:
        yield made


@pytest.mark.parametrize("how", FAILS)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_neither_policy_allows_passes_at_no_time(site: Crossing, tmp_path: Path, family: int, how: str) -> None:
    """It is said, and put right as soon as it can be."""
    other = {4: 6, 6: 4}[family]
    living = Living(site.router, tmp_path, GATEWAY.config + OLD, without=NOT_HERE)
    give_ufw_files(site.router)
    old, new = ({each: allowed(site, text, each) for each in FAMILIES} for text in (OLD, NEW))
    assert all(set(zip(old[each], new[each], strict=True)) >= {(True, False), (False, True)} for each in FAMILIES)
    with living:
        living.rested()
        assert passing(site) == old
        with failing(site.router, tmp_path, family, how):
            living.file.write_text(GATEWAY.config + NEW)
            living.apply()
            assert soon(lambda: "no memory" in firewalls_state(site), within_s=SOON_S), firewalls_state(site)
            assert firewalls_state(site).startswith("waiting: ") and RESTORE[family] in firewalls_state(site)
            assert "no memory" in site.router.program("cat", "/run/appliance/status.txt")
            found = passing(site)
            assert found[other] == new[other]
            assert found[family] == old[family] or how != "before it begins"
            ways = zip(found[family], old[family], new[family], strict=True)
            assert all(before or after or not passes for passes, before, after in ways), found
        assert soon(lambda: firewalls_state(site).startswith("ok"), within_s=SOON_S), firewalls_state(site)
        assert passing(site) == new
