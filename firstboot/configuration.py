"""Which configuration is in force: the one on the card, else the last good one, else a rescue.

A broken `appliance.yaml` never takes anything away: what worked goes on. On a first boot there is
nothing that worked; then the Pi takes an address by DHCP and lets in the ssh keys that could be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError, ConfigError, InputError, Mark, Problem
from appliance.model import Appliance, Profile, Ssh, Uplink
from appliance.parse import Parsed, parse_text
from appliance.salvage import salvage
from firstboot import files
from firstboot.facts import Facts, Link
from firstboot.paths import CONFIG_NAME
from firstboot.status import Source

FIRST_WIRED = "eth0"


@dataclass(frozen=True)
class Configuration:
    """The configuration in force, and what is wrong with the one on the card."""

    appliance: Appliance
    source: Source
    marks: Mapping[str, Mark]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    trouble: str = ""


class Configurations:
    """Reads the card's `appliance.yaml` again only when its content has changed."""

    def __init__(self, fat: Path, last_good: Path) -> None:
        self._file = fat / CONFIG_NAME
        self._last_good = last_good
        self._data: bytes | None = None
        self._current: Configuration | None = None

    def current(self, facts: Facts) -> Configuration:
        """The configuration in force now."""
        try:
            data = _content(self._file)
        except ApplianceError as error:
            return self._instead(b"", facts, trouble=error.message)
        if self._current is None or data != self._data:
            self._data = data
            self._current = self._read(data, facts)
        return self._current

    def remember(self) -> None:
        """The configuration in force turned out to work: keep it for the day when the card's is broken."""
        if self._current is None or self._current.source is not Source.FILE or self._data is None:
            return
        kept = files.read(self._last_good)
        if kept is None or kept.content != self._data:
            files.replace(self._last_good, self._data, 0o600)

    def _read(self, data: bytes, facts: Facts) -> Configuration:
        try:
            parsed = parse_text(data, CONFIG_NAME)
        except ConfigError as error:
            return self._instead(data, facts, problems=error.problems)
        return _configuration(parsed, Source.FILE)

    def _instead(
        self, data: bytes, facts: Facts, *, problems: tuple[Problem, ...] = (), trouble: str = ""
    ) -> Configuration:
        try:
            parsed = parse_text(_content(self._last_good), str(self._last_good))
        except ApplianceError:
            return Configuration(rescue(data, facts.links), Source.RESCUE, {}, problems, (), trouble)
        good = _configuration(parsed, Source.LAST_GOOD)
        return Configuration(good.appliance, good.source, good.marks, problems, (), trouble)


def rescue(data: bytes, links: Mapping[str, Link]) -> Appliance:
    """DHCP on the wire, and ssh for the keys that can be read from a broken file."""
    saved = salvage(data, CONFIG_NAME)
    wired = sorted(name for name, link in links.items() if not link.kind and name.startswith("e"))
    return Appliance(
        profile=Profile.CUSTOM,
        hostname=saved.hostname or "appliance",
        ssh=Ssh(authorized_keys=saved.authorized_keys),
        uplink=Uplink(interface=wired[0] if wired else FIRST_WIRED),
    )


def _configuration(parsed: Parsed, source: Source) -> Configuration:
    return Configuration(parsed.appliance, source, parsed.marks, warnings=parsed.warnings)


def _content(path: Path) -> bytes:
    file = files.read(path)
    if file is None:
        raise InputError(f"there is no {path.name} on the card", hint="appliance init writes one to start from")
    return file.content
