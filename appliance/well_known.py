"""Hosts on the IPv6 Internet that everybody may ask whether they are there."""

from __future__ import annotations

from ipaddress import IPv6Address

BEYOND = (
    IPv6Address("2001:4860:4860::8888"),
    IPv6Address("2606:4700:4700::1111"),
    IPv6Address("2620:fe::fe"),
)
"""Public resolvers of three operators (Google, Cloudflare, Quad9), anycast and answering echoes: that all of them are
gone at once is not their doing. A tunnel broker's own resolver would not do, as it is inside the broker's network.
"""
