"""Configurations to start from, with each setting's meaning beside it, taken from the model.

`Offer` marks what is written with a # before it: it is there to be seen, and works once the # is gone.
What only the user knows stands in <angle brackets>, which `appliance check` reports as not filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.model import Appliance, Profile
from appliance.settings import Section, Sections, Setting, Value, Values, settings_of

COMMENT_COLUMN = 44
KEY = "<the line of your .pub file, such as ssh-ed25519 AAAA… you@laptop>"


@dataclass(frozen=True)
class Offer:
    """Something that may be wanted; written as a comment."""

    content: Any


ACCOUNT = {"user": "<user name>", "key": "<Update Key>"}
GATEWAY: Mapping[str, Any] = {
    "profile": "gateway",
    "hostname": "ipv6gw",
    "ssh": {"authorized_keys": [KEY]},
    "uplink": {
        "interface": "eth0",
        "address": Offer("192.168.1.252/24"),
        "gateway": Offer("192.168.1.254"),
        "dns": Offer(["1.1.1.1", "8.8.8.8"]),
    },
    "tunnel": {
        "server": "<Server IPv4 Address>",
        "address": "<Client IPv6 Address>",
        "routed": "<Routed /64>",
        "mtu": Offer("1480"),
        "broker": Offer({**ACCOUNT, "tunnel": "<Tunnel ID>"}),
    },
    "lan": {
        "interface": "eth0",
        "dhcp4": Offer({"range": "192.168.1.10-192.168.1.210"}),
    },
    "firewall": Offer({"allow_in": [{"to": "2001:db8:123d:abc::2", "tcp": ["80", "443"], "udp": ["443"]}]}),
}
GADGET: Mapping[str, Any] = {
    "profile": "gadget",
    "hostname": "pigadget",
    "ssh": {"authorized_keys": [KEY]},
    "uplink": {
        "interface": "wlan0",
        "wifi": {
            "ssid": "<the network's name>",
            "passphrase": "<the network's passphrase>",
            "country": "<two letters, such as NO>",
        },
    },
    "gadget": {"network": "auto", "share": "route", "functions": ["ecm", "rndis"]},
}
TABLES = {Profile.GATEWAY: GATEWAY, Profile.GADGET: GADGET}
ABOUT = {
    Profile.GATEWAY: "IPv6 gateway: a Pi on the LAN, with a 6in4 tunnel of a tunnel broker.",
    Profile.GADGET: "USB gadget router: plug the Pi into a laptop, it is a network adapter.",
}
HEADER = """\
# yaml-language-server: $schema=appliance.schema.json
# {about}
# Fill in what stands in <angle brackets>. To use a line that begins with #, take its # away.
# `appliance check` says what is wrong or missing, and on which line.
"""


def starting_config(profile: Profile, known: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the text of a file to start from; `known` replaces settings of its sections."""
    table = dict(TABLES[profile])
    for section, settings in known.items():
        table[section] = {**table[section], **settings}
    return HEADER.format(about=ABOUT[profile]) + "".join(f"{line}\n" for line in _lines(Appliance, table))


def _lines(model: type, content: Mapping[str, Any], indent: str = "", offered: bool = False) -> Iterator[str]:
    for setting in settings_of(model):
        value = content.get(setting.name, _default(setting, top=model is Appliance))
        if value is None:
            continue
        if model is Appliance and isinstance(setting.shape, Section | Sections):
            yield ""
        inside, here = (value.content, True) if isinstance(value, Offer) else (value, offered)
        # The # stands where the outermost offered setting begins, so that what is under it keeps its shape.
        prefix = f"{indent}#" if here and not offered else indent
        yield from _setting(setting, inside, prefix, here)


def _setting(setting: Setting, value: Any, prefix: str, offered: bool) -> Iterator[str]:
    shape = setting.shape
    if isinstance(shape, Value):
        yield _commented(f"{prefix}{setting.name}: {value}", _meaning(shape))
    elif isinstance(shape, Values) and not any(" " in item for item in value):
        yield _commented(f"{prefix}{setting.name}: [{', '.join(value)}]", _meaning(shape))
    else:
        yield _commented(f"{prefix}{setting.name}:", shape.doc)
        if isinstance(shape, Values):
            yield from (f"{prefix}  - {item}" for item in value)
        elif isinstance(shape, Section):
            yield from _lines(shape.type, value, f"{prefix}  ", offered)
        elif isinstance(shape, Sections):
            for item in value:
                first, *rest = _lines(shape.type, item, f"{prefix}    ", offered)
                yield first.replace(f"{prefix}    ", f"{prefix}  - ", 1)
                yield from rest


def _meaning(shape: Value | Values) -> str:
    """Give the sentence beside a setting; where it is one of a few, all of them."""
    choices = shape.scalar.schema.get("enum", ())
    return f"{shape.doc}: {shape.scalar.allowed}" if 1 < len(choices) < 10 else shape.doc


def _default(setting: Setting, *, top: bool) -> Offer | None:
    """Offer a setting at its default, where it has one that says something."""
    if top or not isinstance(setting.shape, Value) or setting.required or setting.default is None:
        return None
    return Offer(setting.shape.scalar.show(setting.default))


def _commented(text: str, doc: str) -> str:
    return f"{text:<{COMMENT_COLUMN}}  # {doc}"
