"""The policy and the kernel agree about every packet: what `firewall test` says is what happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstboot.policy.decision import Packet, decide
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import Action, State
from tests.netns.crossing import LAN, OUTSIDE, TUNNEL, Crossing, appliance_with, crossing

pytestmark = pytest.mark.netns

ENDS = {
    4: {
        LAN: ("192.168.2.20", "192.168.2.21", "192.168.7.7", "203.0.113.9"),
        OUTSIDE: ("203.0.113.9", "198.51.100.7", "192.168.2.20"),
        "box": ("203.0.113.5", "192.168.2.1"),
    },
    6: {
        LAN: ("2001:db8:123d:abc::20", "2001:db8:123d:abc::21", "2001:db8:9::9", "fe80::5"),
        TUNNEL: ("2001:db8:ffff::80", "2001:db8:eeee::7", "2001:db8:123d:abc::20"),
        "box": ("2001:db8:123c:abd::2", "2001:db8:123d:abc::1"),
    },
}
INSIDE_HOSTS = ("192.168.2.20", "192.168.2.21", "2001:db8:123d:abc::20", "2001:db8:123d:abc::21")
NETWORKS = ("any", "192.168.2.20", "192.168.2.0/25", "198.51.100.0/24", "2001:db8:123d:abc::20", "2001:db8:eeee::/48")
PORTS = (22, 25, 53, 80, 443, 5353, 8080)
TYPES = {4: (0, 3, 8, 11, 13), 6: (1, 2, 128, 129, 135, 136)}
UNASKED = {4: (0, 3, 11), 6: (1, 2, 129)}
"""Answers and errors, here about connections that nobody has: to connection tracking they are invalid."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossing]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with crossing(tmp_path_factory.mktemp("crossing")) as made:
        yield made


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    family = draw(st.sampled_from((4, 6)))
    ends = ENDS[family]
    outer = OUTSIDE if family == 4 else TUNNEL
    arriving = draw(st.sampled_from((LAN, outer)))
    target = draw(st.sampled_from(("box", LAN if arriving == outer else outer)))
    protocol = draw(st.sampled_from(("tcp", "udp", "icmp")))
    kind = draw(st.sampled_from(TYPES[family])) if protocol == "icmp" else 0
    believed = [end for end in ends[target] if target == "box" or _leads(end, target)]
    return Packet(
        source=ip_address(draw(st.sampled_from([end for end in ends[arriving] if _goes(end, target)]))),
        destination=ip_address(draw(st.sampled_from(believed))),
        protocol=protocol,
        arriving=arriving,
        leaving="" if target == "box" else target,
        port=0 if protocol == "icmp" else draw(st.sampled_from(PORTS)),
        type=kind,
        state=State.INVALID if protocol == "icmp" and kind in UNASKED[family] else State.ANY,
        hops=draw(st.sampled_from((64, 255))),
        opening=draw(st.booleans()),
    )


def _goes(end: str, target: str) -> bool:
    """What has an address of one link is forwarded by nobody."""
    return target == "box" or not end.startswith("fe80:")


def _leads(end: str, interface: str) -> bool:
    """Whether the router sends what is for there by that interface."""
    is_inside = end.startswith(("192.168.2.", "2001:db8:123d:abc:"))
    return is_inside if interface == LAN else not is_inside and not end.startswith("192.168.")


def services() -> st.SearchStrategy[str]:
    ports = st.sampled_from(PORTS)
    return st.one_of(
        st.sampled_from(("any", "tcp", "udp", "icmp")),
        st.builds("{}/{}".format, st.sampled_from(("tcp", "udp")), ports),
        st.builds("{}/{}-{}".format, st.sampled_from(("tcp", "udp")), st.sampled_from((20, 50)), st.just(90)),
    )


@st.composite
def rules(draw: st.DrawFn) -> str:
    zones = st.sampled_from(("inside", "outside", "box", "any"))
    words = {
        "from": draw(zones),
        "source": draw(st.sampled_from(NETWORKS)),
        "to": draw(zones),
        "destination": draw(st.sampled_from(NETWORKS)),
        "port": draw(services()),
        "action": draw(st.sampled_from(("allow", "deny"))),
        "log": draw(st.sampled_from(("yes", "no"))),
    }
    return "    - {" + ", ".join(f'{name}: "{value}"' for name, value in words.items()) + "}"


@st.composite
def firewalls(draw: st.DrawFn) -> str:
    """The section `firewall`. Not all of it is free of contradictions: those files are refused."""
    lines = ["firewall:", f"  deny: {draw(st.sampled_from(('drop', 'reject')))}"]
    lines.append(f"  log: {draw(st.sampled_from(('all', 'drops', 'none')))}")
    ssh = draw(st.lists(st.sampled_from(("inside", "198.51.100.0/24", "192.168.2.21")), unique=True, max_size=2))
    lines.append(f"  management: {{ssh_from: [{', '.join(ssh)}]}}")
    allowed = draw(st.lists(st.tuples(st.sampled_from(INSIDE_HOSTS), st.sampled_from(PORTS)), unique=True, max_size=4))
    lines += ["  allow_in:"] * bool(allowed)
    lines += [f'    - {{to: "{host}", tcp: [{port}]}}' for host, port in allowed]
    lines.append(f"  outbound: [{', '.join(draw(st.lists(services(), max_size=3)))}]")
    own = draw(st.lists(rules(), max_size=4))
    lines += ["  rules:", *own] if own else []
    return "\n".join(lines)


def accepted(text: str) -> bool:
    try:
        appliance_with(text)
    except Exception:
        return False
    return True


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(text=firewalls().filter(accepted), sent=st.lists(packets(), min_size=20, max_size=60))
def test_whatever_the_policy_says_the_kernel_does(site: Crossing, text: str, sent: list[Packet]) -> None:
    appliance = appliance_with(text)
    site.load(appliance)
    policy = policy_of(appliance, site.facts)
    expected = [decide(policy, packet) for packet in sent]
    for packet, decision, passed in zip(sent, expected, site.passing(sent), strict=True):
        assert passed == (decision.action is Action.ALLOW), (text, packet, decision)
