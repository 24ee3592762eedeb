"""What ufw's own settings must say, so that it shuts the machine at the next boot as well: before the daemon runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.model import Appliance
from firstboot.actions import Action, WriteFile
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.paths import ETC
from firstboot.plan import Change

WANTED = {
    ETC / "ufw" / "ufw.conf": {"ENABLED": "yes"},
    ETC / "default" / "ufw": {
        "IPV6": "yes",
        "DEFAULT_INPUT_POLICY": '"DROP"',
        "DEFAULT_FORWARD_POLICY": '"DROP"',
        "DEFAULT_OUTPUT_POLICY": '"ACCEPT"',
    },
}
"""By file; whatever else is in one is the user's."""


@dataclass(frozen=True)
class Settings:
    """Those of one file that matter, as (name, value); a value is as the shell has it, "" where it is not set."""

    path: Path
    values: tuple[tuple[str, str], ...]
    content: str | None = field(default=None, compare=False, repr=False)
    """All of the file, as it was found."""

    @property
    def key(self) -> str:
        """The file."""
        return str(self.path)


class UfwSettings(Kind[Settings]):
    """`ufw disable` and `ufw default allow` are undone, at the next boot too."""

    name = "ufw"
    title = "ufw's own settings"
    setting = "firewall"
    gives_way = False

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Settings]:
        """Enabled, for both families, and closed."""
        return tuple(Settings(path, tuple(values.items())) for path, values in WANTED.items())

    def observe(self, machine: Machine, wanted: Sequence[Settings]) -> Sequence[Settings]:
        """What the files say; of a setting that is there twice the last one counts."""
        found = []
        for want in wanted:
            if (state := machine.read(want.path)) is not None:
                content = state.content.decode(errors="surrogateescape")
                values = tuple((name, _as_wanted(_value(content, name), value)) for name, value in want.values)
                found.append(Settings(want.path, values, content))
        return found

    def actions(self, change: Change[Settings]) -> Sequence[Action]:
        """Put right those lines alone."""
        want, have = change.want, change.have
        if want is None:
            return []
        before = dict(have.values) if have is not None else {}
        wrong = {name: value for name, value in want.values if before.get(name) != value}
        content = have.content or "" if have is not None else ""
        for name, value in wrong.items():
            content = _with(content, name, value)
        drift = ", ".join(f"{name} was {before[name]}" for name in wrong if before.get(name))
        mode = None if have is not None else 0o644
        return [WriteFile(want.path, content.encode(errors="surrogateescape"), mode, drift)]


def _value(content: str, name: str) -> str:
    found = re.findall(rf"^{name}=(.*)$", content, re.MULTILINE)
    return found[-1].strip() if found else ""


def _as_wanted(value: str, wanted: str) -> str:
    """The same value in other quotes is the same."""
    return wanted if value.strip("\"'").lower() == wanted.strip("\"'").lower() else value


def _with(content: str, name: str, value: str) -> str:
    rest = [line for line in content.splitlines() if not line.startswith(f"{name}=")]
    at = next((at for at, line in enumerate(content.splitlines()) if line.startswith(f"{name}=")), len(rest))
    return "\n".join([*rest[:at], f"{name}={value}", *rest[at:]]) + "\n"
