"""All that has a name in some lab, for shells: not every lab has all of it, and what one has it says itself."""

from __future__ import annotations

CABLES = ("uplink", "lan", "usb")
FAULTS = (
    *("proto41", "mtu", "server", "beyond", "stale", "address", "broker", "dns", "cable"),
    *("router", "provider", "ipv6", "passphrase"),
)
"""A gateway's, and what a gadget has beside."""
PLACES = (
    "pi",
    *("client", "web", "router", "isp", "provider", "internet", "wires"),
    *("laptop", "neighbour", "house"),
)
"""The same."""
