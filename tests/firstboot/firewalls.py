"""Sections `firewall` of appliance.yaml, for hypothesis, as the model has them: about addresses, and about names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import strategies as st

from appliance.addresses import Network
from appliance.firewall import AllowIn, Deny, FilterRule, Firewall, Logged, Management, PortForward, Verdict, Zone
from appliance.ranges import PortRange, Rate
from appliance.services import ANY, Protocol, Service
from firstboot.facts import Gateway

NAMES = ("nas", "printer")
HOSTS: tuple[Gateway, ...] = (IPv4Address("192.168.2.20"), IPv6Address("2001:db8:123d:abc::20"))
NETWORKS: tuple[Network, ...] = (
    IPv4Network("198.51.100.0/24"),
    IPv4Network("192.168.2.20/32"),
    IPv6Network("2001:db8:eeee::/48"),
)


def hosts() -> st.SearchStrategy[dict[str, tuple[Gateway, ...]]]:
    """`Facts.hosts`: some have an address of each family, some of one, some none."""
    return st.dictionaries(st.sampled_from(NAMES), st.sampled_from((HOSTS, HOSTS[:1], HOSTS[1:])))


def firewalls() -> st.SearchStrategy[Firewall]:
    """Any that the model can have."""
    return st.builds(
        Firewall,
        management=st.builds(
            Management,
            ssh_from=_few(st.sampled_from(("inside", *NETWORKS))),
            syslog_to=st.sampled_from((None, HOSTS[0], HOSTS[1])),
        ),
        allow_in=_few(
            st.builds(AllowIn, to=st.sampled_from((*NAMES, *HOSTS)), tcp=_few(PORTS), udp=_few(PORTS), from_=_few(FROM))
        ),
        port_forwards=_few(
            st.builds(
                PortForward,
                port=st.builds(Service, TRANSPORT, PORTS),
                to=st.sampled_from((*NAMES, IPv4Address("192.168.2.20"))),
                to_port=st.sampled_from((None, 8080)),
                from_=_few(FROM),
            )
        ),
        outbound=_few(SERVICES),
        rules=_few(
            st.builds(
                FilterRule,
                from_=st.sampled_from(Zone),
                source=ENDS,
                to=st.sampled_from(Zone),
                destination=ENDS,
                port=_few(SERVICES),
                nat=st.sampled_from((None, True, False)),
                action=st.sampled_from(Verdict),
                log=st.booleans(),
            )
        ),
        deny=st.sampled_from(Deny),
        log=st.sampled_from(Logged),
        log_rate=st.just(Rate(3, "min")),
    )


def _few(each: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(each, max_size=3).map(tuple)


FROM = st.sampled_from(NETWORKS)
PORTS = st.sampled_from((PortRange(22, 22), PortRange(443, 443), PortRange(8000, 8010)))
TRANSPORT = st.sampled_from((Protocol.TCP, Protocol.UDP))
SERVICES = st.sampled_from((ANY, Service(Protocol.ICMP))) | st.builds(Service, TRANSPORT, st.none() | PORTS)
ENDS = st.none() | st.sampled_from((*NAMES, *NETWORKS))
