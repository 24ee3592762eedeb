"""One file with twenty different mistakes gives exactly these twenty problems, in the order of its lines."""

# ruff: noqa: E501 - messages are shown as they are printed

from __future__ import annotations

from tests.appliance.conftest import problems

FILE = """\
profile: gateway
hostname: ipv6_gw
hostname: second
ssh:
  authorized_keys:
    - -----BEGIN OPENSSH PRIVATE KEY-----
uplnk: {}
uplink:
  interface: eth0/1
  adress: 192.168.1.252/24
  address: 192.168.1.252/24
  gateway: 192.168.2.254
  dns: [1.1.1.1, 8.8.8]
  mtu: 150O
tunnel:
  server: 192.168.1.254
  address: <Client IPv6 Address>
  routed: 2001:db8:123d:abc::/80
lan:
  interface: eth1
  domain: "local net"
  dhcp4:
    lease: 1m
gadget:
  network: auto
firewall:
  allow_in:
    - to: 2001:db8:ffff::2
      tcp: [http]
    - to: 2001:db8:123d:abc::2
    - tcp: 443
"""

PROBLEMS = """\
a.yaml:2:11: hostname: "ipv6_gw" is not a host name (1 to 63 letters, digits and hyphens, no hyphen at either end)
a.yaml:3:1: "hostname" is here twice (once; the first is on line 2)
a.yaml:6:7: ssh.authorized_keys[0]: this is a PRIVATE key: remove it from this file, and use a new pair if anybody may have seen it; the public one is in the file whose name ends in .pub (the line of a .pub file, e.g. ssh-ed25519 AAAA… you@laptop)
a.yaml:7:1: unknown setting "uplnk", did you mean "uplink"? (profile, hostname, ssh, led, status_page, manager, uplink, uplinks, tunnel, lan, gadget, firewall, routing)
a.yaml:9:14: uplink.interface: "eth0/1" is not the name of a network interface (1 to 15 letters, digits and . _ - @ +, e.g. eth0)
a.yaml:10:3: uplink: unknown setting "adress", did you mean "address"? (interface, address, gateway, dns, mtu, wifi)
a.yaml:12:12: uplink.gateway: 192.168.2.254 is not in 192.168.1.0/24, the network of uplink.address (an address in 192.168.1.0/24)
a.yaml:13:18: uplink.dns[1]: "8.8.8" is not an IP address (e.g. 1.1.1.1 or 2606:4700:4700::1111)
a.yaml:14:8: uplink.mtu: "150O" is not a number (1280 to 9000 bytes)
a.yaml:16:11: tunnel.server: 192.168.1.254 is a private address (the page's "Server IPv4 Address")
a.yaml:17:12: tunnel.address is not filled in yet: an IPv6 address with its prefix length (e.g. 2001:db8::2/64)
a.yaml:18:11: tunnel.routed: a LAN whose machines choose their addresses needs a /64, not a /80 (the page's "Routed /64")
a.yaml:21:11: lan.domain: "local net" is not a domain name (letters, digits and hyphens between dots, e.g. home.arpa)
a.yaml:22:3: lan.dhcp4.range is missing: the addresses to give out, FIRST-LAST (FIRST-LAST, e.g. 192.168.1.10-192.168.1.210)
a.yaml:23:12: lan.dhcp4.lease: 60 seconds is too short (at least 120s)
a.yaml:24:1: gadget does not belong to profile gateway (it belongs to profile gadget; here: profile, hostname, ssh, led, status_page, uplink, tunnel, lan, firewall)
a.yaml:28:11: firewall.allow_in[0].to: 2001:db8:ffff::2 is not in 2001:db8:123d:abc::/80, which is tunnel.routed (an address in 2001:db8:123d:abc::/80)
a.yaml:29:13: firewall.allow_in[0].tcp[0]: "http" is neither a number nor FIRST-LAST (1 to 65535 or FIRST-LAST, e.g. 443 or 8000-8010)
a.yaml:30:7: firewall.allow_in[1] allows nothing: it has no ports (tcp: [443] or udp: [51820], or both)
a.yaml:31:7: firewall.allow_in[2].to is missing: the machine inside: its address, or its name (an address, or the name that it has by DHCP, e.g. nas)
"""


def test_twenty_mistakes() -> None:
    assert problems(FILE) == PROBLEMS.splitlines()
    assert len(PROBLEMS.splitlines()) == 20
