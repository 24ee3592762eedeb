"""What docs/gateway.md says of the section `firewall` is all of it, and right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from appliance.firewall import Firewall
from appliance.parse import parse_text
from appliance.settings import Section, Sections, settings_of

PAGE = (Path(__file__).parents[2] / "docs/gateway.md").read_text(encoding="utf-8")
BEFORE = """\
profile: gateway
ssh: {authorized_keys: []}
uplink: {interface: eth0, address: 203.0.113.5/24, gateway: 203.0.113.1}
tunnel: {server: 198.51.100.100, address: "2001:db8:123c:abd::2/64", routed: "2001:db8:123d:abc::/64"}
lan: {interface: eth1, address: 192.168.1.1/24, dhcp4: {range: 192.168.1.10-192.168.1.210}}
"""


def example() -> str:
    """The one that has everything."""
    [found] = re.findall(r"^```\n(firewall:\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def names(model: type) -> Iterator[str]:
    for setting in settings_of(model):
        yield setting.name
        if isinstance(setting.shape, Section | Sections):
            yield from names(setting.shape.type)


def test_the_example_is_right() -> None:
    warnings = parse_text((BEFORE + example()).encode(), "appliance.yaml").warnings
    assert [each for each in warnings if each.mark.line > len(BEFORE.splitlines())] == []


def test_every_option_is_in_the_example() -> None:
    shown = set(re.findall(r"([a-z_0-9]+):(?: |$)", example(), re.MULTILINE))
    assert set(names(Firewall)) <= shown
