"""docs/appliance.yaml.md and appliance.yaml(5): generated from the model, and what they say is so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appliance import scalars, source, traffic_scalars
from appliance.scalars import Scalar
from appliance.settings import Pairs, Setting, Value, Values
from image.manual import settings
from image.manual.choices import MEANINGS, meanings_of
from image.manual.conditions import CONDITIONS
from image.manual.pages import EXAMPLES, EXAMPLES_FOLDER, PAGES
from image.recipe import PROJECT
from tests.appliance.conftest import problems, warnings

SECTIONS = {section.path: section for section in settings.sections()}
SETTINGS = {f"{path}.{each.name}": each for path, section in SECTIONS.items() for each in section.settings}
EVERY_SCALAR = {
    name: value
    for room in (scalars, traffic_scalars)
    for name, value in vars(room).items()
    if isinstance(value, Scalar)
}

UPLINK = "uplink: {interface: eth0, address: 192.168.1.252/24, gateway: 192.168.1.254, dns: 1.1.1.1}\n"
SERVER, ADDRESS, ROUTED = "server: 198.51.100.100", "address: 2001:db8:123c:abd::2/64", "routed: 2001:db8:123d:abc::/64"
OTHER = "server: 198.51.100.200, address: 2001:db8:b:1::2/64, routed: 2001:db8:b:2::/64"
ACCOUNT = "broker: {user: me, key: K3y, tunnel: 7}"
TUNNEL = f"tunnel: {{{SERVER}, {ADDRESS}, {ROUTED}}}\n"
LAN = "lan: {interface: eth1, address: 192.168.2.1/24, dhcp4: {range: 192.168.2.10-192.168.2.99}}\n"
ONE_ARM = "lan: {interface: eth0}\n"
GATEWAY = f"profile: gateway\nssh: {{authorized_keys: {scalars.SSH_PUBLIC_KEY.example}}}\n"
WHOLE = GATEWAY + UPLINK + TUNNEL + LAN
GADGET = GATEWAY.replace("gateway", "gadget")
CUSTOM = "profile: custom\n"


def tunnel(old: str, new: str) -> str:
    return GATEWAY + UPLINK + TUNNEL.replace(old, new) + LAN


def allow_in(*words: str, lan: str = LAN) -> str:
    return f"{GATEWAY}{UPLINK}{TUNNEL}{lan}firewall: {{allow_in: [{', '.join(words)}]}}\n"


def forwards(*words: str, lan: str = LAN) -> str:
    return f"{GATEWAY}{UPLINK}{TUNNEL}{lan}firewall: {{port_forwards: [{', '.join(words)}]}}\n"


def rules(*words: str) -> str:
    return f"{WHOLE}firewall: {{rules: [{', '.join(words)}]}}\n"


def wifi(words: str) -> str:
    return f"{GADGET}gadget:\nuplink: {{interface: wlan0, wifi: {{ssid: a, country: NO, {words}}}}}\n"


def fallback(words: str) -> str:
    return tunnel(ROUTED, f"{ROUTED}, fallback: {{{words}}}")


def routing(words: str) -> str:
    return f"{CUSTOM}routing: {{{words}}}\n"


REFUSED: dict[str, tuple[tuple[str, ...], ...]] = {
    "uplink": (
        (
            GATEWAY + "uplink: {interface: eth0, address: 192.168.1.2/24}\n" + TUNNEL + LAN,
            GATEWAY + "uplink: {interface: eth0, address: 192.168.1.2/24, gateway: 192.168.3.1}\n" + TUNNEL + LAN,
            GATEWAY + "uplink: {interface: eth0, gateway: 192.168.1.254}\n" + TUNNEL + LAN,
        ),
        (GADGET + "gadget:\nuplink: {interface: wlan0}\n",),
    ),
    "uplink.wifi": (
        (wifi("hidden: false"), wifi("passphrase: 12345678, open: true")),
        (wifi("passphrase: 12345678, others: {ssid: a, passphrase: 12345678}"),),
    ),
    "uplinks[]": (
        (CUSTOM + "uplinks: {metric: 1}\n", CUSTOM + "uplinks: {interface: a, carrying: 10.0.0.0/8, metric: 1}\n"),
        (
            CUSTOM + "uplinks: [{interface: a, metric: 1}, {interface: a, metric: 2}]\n",
            CUSTOM + "uplinks: [{interface: a, metric: 1}, {interface: b, metric: 1}]\n",
        ),
    ),
    "tunnel": (
        (tunnel(SERVER, "mtu: 1400"), tunnel(ADDRESS, "mtu: 1400"), tunnel(ROUTED, "mtu: 1400")),
        (
            tunnel(f"{ADDRESS}, {ROUTED}", "kind: 6rd"),
            tunnel(SERVER, "kind: 6rd").replace(f", {ROUTED}", ""),
            tunnel(f"{SERVER}, {ADDRESS}", "kind: 6rd"),
            tunnel(f"{SERVER}, {ADDRESS}, {ROUTED}", "kind: 6rd, broker: {user: me, key: K3y, tunnel: 1}"),
        ),
        (tunnel(SERVER, "server: 10.0.0.1"),),
        (tunnel(ADDRESS, "address: 2001:db8:1::2/48"), tunnel(ADDRESS, "address: 2001:db8:1::/64")),
        (
            tunnel(ROUTED, "routed: 2001:db8:1::/80"),
            tunnel(ROUTED, "routed: fe80::/64"),
            tunnel(ROUTED, "routed: 2001:db8:123c:abd::/64"),
        ),
        (tunnel(ROUTED, f"{ROUTED}, mtu: 1480").replace("dns: 1.1.1.1", "dns: 1.1.1.1, mtu: 1499"),),
        (tunnel(ROUTED, f"{ROUTED}, ipv4_only: nas.lan"),),
        (GADGET + "gadget: {share: local}\n" + TUNNEL,),
    ),
    "tunnel.fallback": (
        (
            fallback("server: 198.51.100.200"),
            fallback("server: 10.0.0.1, address: 2001:db8:b:1::2/64, routed: 2001:db8:b:2::/64"),
            fallback("server: 198.51.100.200, address: fe80::2/64, routed: 2001:db8:b:2::/64"),
            fallback("server: 198.51.100.200, address: 2001:db8:b:1::2/64, routed: 2001:db8:b:1::/64"),
            fallback(f"{OTHER}, mtu: 1480").replace("dns: 1.1.1.1", "dns: 1.1.1.1, mtu: 1499"),
            fallback(f"{OTHER}, kind: 6rd"),
        ),
        (
            fallback(f"{SERVER}, address: 2001:db8:b:1::2/64, routed: 2001:db8:b:2::/64"),
            fallback(f"server: 198.51.100.200, {ADDRESS}, routed: 2001:db8:b:2::/64"),
            fallback(f"server: 198.51.100.200, address: 2001:db8:b:1::2/64, {ROUTED}"),
            fallback(f"{OTHER}, interface: he-ipv6"),
            fallback(f"{OTHER}, {ACCOUNT}").replace(SERVER, f"{SERVER}, {ACCOUNT}", 1),
        ),
        (fallback("kind: 6rd").replace(f"{SERVER}, {ADDRESS}, {ROUTED}", "kind: 6rd"),),
        (
            fallback(OTHER)
            .replace(ROUTED, "routed: 2001:db8:2::/48", 1)
            .replace("dhcp4:", "others: {interface: eth2, address: 10.9.9.1/24}, dhcp4:"),
        ),
    ),
    "lan": (
        (
            GATEWAY + UPLINK + TUNNEL + "lan: {interface: eth1}\n",
            GATEWAY + UPLINK + TUNNEL + "lan: {interface: eth1, address: 192.168.1.1/24}\n",
            GATEWAY + UPLINK + TUNNEL + "lan: {interface: eth0, address: 192.168.2.1/24}\n",
        ),
        (
            WHOLE.replace("dhcp4", "others: {interface: eth1, address: 192.168.3.1/24}, dhcp4"),
            WHOLE.replace("dhcp4", "others: {interface: eth0}, dhcp4"),
        ),
        (WHOLE.replace("dhcp4", "others: {interface: eth2, address: 192.168.3.1/24}, dhcp4"),),
    ),
    "lan.dhcp4": (
        (
            WHOLE.replace("192.168.2.99", "192.168.3.99"),
            WHOLE.replace("192.168.2.10-", "192.168.2.1-"),
            (GATEWAY + UPLINK + TUNNEL + ONE_ARM).replace(
                "eth0}\n", "eth0, dhcp4: {range: 192.168.1.9-192.168.1.254}}\n"
            ),
        ),
        (
            GATEWAY
            + "uplink: {interface: eth0}\n"
            + TUNNEL
            + "lan: {interface: eth0, dhcp4: {range: 10.0.0.2-10.0.0.9}}\n",
        ),
        (WHOLE.replace("192.168.2.99", "192.168.2.99, lease: 119s"),),
    ),
    "gadget": (
        tuple(f"{GADGET}gadget: {{share: local, functions: [{each}]}}\n" for each in ("acm", "ecm, ecm", "ecm, ncm")),
        (GADGET + UPLINK + "gadget: {network: 192.168.1.1/28}\n",),
        (GADGET + "gadget: {share: local, interfaces: separate, network: 10.55.0.1/30}\n",),
    ),
    "firewall.management": (
        (
            WHOLE + "firewall: {management: {ssh_from: 0.0.0.0/7}}\n",
            WHOLE + 'firewall: {management: {ssh_from: ["2000::/15"]}}\n',
        ),
    ),
    "firewall.allow_in[]": (
        (allow_in("{to: nas}"),),
        (
            allow_in("{to: 192.168.9.9, tcp: 80}"),
            allow_in("{to: 192.168.2.1, tcp: 80}"),
            allow_in("{to: 192.168.1.9, tcp: 80}", lan=ONE_ARM),
            allow_in("{to: '2001:db8:9::9', tcp: 80}"),
        ),
        (allow_in("{to: nas, tcp: 80}", lan="lan: {interface: eth1, address: 192.168.2.1/24}\n"),),
        (allow_in("{to: nas, tcp: [80, 81], nat_port: 82}"), allow_in("{to: nas, tcp: 80-81, nat_port: 82}")),
    ),
    "firewall.port_forwards[]": (
        (forwards("{port: tcp/80, to: 192.168.1.9}", lan=ONE_ARM),),
        (forwards("{port: tcp/80-81, to: nas, to_port: 82}"),),
        (forwards("{port: tcp/80, to: nas}", "{port: tcp/80, to: box2}"),),
    ),
    "firewall.rules[]": (
        (
            rules("{from: inside, to: inside, action: allow}"),
            rules("{from: inside, to: outside, action: allow}", "{from: inside, port: tcp/25, action: deny}").replace(
                "from: inside, port", "from: inside, to: outside, port"
            ),
            rules("{from: inside, to: box, port: udp/67, action: deny}"),
        ),
        tuple(
            rules(f"{{from: outside, to: box, port: {port}, action: allow}}") for port in ("tcp/22", "udp/53", "udp/67")
        ),
        (
            rules("{from: outside, to: inside, nat: no, action: allow}"),
            rules("{from: inside, to: outside, nat: no, action: deny}"),
            rules("{from: inside, to: outside, destination: '2001:db8::/32', nat: no, action: allow}"),
        ),
    ),
    "routing.tables[]": (
        tuple(routing(f"tables: {{lookup: {each}, ensure: default-route}}") for each in ("253", "254", "200-255")),
    ),
    "routing.sysctl[]": (
        (routing("sysctl: {set: {'net.ipv4.conf.{interface}.rp_filter': 2}}"),),
        (routing("sysctl: {interface: a, set: {}}"),),
    ),
    "routing.on_interface_change[]": (
        (routing("on_interface_change: {restart: ssh.service}"),),
        (
            routing("on_interface_change: {interface: a}"),
            routing("on_interface_change: {interface: a, restart: ssh.service, run: /bin/true}"),
            routing("on_interface_change: {interface: a, run: true}"),
        ),
    ),
}
"""For each sentence of `CONDITIONS`, files that are refused because of it."""


def test_the_page_is_what_is_generated() -> None:
    page = (PROJECT / "docs/appliance.yaml.md").read_text(encoding="utf-8")
    assert page == PAGES["appliance.yaml.md"](), "`make docs` writes it anew"


@pytest.mark.parametrize("name", EVERY_SCALAR)
def test_every_sort_of_value_has_an_example(name: str) -> None:
    scalar = EVERY_SCALAR[name]
    assert scalar.example
    scalar.parse(scalar.example)


def values_of(node: Any) -> list[str]:
    match node:
        case source.TextNode():
            return [node.text]
        case source.ListNode():
            return [text for item in node.items for text in values_of(item)]
        case _:
            return [text for entry in node.entries for text in (entry.name, *values_of(entry.node))]


def expected(setting: Setting) -> list[tuple[Scalar[Any], str]]:
    shape = setting.shape
    match shape:
        case Value():
            return [(shape.scalar, shape.example)]
        case Values():
            return [(shape.scalar, each) for each in shape.example]
        case Pairs():
            return [(each, each.example) for each in (shape.key, shape.value)]
        case _:
            return []


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_has_an_example_that_works_as_it_is_written(path: str) -> None:
    wanted = expected(SETTINGS[path])
    line = settings.example(SETTINGS[path])
    assert bool(line) == bool(wanted)
    if line:
        [entry] = source.read(line.encode(), "a.yaml").root.entries
        assert (entry.name, values_of(entry.node)) == (SETTINGS[path].name, [text for _, text in wanted])
        for scalar, text in wanted:
            scalar.parse(text)


def test_every_default_that_is_told_means_the_same_as_to_leave_the_setting_out() -> None:
    told = 0
    for path, section in SECTIONS.items():
        for setting, row in zip(section.settings, section.table.rows, strict=True):
            shape, default = setting.shape, row[3].strip("`")
            if default and not setting.required and isinstance(shape, Value):
                assert shape.scalar.parse(default) == setting.default, f"{path}.{setting.name}"
                told += 1
    assert told > 15


def test_every_choice_is_explained() -> None:
    for path, setting in SETTINGS.items():
        if isinstance(setting.shape, Value | Values):
            choices = setting.shape.scalar.schema.get("enum", [])
            if 1 < len(choices) < settings.FEW:
                assert [*meanings_of(setting.shape.scalar.name)] == choices, path
    assert all(list(kind) == [*found] for kind, found in MEANINGS.items())


def test_the_files_that_the_refused_ones_differ_from_are_right() -> None:
    enough = [
        WHOLE,
        GATEWAY + UPLINK + TUNNEL + ONE_ARM,
        wifi("passphrase: 12345678"),
        GADGET + "gadget: {share: local}\n",
    ]
    enough += [allow_in("{to: nas, tcp: 80, nat_port: 81}"), forwards("{port: tcp/80, to: nas, to_port: 81}")]
    enough += [rules("{from: inside, to: outside, nat: no, action: allow}")]
    enough += [CUSTOM + "uplinks: [{interface: a, metric: 1}, {interface: b, metric: 2}]\n"]
    enough += [routing("on_interface_change: {interface: a, run: /bin/true}")]
    for text in enough:
        assert (problems(text), warnings(text)) == ([], [])


@pytest.mark.parametrize("path", CONDITIONS)
def test_what_must_hold_is_checked(path: str) -> None:
    assert len(CONDITIONS[path]) == len(REFUSED[path])
    top = re.split(r"[.\[]", path)[0]
    for sentence, files in zip(CONDITIONS[path], REFUSED[path], strict=True):
        for text in files:
            found = problems(text)
            assert found, f"{sentence}\n{text}"
            assert all(top in each for each in found), found


def test_every_condition_is_about_a_section_that_there_is() -> None:
    assert set(CONDITIONS) == set(REFUSED) <= set(SECTIONS)


def test_it_is_found() -> None:
    assert "](docs/appliance.yaml.md)" in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_every_example_is_shown() -> None:
    assert sorted(EXAMPLES.values()) == sorted(path.stem for path in EXAMPLES_FOLDER.iterdir())
