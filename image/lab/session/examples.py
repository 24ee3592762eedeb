"""Configurations for an image in which nobody has filled in anything yet: what the lab plays by itself."""

from __future__ import annotations

from appliance.model import Profile

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzrN1bdD2E6kuR3y6QuopXcvzkCPQdR/t88rdA+g0Eb nobody@lab"
"""Nobody has the other half of it."""

GATEWAY = f"""\
# What `appliance lab` puts on the card of a gateway whose own file is not filled in.
profile: gateway
hostname: ipv6gw
ssh:
  authorized_keys: [{_KEY}]
uplink:
  interface: eth0
  address: 192.168.1.252/24
  gateway: 192.168.1.254
  dns: [1.1.1.1]
tunnel:
  server: 198.51.100.100
  address: 2001:db8:123c:abd::2/64
  routed: 2001:db8:123d:abc::/64
lan:
  interface: eth0
  domain: localnet
  dhcp4: {{range: 192.168.1.10-192.168.1.210}}
firewall:
  allow_in:
    - {{to: "2001:db8:123d:abc::2", tcp: [80, 443]}}
"""
GADGET = f"""\
# What `appliance lab` puts on the card of a gadget whose own file is not filled in.
profile: gadget
hostname: pigadget
ssh:
  authorized_keys: [{_KEY}]
uplink:
  interface: eth0
gadget:
  network: auto
  share: route
"""
EXAMPLES = {Profile.GATEWAY: GATEWAY, Profile.GADGET: GADGET}
