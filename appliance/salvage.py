"""What of a broken `appliance.yaml` lets its owner in: the ssh keys, the host name, and the way to the Pi.

On a first boot there is no last good configuration to run, and without a key nobody could log in to see
what is wrong. Only what stands under `authorized_keys` counts, and never a comment. A Pi Zero has no wire:
then the way is the USB cable, or the wireless network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from appliance import checks, names, source
from appliance.decoding import SIZE_MAX_BYTES, decoded
from appliance.errors import ConfigError
from appliance.model import Appliance, Profile, Uplink
from appliance.parse import parse_section
from appliance.public_key import FIELDS, ssh_public_key
from appliance.source import ListNode, MapNode, Node, TextNode

HEADING = re.compile(r"""\s*(?:["']?ssh["']?\s*:\s*\{\s*)?["']?authorized_keys["']?\s*:(?P<rest>.*)""")
HOSTNAME = re.compile(r"""["']?hostname["']?\s*:\s*["']?(?P<name>[A-Za-z0-9-]+)["']?\s*(#.*)?""")
PROFILE = re.compile(r"""["']?profile["']?\s*:\s*["']?(?P<name>[A-Za-z0-9-]+)["']?\s*(#.*)?""")
GADGET = re.compile(r"""["']?gadget["']?\s*:.*""")
BLANKS = "\t\u00a0 \r"
AROUND = "-[]{}, \t\u00a0\"'\u2018\u2019\u201c\u201d"  # what may stand around a key in a list


@dataclass(frozen=True)
class Salvaged:
    """What could be read; the host name is None where it could not.

    `gadget`: whether it is meant to be one; None where the file does not say. `uplink` is a wireless one, if its
    section is right by itself.
    """

    hostname: str | None
    authorized_keys: tuple[str, ...]
    gadget: bool | None = None
    uplink: Uplink | None = None


def salvage(data: bytes, file: str) -> Salvaged:
    """Read what can be read of a file's content, whatever is wrong with the rest. Never fails."""
    try:
        root = source.read(data, file).root
    except ConfigError:
        lines = decoded(data[:SIZE_MAX_BYTES]).split("\n")
        gadget = _is_gadget(_named(PROFILE, lines), any(GADGET.fullmatch(line.strip(BLANKS)) for line in lines))
        return Salvaged(_hostname(_named(HOSTNAME, lines)), _distinct(_listed(lines)), gadget)
    ssh = _child(root, "ssh")
    keys = _child(ssh, "authorized_keys") if isinstance(ssh, MapNode) else None
    texts = keys.items if isinstance(keys, ListNode) else (keys,)
    found = _distinct(node.text for node in texts if isinstance(node, TextNode))
    gadget = _is_gadget(_text(root, "profile"), _child(root, "gadget") is not None)
    return Salvaged(_hostname(_text(root, "hostname")), found, gadget, _wireless(data, file))


def _is_gadget(profile: str, has_section: bool) -> bool | None:
    """The section says it as well, where the profile is misspelt or missing; None where they contradict each other."""
    is_profile = profile == Profile.GADGET if profile in tuple(Profile) else None
    return (None if is_profile is False else True) if has_section else is_profile


def _wireless(data: bytes, file: str) -> Uplink | None:
    uplink = parse_section(Uplink, "uplink", data, file)
    if uplink is None or uplink.wifi is None:
        return None
    findings = checks.findings(Appliance(profile=Profile.GADGET, uplink=uplink), ())
    wrong = any(finding.path.startswith("uplink") and not finding.warning for finding in findings)
    return None if wrong else uplink


def _child(section: MapNode, name: str) -> Node | None:
    return next((entry.node for entry in section.entries if entry.name == name), None)


def _text(section: MapNode, name: str) -> str:
    node = _child(section, name)
    return node.text if isinstance(node, TextNode) else ""


def _hostname(text: str) -> str | None:
    with suppress(ValueError):
        return names.hostname(text)
    return None


def _distinct(texts: Iterator[str]) -> tuple[str, ...]:
    keys: dict[str, None] = {}
    for text in texts:
        with suppress(ValueError):
            keys[ssh_public_key(text)] = None
    return tuple(keys)


def _named(setting: re.Pattern[str], lines: list[str]) -> str:
    return next((found["name"] for line in lines if (found := setting.fullmatch(line.strip(BLANKS)))), "")


def _listed(lines: list[str]) -> Iterator[str]:
    """Give what looks like a key in the lines after a heading, up to the first that is anything else."""
    inside = False
    for line in lines:
        code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0]
        heading = HEADING.fullmatch(code)
        if heading:
            inside, code = True, heading["rest"]
        if not inside or not code.strip():
            continue
        texts = [text.strip(AROUND) for text in code.split(",")]
        yield from (text for text in texts if text.startswith(tuple(FIELDS)))
        item = code.lstrip().startswith(("-", "[", "]", ",")) or any(text.startswith(tuple(FIELDS)) for text in texts)
        inside = item or heading is not None
