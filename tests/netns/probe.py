"""What passes a firewall, as nftables counts it: packets are known by their numbers (`packets.datagrams`)."""

from __future__ import annotations

from tests.lab.wire import OURS

PROBE = f"""
table inet probe {{
  set passed4 {{ typeof ip id; size 65535; flags dynamic; }}
  set passed6 {{ typeof ip6 flowlabel; size 65535; flags dynamic; }}
  set left {{ typeof ip id . ip saddr . ip daddr; size 65535; flags dynamic; }}
  set led {{ typeof ip id . ip daddr . udp dport; size 65535; flags dynamic; }}
  chain number {{
    meta nfproto ipv4 add @passed4 {{ ip id }}
    meta nfproto ipv6 add @passed6 {{ ip6 flowlabel }}
  }}
  chain input {{ type filter hook input priority 200; jump number; }}
  chain output {{ type filter hook output priority 200; meta mark {OURS} jump number; }}
  chain forward {{
    type filter hook forward priority 200; jump number;
    meta l4proto {{ tcp, udp }} add @led {{ ip id . ip daddr . th dport }}
    meta mark set {OURS}
  }}
  chain postrouting {{
    type filter hook postrouting priority 300; meta mark {OURS} add @left {{ ip id . ip saddr . ip daddr }}
  }}
}}
"""
"""What comes by after the firewall, by its number; but not what the machine itself answers (`wire.OURS`)."""

ARRIVED = """
table inet arrived {
  set came4 { typeof ip id; size 65535; flags dynamic; }
  set came6 { typeof ip6 flowlabel; size 65535; flags dynamic; }
  chain number {
    meta nfproto ipv4 add @came4 { ip id }
    meta nfproto ipv6 add @came6 { ip6 flowlabel }
  }
  chain prerouting { type filter hook prerouting priority -350; jump number; }
  chain own { type filter hook output priority -350; jump number; }
}
"""
"""What comes as far as the firewall."""
