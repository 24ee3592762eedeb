"""What involves several settings: the examples with something changed, and what is said about it."""

# ruff: noqa: E501 - messages are shown as they are printed

from __future__ import annotations

import pytest

from tests.appliance.conftest import EXAMPLES, parsed, problems, warnings

ARM = ("  domain: localnet", "  domain: localnet\n  address: 192.168.2.1/24")
TWO_ARMED = [
    ("lan:\n  interface: eth0", "lan:\n  interface: eth1"),
    ARM,
    ("range: 192.168.1.10-192.168.1.210", "range: 192.168.2.10-192.168.2.99"),
]
DHCP_UPLINK = [("  address: 192.168.1.252/24\n  gateway: 192.168.1.254\n", "")]
Changes = list[tuple[str, str]]
PAGE = '(the page\'s "Client IPv6 Address", which ends in ::2)'

PROBLEMS: list[tuple[str, Changes, list[str]]] = [
    # What the profile needs, and what does not belong to it.
    (
        "gateway",
        [("profile: gateway", "profile: gadget")],
        [
            "2:10: profile gadget needs the section gadget, which is missing (`appliance init gadget` shows one)",
            "20:1: lan does not belong to profile gadget (it belongs to profile gateway; here: profile, hostname, ssh, led, "
            "status_page, uplink, tunnel, gadget, firewall)",
        ],
    ),
    (
        "gadget",
        [("profile: gadget", "profile: gateway")],
        [
            "2:10: profile gateway needs the section lan, which is missing (`appliance init gateway` shows one)",
            "2:10: profile gateway needs the section tunnel, which is missing (`appliance init gateway` shows one)",
            "16:1: gadget does not belong to profile gateway (it belongs to profile gadget; here: profile, hostname, ssh, led, "
            "status_page, uplink, tunnel, lan, firewall)",
        ],
    ),
    (
        "uplinks",
        [("profile: custom", "profile: gadget\ngadget:")],
        [
            "4:10: manager does not belong to profile gadget (it belongs to profile custom; here: profile, hostname, ssh, led, "
            "status_page, uplink, tunnel, gadget, firewall)",
            "5:1: uplinks does not belong to profile gadget (it belongs to profile custom; here: profile, hostname, ssh, led, "
            "status_page, uplink, tunnel, gadget, firewall)",
        ],
    ),
    (
        "gateway",
        [("profile: gateway", "profile: nothing")],
        ['2:10: profile: "nothing" is not one of the choices (gateway, gadget, custom)'],
    ),
    # The uplink.
    (
        "gateway",
        [("  gateway: 192.168.1.254\n", "")],
        ["11:12: uplink.gateway is missing: a fixed address needs the router's"],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("  address: 192.168.1.252/24\n", "")],
        [
            "11:12: uplink.gateway is only for a fixed address (with uplink.address; without one, DHCP finds the gateway)"
        ],
    ),
    (
        "gateway",
        [("gateway: 192.168.1.254", "gateway: 192.168.2.254")],
        [
            "12:12: uplink.gateway: 192.168.2.254 is not in 192.168.1.0/24, the network of uplink.address "
            "(an address in 192.168.1.0/24)"
        ],
    ),
    (
        "gateway",
        [("gateway: 192.168.1.254", "gateway: 192.168.1.252")],
        ["12:12: uplink.gateway: 192.168.1.252 is the Pi's own address (the router's address)"],
    ),
    (
        "gateway",
        [("gateway: 192.168.1.254", "gateway: 192.168.1.255")],
        ["12:12: uplink.gateway: 192.168.1.255 is no machine's address (one within 192.168.1.0/24)"],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("192.168.1.252/24", "127.0.0.1/8"), ("192.168.1.254", "127.0.0.2")],
        [
            "11:12: uplink.address: 127.0.0.1 is not an address for a machine on a network (an address of your own network, "
            "e.g. 192.168.1.252/24)"
        ],
    ),
    ("gadget", [("interface: wlan0", "interface: lo")], ["10:14: uplink.interface: lo leads nowhere (e.g. eth0)"]),
    # Wi-Fi.
    (
        "gadget",
        [("    passphrase: correct horse battery staple\n", "")],
        ["11:3: uplink.wifi.passphrase is missing (a passphrase, or open: true for a network without one)"],
    ),
    (
        "gadget",
        [("correct horse battery staple", "battery"), ("country: NO", "country: UK")],
        [
            "13:17: uplink.wifi.passphrase: a passphrase has at least 8 characters, this one has 7 "
            "(8 to 63 printable ASCII characters, or 64 hexadecimal digits)",
            '14:14: uplink.wifi.country: "UK" is not a country code, did you mean "GB"? '
            "(two capital letters of ISO 3166, e.g. NO)",
        ],
    ),
    (
        "gadget",
        [("    country: NO", "    country: NO\n    open: true")],
        ["15:11: uplink.wifi.open: an open network has no passphrase (one of the two)"],
    ),
    (
        "gadget",
        [("    country: NO\n", "    country: NO\n    others:\n    - ssid: Home\n      open: yes\n    - ssid: Work\n")],
        [
            "16:13: uplink.wifi.others[0].ssid: Home is there twice (once)",
            "18:7: uplink.wifi.others[1].passphrase is missing (a passphrase, or open: true for a network without one)",
        ],
    ),
    (
        "gadget",
        [("  wifi:\n    ssid: Home\n    passphrase: correct horse battery staple\n    country: NO\n", "")],
        ["10:14: uplink.wifi is missing: wlan0 is wireless and needs a network to join (ssid, passphrase, country)"],
    ),
    (
        "gadget",
        [("    country: NO\n", "")],
        [
            "11:3: uplink.wifi.country is missing: where the Pi is: the law decides which channels it may use "
            "(two capital letters of ISO 3166, e.g. NO)"
        ],
    ),
    # One arm and two.
    (
        "gateway",
        [ARM],
        [
            "23:12: lan.address: the LAN is on the uplink's interface, eth0, which has its address already (leave it out)"
        ],
    ),
    (
        "gateway",
        [TWO_ARMED[0]],
        [
            "20:1: lan.address is missing: eth1 is another interface than the uplink's (the Pi's own address there, "
            "e.g. 192.168.2.1/24)"
        ],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("192.168.2.1/24", "192.168.0.1/23"), ("192.168.2.10-192.168.2.99", "192.168.0.2-192.168.0.3")],
        ["23:12: lan.address: 192.168.0.0/23 overlaps 192.168.1.0/24, the uplink's network (a network of its own)"],
    ),
    # DHCP.
    (
        "gateway",
        DHCP_UPLINK,
        [
            "21:3: lan.dhcp4: the Pi has its own address by DHCP from another server on this network, and there cannot be two "
            "(give uplink.address, or leave lan.dhcp4 out)"
        ],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("192.168.2.10-192.168.2.99", "192.168.1.10-192.168.1.99")],
        ["25:12: lan.dhcp4.range: 192.168.1.10-192.168.1.99 is not within 192.168.2.0/24 (within 192.168.2.0/24)"],
    ),
    (
        "gateway",
        [("192.168.1.10-192.168.1.210", "192.168.1.10-192.168.2.10")],
        ["24:12: lan.dhcp4.range: 192.168.1.10-192.168.2.10 is not within 192.168.1.0/24 (within 192.168.1.0/24)"],
    ),
    (
        "gateway",
        [("192.168.1.10-192.168.1.210", "192.168.1.0-192.168.1.210")],
        [
            "24:12: lan.dhcp4.range: 192.168.1.0-192.168.1.210 has an address that no machine can have "
            "(192.168.1.1 to 192.168.1.254)"
        ],
    ),
    (
        "gateway",
        [("192.168.1.10-192.168.1.210", "192.168.1.10-192.168.1.254")],
        [
            "24:12: lan.dhcp4.range: 192.168.1.10-192.168.1.254 includes 192.168.1.252, the Pi's own address (a range without it)",
            "24:12: lan.dhcp4.range: 192.168.1.10-192.168.1.254 includes 192.168.1.254, the gateway (a range without it)",
        ],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("192.168.2.10-", "192.168.2.1-")],
        [
            "25:12: lan.dhcp4.range: 192.168.2.1-192.168.2.99 includes 192.168.2.1, the Pi's own address (a range without it)"
        ],
    ),
    ("gateway", [("lease: 12h", "lease: 119s")], ["25:12: lan.dhcp4.lease: 119 seconds is too short (at least 120s)"]),
    # The tunnel.
    (
        "gateway",
        [("198.51.100.100 ", "192.168.1.252 ")],
        [
            '16:11: tunnel.server: 192.168.1.252 is a private address (the page\'s "Server IPv4 Address")',
            "16:11: tunnel.server: 192.168.1.252 is the Pi's own address (the page's \"Server IPv4 Address\")",
        ],
    ),
    (
        "gateway",
        [("198.51.100.100 ", "224.0.0.1 ")],
        ['16:11: tunnel.server: 224.0.0.1 is a multicast address (the page\'s "Server IPv4 Address")'],
    ),
    (
        "gateway",
        [("abd::2/64", "abd::2/128")],
        ["17:12: tunnel.address: its network is a /64, not a /128 (2001:db8:123c:abd::2/64)"],
    ),
    (
        "gateway",
        [("2001:db8:123c:abd::2/64", "fe80::2/64")],
        ['17:12: tunnel.address: fe80::2 is no global address (the page\'s "Client IPv6 Address")'],
    ),
    (
        "gateway",
        [("abd::2/64", "abd::/64")],
        [f"17:12: tunnel.address: 2001:db8:123c:abd:: is the network itself, not an address in it {PAGE}"],
    ),
    (
        "gateway",
        [("123d:abc::/64", "123c:abd::/64")],
        [
            "18:11: tunnel.routed: 2001:db8:123c:abd::/64 is the tunnel's own network, that of tunnel.address "
            '(the page\'s "Routed /64", which is another one)',
            "29:11: firewall.allow_in[0].to: 2001:db8:123d:abc::2 is not in 2001:db8:123c:abd::/64, which is tunnel.routed "
            "(an address in 2001:db8:123c:abd::/64)",
        ],
    ),
    (
        "gateway",
        [("domain: localnet", "others: [{interface: eth1, address: 192.168.2.1/24}]")],
        [
            "22:12: lan.others[0]: the uplink's interface, eth0, cannot be that of one network of several "
            "(an interface of its own for lan, and for each of lan.others)",
            "22:12: lan.others[0]: there is no /64 left for eth1 in 2001:db8:123d:abc::/64, which is tunnel.routed "
            '(the page\'s "Routed /48", which the broker gives when asked to)',
        ],
    ),
    (
        "gateway",
        [
            ("2001:db8:123d:abc::/64", "2001:db8:123d::/48"),
            ("2001:db8:123d:abc::2", "2001:db8:123d:1::1"),
            ("lan:\n  interface: eth0\n", "lan:\n  interface: eth3\n  address: 192.168.9.1/24\n"),
            ("192.168.1.10-192.168.1.210", "192.168.9.10-192.168.9.210"),
            (
                "domain: localnet",
                "others: [{interface: eth1, address: 192.168.2.1/24}, {interface: eth1}, "
                "{interface: eth2, address: 192.168.2.9/30, dhcp4: {range: 192.168.2.1-192.168.2.4}}]",
            ),
        ],
        [
            "23:56: lan.others[1].address is missing: eth1 is another interface than the uplink's "
            "(the Pi's own address there, e.g. 192.168.2.1/24)",
            "23:68: lan.others[1].interface: eth1 is that of lan.others[0] (an interface of its own)",
            "23:102: lan.others[2].address: 192.168.2.8/30 overlaps that of lan.others[0] (a network of its own)",
            "23:133: lan.others[2].dhcp4.range: 192.168.2.1-192.168.2.4 is not within 192.168.2.8/30 "
            "(within 192.168.2.8/30)",
            "30:11: firewall.allow_in[0].to: 2001:db8:123d:1::1 is the Pi itself, which the outside never reaches "
            "(the address of another machine inside)",
        ],
    ),
    (
        "gateway",
        [("2001:db8:123d:abc::/64", "2001:db8:123d:abc::/65")],
        [
            "18:11: tunnel.routed: a LAN whose machines choose their addresses needs a /64, not a /65 "
            '(the page\'s "Routed /64")'
        ],
    ),
    (
        "gateway",
        [("2001:db8:123d:abc::/64", "ff02::/64"), ("2001:db8:123d:abc::2", "ff02::2")],
        ['18:11: tunnel.routed: ff02::/64 is not a network of global addresses (the page\'s "Routed /64")'],
    ),
    (
        "gateway",
        [("  dns:", "  mtu: 1299\n  dns:")],
        ["13:8: uplink.mtu: 1299 leaves the tunnel 1279 bytes, and IPv6 needs 1280 (at least 1300)"],
    ),
    (
        "gateway",
        [("  dns:", "  mtu: 1492\n  dns:"), ("tunnel:", "tunnel:\n  mtu: 1480")],
        ["17:8: tunnel.mtu: 1480 does not fit through the uplink, whose packets have 1492 bytes (at most 1472)"],
    ),
    (
        "gateway",
        [("tunnel:", "tunnel:\n  interface: eth0")],
        ["16:14: tunnel.interface: eth0 is uplink.interface (a name of its own, e.g. he-ipv6)"],
    ),
    (
        "gateway",
        [("tunnel:", "tunnel:\n  ipv4_only: [film.example, tv.LocalNet, notlocalnet]")],
        [
            "16:29: tunnel.ipv4_only[1]: tv.LocalNet is of the LAN itself, which is not behind the tunnel "
            "(domains on the Internet)"
        ],
    ),
    # The firewall.
    (
        "gateway",
        [("to: 2001:db8:123d:abc::2", "to: 2001:db8::2")],
        [
            "29:11: firewall.allow_in[0].to: 2001:db8::2 is not in 2001:db8:123d:abc::/64, which is tunnel.routed "
            "(an address in 2001:db8:123d:abc::/64)"
        ],
    ),
    (
        "gateway",
        [("to: 2001:db8:123d:abc::2", "to: 2001:db8:123d:abc::1")],
        [
            "29:11: firewall.allow_in[0].to: 2001:db8:123d:abc::1 is the Pi itself, which the outside never reaches "
            "(the address of another machine inside)"
        ],
    ),
    (
        "gateway",
        [("      tcp: [80, 443]\n", "")],
        ["29:7: firewall.allow_in[0] allows nothing: it has no ports (tcp: [443] or udp: [51820], or both)"],
    ),
    (
        "gateway",
        [("tcp: [80, 443]\n", "tcp: [80, 443]\n    - {to: '2001:db8:123d:abc::2', udp: 80, tcp: 400-500}\n")],
        [
            "31:7: firewall.allow_in[1]: tcp/400-500 of 2001:db8:123d:abc::2 is in firewall.allow_in[0] too (line 29) (once)"
        ],
    ),
    (
        "gadget",
        [("gadget:\n", "firewall: {allow_in: {to: '2001:db8::2', tcp: 22}}\ngadget:\n")],
        [
            "16:27: firewall.allow_in[0].to: without a tunnel nothing inside has an address that is known here (a tunnel)"
        ],
    ),
    # The cable.
    (
        "gadget",
        [("functions: [ecm, rndis] ", "functions: [acm] ")],
        ["19:3: gadget.functions: none of them is a network adapter (ecm, rndis, ncm)"],
    ),
    (
        "gadget",
        [("functions: [ecm, rndis] ", "functions: [ecm, ecm] ")],
        ["19:20: gadget.functions: ecm is there twice (once)"],
    ),
    (
        "gadget",
        [("  wifi:", "  address: 10.55.0.20/24\n  gateway: 10.55.0.30\n  dns: 1.1.1.1\n  wifi:")],
        ["20:12: gadget.network: 10.55.0.0/28 overlaps 10.55.0.0/24, the uplink's network (another network, or auto)"],
    ),
    (
        "gadget",
        [("functions: [ecm, rndis] ", "functions: [ecm, ncm, acm] ")],
        ["19:3: gadget.functions: ecm and ncm do not fit together, and the same laptops use them (one of the two)"],
    ),
    (
        "gadget",
        [("network: 10.55.0.1/28", "interfaces: separate\n  network: 10.55.0.1/30")],
        [
            "18:12: gadget.network: 10.55.0.0/30 is too small to be halved for separate interfaces "
            "(a prefix length of at most 29)"
        ],
    ),
    (
        "gadget",
        [("network: 10.55.0.1/28", "network: 127.0.0.1/28")],
        [
            "17:12: gadget.network: 127.0.0.1 is not an address for a machine on a network "
            "(a private one, e.g. 10.55.0.1/28, or auto)"
        ],
    ),
    (
        "gadget",
        [("interface: wlan0", "interface: usb0")],
        [
            "10:14: uplink.interface: usb0 is the cable to the laptop (eth0, wlan0, or a USB adapter's name, enx and its address)"
        ],
    ),
    (
        "gadget-offline",
        [
            (
                "gadget:",
                "tunnel:\n  server: 198.51.100.100\n  address: 2001:db8:1::2/64\n  routed: 2001:db8:2::/64\ngadget:",
            )
        ],
        ["7:1: the tunnel needs an uplink, which is missing (the section uplink)"],
    ),
    # Several uplinks.
    (
        "uplinks",
        [("interface: enp0s9, ", "")],
        ["6:5: uplinks[1] does not say which interface it means (one of interface, mac, carrying)"],
    ),
    (
        "uplinks",
        [("carrying:", "interface: a, carrying:")],
        ["8:5: uplinks[3] says interface and carrying (one of interface, mac, carrying)"],
    ),
    (
        "uplinks",
        [("enp0s9, dhcp: true, metric: 11", "enp0s8, dhcp: true, metric: 10")],
        [
            "6:17: uplinks[1].interface: enp0s8 is that of uplinks[0] too (each its own)",
            "6:45: uplinks[1].metric: 10 is that of uplinks[0] too (each its own)",
        ],
    ),
    # Policies.
    (
        "policies",
        [("2-252", "2-254")],
        ["5:15: routing.tables[0].lookup: 2-254 includes 253, 254, the kernel's own (e.g. 2-252)"],
    ),
    (
        "policies",
        [("set:\n        net.ipv4.conf.{interface}.rp_filter: 2", "set: {}")],
        ["9:7: routing.sysctl[0].set sets nothing (e.g. net.ipv4.conf.{interface}.rp_filter: 2)"],
    ),
    (
        "policies",
        [("      restart: kube-proxy.service", "")],
        ["12:7: routing.on_interface_change[0] says neither restart nor run (one of the two)"],
    ),
    (
        "policies",
        [("restart: kube-proxy.service", "restart: kube-proxy.service\n      run: [/bin/true]")],
        ["12:7: routing.on_interface_change[0] says both restart and run (one of the two)"],
    ),
    (
        "policies",
        [("restart: kube-proxy.service", "run: [renew, all]")],
        [
            "15:13: routing.on_interface_change[0].run: renew is not the whole path of a program "
            "(e.g. /usr/local/bin/renew)"
        ],
    ),
    (
        "policies",
        [('interface: "eth*"\n      settle: 3s', "settle: 3s")],
        [
            "12:7: routing.on_interface_change[0] does not say which interfaces it means "
            '(interface, driver, mac or kind, e.g. interface: "eth*")'
        ],
    ),
    (
        "uplinks",
        [("interface: enp0s9", "mac: b8:27:eb:01:02:03"), ("interface: enp0s10", "mac: B8:27:EB:01:02:03")],
        ["7:11: uplinks[2].mac: b8:27:eb:01:02:03 is that of uplinks[1] too (each its own)"],
    ),
]

WARNINGS: list[tuple[str, Changes, list[str]]] = [
    (
        "gadget",
        [("network: 10.55.0.1/28", "network: 8.8.8.1/28")],
        [
            "17:12: gadget.network: 8.8.8.0/28 has addresses of the Internet, which the laptop then loses "
            "(a private network, e.g. 10.55.0.1/28, or auto)"
        ],
    ),
    ("gadget", [("  wifi:", "  address: 10.56.0.20/24\n  gateway: 10.56.0.30\n  dns: 1.1.1.1\n  wifi:")], []),
    ("gateway", TWO_ARMED, []),
    ("gateway", [*TWO_ARMED, *DHCP_UPLINK], []),
    (
        "gateway",
        [("  dns: [1.1.1.1, 8.8.8.8]\n", "")],
        [
            "11:12: uplink.dns is missing: with a fixed address nobody tells the Pi its DNS servers (e.g. dns: [1.1.1.1, 8.8.8.8])"
        ],
    ),
    (
        "gateway",
        [("abd::2/64", "abd::1/64")],
        [f"17:12: tunnel.address: 2001:db8:123c:abd::1 looks like the server's end of the tunnel {PAGE}"],
    ),
    (
        "gateway",
        [*TWO_ARMED, ("192.168.1.252/24", "100.64.0.2/24"), ("192.168.1.254", "100.64.0.1")],
        [
            "11:12: uplink.address: 100.64.0.2 is behind carrier-grade NAT, which no tunnel passes (ask the provider for a public "
            "address)"
        ],
    ),
    (
        "gateway",
        [("domain: localnet", "domain: local")],
        [
            '22:11: lan.domain: "local" belongs to multicast DNS (RFC 6762): such names are not asked of the Pi (e.g. lan or '
            "home.arpa)"
        ],
    ),
    (
        "gadget",
        [("    passphrase: correct horse battery staple\n", "    open: yes\n")],
        ["13:11: uplink.wifi.open: on an open network everybody nearby can read and change the traffic"],
    ),
    (
        "gadget",
        [("interface: wlan0", "interface: eth0")],
        ["11:3: uplink.wifi: eth0 is a wired interface (interface: wlan0 for the Pi's own radio)"],
    ),
    (
        "gadget-offline",
        [("share: local", "share: route")],
        ["9:10: gadget.share: route gives the laptop no Internet without an uplink (an uplink, or share: local)"],
    ),
    (
        "gadget",
        [("functions: [ecm, rndis] ", "functions: [rndis, acm] ")],
        ["19:3: gadget.functions: with acm beside it, rndis is an adapter for Windows alone (add ecm)"],
    ),
    (
        "policies",
        [("conf.{interface}.rp_filter", "conf.all.rp_filter")],
        [
            "10:38: routing.sysctl[0].set: net.ipv4.conf.all.rp_filter is not a setting of an interface "
            "(a name with {interface} in it)"
        ],
    ),
]


def changed(example: str, changes: Changes) -> str:
    text = (EXAMPLES / f"{example}.yaml").read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize(("example", "changes", "expected"), PROBLEMS)
def test_problems(example: str, changes: Changes, expected: list[str]) -> None:
    assert problems(changed(example, changes)) == [f"a.yaml:{line}" for line in expected]


@pytest.mark.parametrize(("example", "changes", "expected"), WARNINGS)
def test_warnings(example: str, changes: Changes, expected: list[str]) -> None:
    assert warnings(changed(example, changes)) == [f"a.yaml:{line}" for line in expected]


def test_custom_needs_nothing() -> None:
    assert warnings("profile: custom\n") == ["a.yaml:1:10: profile custom does nothing without routing or uplinks"]
    assert parsed("profile: custom\n").appliance.hostname == "appliance"


def test_custom_leaves_the_machines_name_and_logins_alone_and_says_so() -> None:
    text = "profile: custom\nhostname: gw\nrouting:\n  tables: [{lookup: 7, ensure: default-route}]\n"
    assert warnings(text) == [
        "a.yaml:2:11: hostname does nothing with profile custom: the machine keeps its own (leave it out)"
    ]


def test_an_unread_value_silences_only_what_needs_it() -> None:
    text = changed(
        "gateway", [("192.168.1.252/24", "192.168.1.252"), ("lease: 12h", "lease: 1s"), ("abd::2/64", "abd::/64")]
    )
    assert [line.split(":")[1] for line in problems(text)] == ["11", "17", "25"]


def test_one_unread_rule_does_not_hide_the_next() -> None:
    rule = "tcp: [80, 443]\n    - {to: 1.2.3, tcp: 1}\n    - {to: '2001:db8::3', tcp: 2}\n"
    text = changed("gateway", [("tcp: [80, 443]\n", rule)])
    assert [line.split(":")[1] for line in problems(text)] == ["31", "32"]
