"""ufw's framework files: the policy, in both families, around the user's own `ufw allow` rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from appliance.model import Appliance
from firstboot.cable import foreseen
from firstboot.facts import Facts
from firstboot.forwarding import paths
from firstboot.paths import ETC
from firstboot.policy.policy import policy_of
from firstboot.policy.rules import FAMILIES, Policy
from firstboot.policy.text import UFW, tables
from firstboot.render import render
from firstboot.rendered.file import File, kept, text
from firstboot.topology import awaits_lease

FOLDER = ETC / "ufw"
OWNED: tuple[Path, ...] = ()
_VERSION_DIGITS = 12


@dataclass(frozen=True)
class Rules:
    """One family's rules: the text that iptables-restore reads, and its version, which stands in a rule's comment."""

    family: int
    text: str
    version: str


def files(appliance: Appliance, facts: Facts) -> Sequence[File]:
    """The rules of both families, and the kernel settings, that ufw applies whenever it starts; and what it runs then.

    At boot nobody knows yet whether the laptop shares its Internet: the Pi serves it until then.
    """
    facts = foreseen(appliance, replace(facts, neighbours={}))
    settings = render(
        "ufw-sysctl.conf.j2",
        forward_ipv4=bool(paths(appliance, facts, 4)),
        forward_ipv6=bool(paths(appliance, facts, 6)),
    )
    others = (text(FOLDER / "sysctl.conf", settings), after_init())
    if awaits_lease(appliance, facts):
        return (*(kept(path_of(family)) for family in FAMILIES), *others)
    policy = policy_of(appliance, facts)
    rules = [text(path_of(family), rules_of(policy, family).text, 0o640) for family in FAMILIES]
    return (*rules, *others)


def after_init() -> File:
    """What ufw runs whenever it starts or stops."""
    return text(FOLDER / "after.init", render("ufw-after.init.j2"), 0o750)


def path_of(family: int) -> Path:
    """The file that ufw loads before the user's rules."""
    return FOLDER / ("before.rules" if family == 4 else "before6.rules")


def other_paths(family: int) -> Sequence[Path]:
    """The files that ufw loads after ours: its own, and what the user has made with `ufw allow`."""
    end = "" if family == 4 else "6"
    return (FOLDER / f"after{end}.rules", FOLDER / f"user{end}.rules")


@lru_cache(maxsize=4 * len(FAMILIES))
def rules_of(policy: Policy, family: int) -> Rules:
    """One family's rules. The version is a digest of all the rest. Kept, as the same are asked for in each pass."""

    def rendered(version: str) -> str:
        return render(
            "ufw-before.rules.j2",
            version=version,
            ufw=UFW[family],
            tables=tables(policy, family),
            mss=policy.mss if family == 6 else None,
            clamped=policy.zones.outside[family] if policy.zones.ways[family] else (),
        )

    version = sha256(rendered("").encode()).hexdigest()[:_VERSION_DIGITS]
    return Rules(family, rendered(version), version)
