"""Machines in memory in any state from which the daemon gets everything right, for hypothesis.

What stays out is what only others could put right: a cable that is out, a wrong passphrase, a route of somebody
else's at the very place of ours.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from hypothesis import strategies as st

from appliance.addresses import Network
from appliance.model import Appliance
from firstboot.facts import MAIN_TABLE, OURS, Address, ChangedSetting, Facts, Interface, Link, Route, Rule
from firstboot.gadget.layout import layout
from firstboot.kind import FileState, Reaction
from firstboot.paths import ETC, STATE
from firstboot.policy.rules import FAMILIES
from firstboot.rendered import dhcpcd, dnsmasq, networkmanager
from firstboot.resources.cable import TOLD
from firstboot.resources.dhcpcd import DHCPCD
from firstboot.resources.reactions import Reactions
from firstboot.resources.routes import METRIC, METRIC_IPV6, is_ours
from firstboot.resources.units import DNSMASQ, IPV4_ONLY, SSH
from firstboot.wireless import Device, Joining, Radio, Reason
from tests.firstboot.air import Air
from tests.firstboot.firewalls import hosts
from tests.firstboot.memory import MemoryMachine

KINDS_OF_LINKS = {"he-ipv6": "sit", "br-usb": "bridge", "he-ipv7": "sit", "br0": "bridge"}
"""By name; the others are hardware."""

TAKEN_OVER = ("he-ipv6", "br-usb")
"""Interfaces of the daemon's names are made anew, whoever made them; else they go, with what is on them, if ours."""

INTERFACES = ("eth0", "wlan0", "eni1", "eni2", *KINDS_OF_LINKS)
ROUTER = IPv4Address("192.168.1.254")
LINK_LOCAL = IPv6Address("fe80::1")
NETWORKS: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/0"),
    IPv4Network("198.51.100.100/32"),
    IPv4Network("10.9.0.0/16"),
    IPv6Network("::/0"),
    IPv6Network("2001:db8:9::/48"),
)
ADDRESSES: tuple[Interface, ...] = (
    IPv4Interface("192.168.1.252/24"),
    IPv4Interface("192.168.1.7/24"),
    IPv4Interface("10.55.0.1/28"),
    IPv6Interface("2001:db8:123d:abc::1/64"),
    IPv6Interface("2001:db8:9::1/64"),
)
PROTOCOLS = st.sampled_from((0, 3, 4, OURS))
JUNK = st.builds(FileState, st.sampled_from((b"", b"old\n", b"\xff")), st.sampled_from((0o644, 0o600, 0o777)))
SETTINGS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/wlan0/disable_ipv6",
    *(f"net/ipv4/conf/{name}/rp_filter" for name in INTERFACES),
)
CHANGED = st.builds(
    ChangedSetting,
    name=st.sampled_from(SETTINGS),
    before=st.sampled_from(("0", "1")),
    ours=st.sampled_from(("1", "2")),
    index=st.sampled_from((0, 77)),
)
FILES = (
    ETC / "hostname",
    ETC / "hosts",
    ETC / "ufw/before.rules",
    ETC / "ufw/ufw.conf",
    ETC / "default/ufw",
    STATE / "gadget",
    dhcpcd.CONFIG,
    dhcpcd.LOADED,
    networkmanager.CONFIG,
    networkmanager.PROFILE,
    networkmanager.PROFILES / "appliance-wifi-old.nmconnection",
)
PROFILE = b"[connection]\nid=theirs\nuuid=7\ntype=ethernet\nautoconnect-priority=0\n"
FOREIGN_FILES = {
    ETC / "dnsmasq.d/theirs.conf": FileState(b"local-ttl=7\n", 0o644),
    networkmanager.CONFIG.with_name("91-appliance.conf"): FileState(b"[main]\n", 0o644),
    networkmanager.PROFILES / "appliance.nmconnection": FileState(PROFILE, 0o600),
    ETC / "systemd/network/04-appliance.network": FileState(b"[Match]\n", 0o644),
}
"""Of other programs, by names that only nearly are the daemon's."""

USER_RULES = {
    ETC / f"ufw/user{end}.rules": f"""\
*filter
:ufw{end}-user-input - [0:0]
### tuple ### allow tcp 8443 {anywhere} any {anywhere} in
-A ufw{end}-user-input -p tcp --dport 8443 -j ACCEPT
COMMIT
""".encode()
    for end, anywhere in (("", "0.0.0.0/0"), ("6", "::/0"))
}
"""As ufw has them of who used it."""

OFFER = """
# --- br-usb
dhcp-range=10.55.0.2,10.55.0.14,120
dhcp-option=tag:br-usb,option:router,10.55.0.1
"""
"""Of dnsmasq's configuration as much as a laptop with a way out has heard."""

OFFERS = (dnsmasq.CONFIG, dnsmasq.IN_FORCE, dnsmasq.LOADED, TOLD)


@st.composite
def links(draw: st.DrawFn) -> dict[str, Link]:
    found = {}
    for name in INTERFACES:
        kind = KINDS_OF_LINKS.get(name, "")
        if not kind or draw(st.booleans()):
            found[name] = Link(
                name,
                kind,
                up=draw(st.booleans()),
                carrier=True,
                mtu=draw(st.sampled_from((1280, 1480, 1500))),
                group=draw(st.sampled_from((0, OURS))) if name in TAKEN_OVER else 0,
                mac="02:00:00:00:00:01",
                local=draw(st.sampled_from((None, IPv4Address("192.168.1.7")))),
                remote=draw(st.sampled_from((None, IPv4Address("198.51.100.100")))),
                ttl=draw(st.sampled_from((0, 64, 255))),
            )
    return found


@st.composite
def addresses(draw: st.DrawFn, present: list[str]) -> list[Address]:
    pairs = st.tuples(st.sampled_from(present), st.sampled_from(ADDRESSES), PROTOCOLS)
    drawn = {(name, address): protocol for name, address, protocol in draw(st.lists(pairs, max_size=6))}
    return [Address(name, address, protocol) for (name, address), protocol in drawn.items()]


@st.composite
def routes(draw: st.DrawFn, machine: MemoryMachine) -> list[Route]:
    """As the kernel has them: through what is up, and by routers in its networks. Default ones may lead nowhere."""
    up = [name for name, link in machine.links.items() if link.up]
    if not up:
        return []
    found = st.builds(
        Route,
        destination=st.sampled_from(NETWORKS),
        interface=st.sampled_from((*up, "")),
        gateway=st.sampled_from((None, ROUTER)),
        metric=st.sampled_from((0, METRIC, METRIC_IPV6, 1024)),
        table=st.sampled_from((MAIN_TABLE, 7, 300)),
        protocol=PROTOCOLS,
    )
    by_router = {a.interface for a in machine.addresses if ROUTER in a.address.network}
    fitting = [
        replace(route, gateway=None if route.destination.version == 6 or route.interface not in by_router else ROUTER)
        for route in draw(st.lists(found, max_size=8))
        if (is_ours(route) or route.metric not in (METRIC, METRIC_IPV6) or route.table != MAIN_TABLE)
        and (route.interface or route.destination.prefixlen == 0)
    ]
    return list({(r.destination, r.metric, r.table): r for r in fitting}.values())


RULES = st.builds(
    Rule,
    family=st.sampled_from((4, 6)),
    table=st.sampled_from((7, 300, MAIN_TABLE)),
    source=st.sampled_from((None, IPv4Network("192.168.1.7/32"))),
    interface=st.sampled_from(("", "eni1")),
)


def files() -> st.SearchStrategy[dict[Path, FileState]]:
    """Any of those that the daemon writes, as they may be; and those of others."""
    offers = st.builds(FileState, st.sampled_from((b"", OFFER.encode())), st.just(0o644))
    ours = dict.fromkeys(FILES, JUNK) | dict.fromkeys(OFFERS, offers)
    users = {path: st.just(FileState(rules, 0o640)) for path, rules in USER_RULES.items()}
    return st.fixed_dictionaries({}, optional=ours | users).map(lambda found: FOREIGN_FILES | found)


@st.composite
def air(draw: st.DrawFn, found: Air) -> Air:
    """Home is there; what a radio that is off has joined is nothing."""
    found.points = {"Neighbour": "none of your business", "Home": "correct horse battery staple"}
    found.switch = draw(st.booleans())
    is_off = draw(st.sampled_from((False, False, True)))
    found.radio = Radio(is_off, enabled=found.switch, country=draw(st.sampled_from(("00", "DE", "NO"))))
    state = draw(st.sampled_from((Device.DISCONNECTED, Device.PREPARE, Device.ACTIVATED, Device.FAILED)))
    joining = Joining(state, draw(st.sampled_from(Reason)), draw(st.sampled_from(("", "preconfigured"))))
    works = found.radio.enabled and not found.radio.blocked
    found.joining = joining if works else Joining(Device.UNAVAILABLE)
    return found


@st.composite
def gadgets(draw: st.DrawFn, machine: MemoryMachine) -> None:
    """None, or any; its interfaces are there with it."""
    functions = draw(st.sampled_from((None, ("ecm", "rndis"), ("acm",))))
    if functions is None:
        return
    machine.tree = layout(functions, machine.serial, draw(st.sampled_from(("sidecar", "another"))))
    machine.bound_to = draw(st.sampled_from(("", "dwc2")))
    for name in machine.gadget_ports().values():
        up, master = draw(st.booleans()), draw(st.sampled_from(("", "br-usb")))
        machine.links[name] = Link(name, up=up, carrier=True, master=master if "br-usb" in machine.links else "")


@st.composite
def machines(draw: st.DrawFn) -> MemoryMachine:
    """A Pi with all that the kinds look at."""
    made = MemoryMachine()
    made.device_controllers = ["dwc2"]
    made.links = draw(links())
    draw(gadgets(made))
    made.link_local = draw(st.dictionaries(st.sampled_from(list(made.links)), st.just((LINK_LOCAL,))))
    made.addresses = draw(addresses(list(made.links)))
    made.routes = draw(routes(made))
    made.rules_of_tables = draw(st.lists(RULES, max_size=4))
    made.neighbours = draw(st.dictionaries(st.just(("wlan0", ROUTER)), st.booleans()))
    made.sysctls = draw(st.fixed_dictionaries(dict.fromkeys(SETTINGS, st.sampled_from(("0", "1", "2")))))
    made.changed_settings = {each.name: each for each in draw(st.lists(CHANGED, max_size=3))}
    made.kernel_name = draw(st.sampled_from(("raspberrypi", "appliance")))
    made.kernel_rules = {family: draw(st.sampled_from(("", "garbage"))) for family in FAMILIES}
    made.files = draw(files())
    made.hosts = draw(hosts())
    made.active_units = draw(st.sets(st.sampled_from((SSH, DNSMASQ, IPV4_ONLY, DHCPCD))))
    made.air = draw(air(made.air))
    made.nm_config = f"unmanaged-devices+=interface-name:{draw(st.sampled_from(('', 'eth0', 'wlan0')))};\n"
    made.profiles = draw(st.dictionaries(st.sampled_from(("eth0", "wlan0")), st.just("Wired connection 1")))
    return made


def leased() -> st.SearchStrategy[MemoryMachine]:
    """With an address by DHCP on eth0, and a router."""

    def lease(machine: MemoryMachine) -> MemoryMachine:
        leased = IPv4Interface("192.168.1.9/24")
        others = [own.address.network for own in machine.addresses if own.interface == "eth0" and own.protocol != OURS]
        if leased.network not in others:
            machine.addresses.append(Address("eth0", leased))
        if all(route.protocol == OURS for route in machine.facts().default_routes_on("eth0", 4)):  # ours goes
            router = IPv4Address("192.168.1.1")
            machine.routes.append(Route(IPv4Network("0.0.0.0/0"), "eth0", router, metric=100, protocol=16))
        machine.links["eth0"] = replace(machine.links["eth0"], carrier=True)
        return machine

    return machines().map(lease)


def with_a_laptop() -> st.SearchStrategy[MemoryMachine]:
    """On the cable somebody has heard of a way out."""

    def plug_in(machine: MemoryMachine) -> MemoryMachine:
        machine.links.setdefault("br-usb", Link("br-usb", "bridge", carrier=True, group=OURS))
        machine.files[TOLD] = FileState(OFFER.encode(), 0o644)
        return machine

    return machines().map(plug_in)


def reacting(appliance: Appliance) -> st.SearchStrategy[MemoryMachine]:
    """The policies' actions were carried out last for other interfaces, or have never been."""
    policies = [each.policy for each in Reactions().desired(appliance, Facts())]
    done = st.sampled_from(((), ("eth7 (9)",))).map(Reaction)

    def remember(machine: MemoryMachine, reacted: dict[str, Reaction]) -> MemoryMachine:
        machine.reacted = reacted
        return machine

    return st.builds(remember, machines(), st.dictionaries(st.sampled_from((*policies, "one of old")), done))
