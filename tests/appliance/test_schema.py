"""The JSON Schema: right in itself, and in agreement with the parser about whole files."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from appliance.model import Appliance
from appliance.schema import document
from appliance.settings import Section, Sections, settings_of
from tests.appliance.conftest import EXAMPLES, parsed, problems

SCHEMA = document()


class Yaml12(yaml.SafeLoader):
    """Types values as YAML 1.2 does, which editors read: NO is text, 1480 a number, true a boolean."""


Yaml12.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
):
    Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


def valid(text: str) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(yaml.load(text, Yaml12))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.stem)
def test_the_examples_are_valid(path: Any) -> None:
    Draft202012Validator(SCHEMA).validate(yaml.load(path.read_text(), Yaml12))


def test_every_setting_is_in_it_with_its_meaning() -> None:
    def compare(model: type, fragment: dict[str, Any]) -> int:
        assert fragment["additionalProperties"] is False
        assert list(fragment["properties"]) == [setting.name for setting in settings_of(model)]
        count = 0
        for setting in settings_of(model):
            here = fragment["properties"][setting.name]
            assert here["description"]
            assert (setting.name in fragment.get("required", ())) is setting.required
            count += 1
            if isinstance(setting.shape, Section):
                count += compare(setting.shape.type, here)
            elif isinstance(setting.shape, Sections):
                count += compare(setting.shape.type, here["anyOf"][1])
        return count

    assert compare(Appliance, SCHEMA) > 50


CUSTOM = "profile: custom\n"
GADGET = "profile: gadget\ngadget:\n"
ACCEPTED = [
    CUSTOM,
    CUSTOM + "hostname: 42\n",
    CUSTOM + "manager: networkd\n",
    CUSTOM + "ssh:\nrouting:\n",
    CUSTOM + "uplinks:\n  interface: eth0\n  metric: 1\n",
    CUSTOM + "uplinks:\n  - {interface: eth0, metric: '1', dhcp: yes, optional: true}\n",
    CUSTOM + "routing:\n  tables: {lookup: 7, ensure: default-route}\n",
    GADGET + "  functions: ncm\n",
    GADGET + "  functions:\n",
    GADGET + "  network: auto\n",
    GADGET + "uplink: {interface: eth0, mtu: 1480}\n",
    GADGET + "uplink: {interface: eth0, mtu: '1480', dns: 1.1.1.1}\n",
    GADGET + "uplink: {interface: w, wifi: {ssid: 5, passphrase: 12345678, country: NO, hidden: true, open: off}}\n",
    GADGET + "uplink: {interface: w, wifi: {ssid: true, passphrase: 1234567.5, country: NO}}\n",
]
REFUSED = [
    "",
    "hostname: a\n",
    "profile: router\n",
    CUSTOM + "hostname: [a]\n",
    CUSTOM + "hostname:\n",
    CUSTOM + "hostname: a b\n",
    CUSTOM + "colour: red\n",
    CUSTOM + "manager: wicked\n",
    CUSTOM + "tunnel: {server: 192.0.2.1, address: '2001:db8::2/64', routed: '2001:db8:1::/64'}\n",
    CUSTOM + "uplinks: [eth0]\n",
    CUSTOM + "uplinks: {interface: eth0}\n",
    CUSTOM + "routing: {sysctl: {interface: a, set: {rp_filter: 1}}}\n",
    CUSTOM + "routing: {sysctl: {interface: a, set: [1]}}\n",
    CUSTOM + "routing: {on_interface_change: {interface: a, restart: a.service, settle: 3}}\n",
    "profile: gadget\n",
    GADGET + "uplink:\n",
    GADGET + "uplink: {interface: eth0, mtu: 1279}\n",
    GADGET + "uplink: {interface: eth0, mtu: large}\n",
    GADGET + "uplink: {interface: eth0, mtu: true}\n",
    GADGET + "uplink: {interface: w, wifi: {ssid: a, passphrase: short, country: NO}}\n",
    GADGET + "uplink: {interface: w, wifi: {ssid: a, open: 1, country: NO}}\n",
    GADGET + "uplink: {interface: w, wifi: {ssid: a, open: true, country: no}}\n",
    GADGET + "  share: everything\n",
    "profile: gateway\nuplink: {interface: eth0}\n",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_both_accept(text: str) -> None:
    refused = [one for one in problems(text) if "none of them is a network adapter" not in one]
    assert refused == [] and valid(text)


@pytest.mark.parametrize("text", REFUSED)
def test_both_refuse(text: str) -> None:
    assert problems(text) and not valid(text)


def test_defaults_are_as_they_are_written() -> None:
    lan = SCHEMA["properties"]["lan"]["properties"]
    assert lan["dhcp4"]["properties"]["lease"]["default"] == "12h"
    assert SCHEMA["properties"]["uplink"]["properties"]["wifi"]["properties"]["hidden"]["default"] is False
    assert SCHEMA["properties"]["uplink"]["properties"]["mtu"]["default"] == 1500
    assert parsed(CUSTOM).appliance.hostname == SCHEMA["properties"]["hostname"]["default"]
