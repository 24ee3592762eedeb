"""The Internet's checksum (RFC 1071), of what the kernel does not sum up."""

from __future__ import annotations

import struct


def checksum(content: bytes) -> int:
    """That of the headers of IPv4, ICMP and the like, with 0 where it goes itself."""
    content += bytes(len(content) % 2)
    total: int = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
