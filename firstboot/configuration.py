"""Which configuration is in force: the one on the card, else the last good one, else a rescue.

A broken `appliance.yaml` never takes anything away: what worked goes on. On a first boot there is
nothing that worked; then the Pi takes an address by DHCP, or is there on its cable, and lets in the ssh keys that
could be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError, ConfigError, InputError, Mark, Problem
from appliance.model import Appliance, Gadget, Profile, Ssh, Uplink
from appliance.parse import parse_text
from appliance.salvage import salvage
from firstboot import files
from firstboot.facts import Facts, Link
from firstboot.paths import CONFIG_NAME, GADGET_UNIT
from firstboot.readings import Readings
from firstboot.rendered.ssh import AUTHORIZED_KEYS
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
    """Reads the card's `appliance.yaml` again only when its content has changed.

    `installed_keys`: the file of the ssh keys that are in force. `gadget_unit`: a file that an image has that was made
    for a gadget.
    """

    def __init__(
        self, fat: Path, last_good: Path, installed_keys: Path = AUTHORIZED_KEYS, gadget_unit: Path = GADGET_UNIT
    ) -> None:
        self.file, self._last_good = fat / CONFIG_NAME, last_good
        self._installed_keys, self._gadget_unit = installed_keys, gadget_unit
        self._readings = Readings()
        self._data: bytes | None = None
        self._current: Configuration | None = None

    def current(self, facts: Facts) -> Configuration:
        """The configuration in force now."""
        data, trouble = self._readings.take(self.file, self._look, self.file)
        if (
            self._current is None
            or (data, trouble) != (self._data, self._current.trouble)
            or _stale(self._current, facts)
        ):
            found = self._read(data, trouble, facts)
            self._current = found if found != self._current else self._current
            self._data = data
        return self._current

    def is_as_read(self) -> bool:
        """Whether the card's file is as it was last found."""
        return self._readings.hold()

    def _look(self) -> tuple[bytes, str]:
        """What the file says, or why that cannot be told."""
        try:
            return _content(self.file), ""
        except ApplianceError as error:
            return b"", error.message

    def remember(self) -> None:
        """The configuration in force turned out to be usable: keep it for the day when the card's is broken."""
        if self._current is None or self._current.source is not Source.FILE or self._data is None:
            return
        kept = files.read(self._last_good)
        if kept is None or kept.content != self._data:
            files.replace(self._last_good, self._data, 0o600)

    def _read(self, data: bytes, trouble: str, facts: Facts) -> Configuration:
        if trouble:
            return self._instead(data, facts, (), trouble)
        try:
            parsed = parse_text(data, CONFIG_NAME)
        except ConfigError as error:
            return self._instead(data, facts, error.problems, "")
        return Configuration(parsed.appliance, Source.FILE, parsed.marks, warnings=parsed.warnings)

    def _instead(self, data: bytes, facts: Facts, problems: tuple[Problem, ...], trouble: str) -> Configuration:
        """What was in force until now, in this run or the last one; else a rescue."""
        if self._current is not None and self._current.source is not Source.RESCUE:
            good, marks = self._current.appliance, self._current.marks
        else:
            try:
                parsed = parse_text(_content(self._last_good), str(self._last_good))
            except ApplianceError:
                saved = rescue(data, facts.links, self._keys(), made_for_gadget=self._gadget_unit.exists())
                return Configuration(saved, Source.RESCUE, {}, problems, (), trouble)
            good, marks = parsed.appliance, parsed.marks
        return Configuration(good, Source.LAST_GOOD, marks, problems, (), trouble)

    def _keys(self) -> tuple[str, ...]:
        try:
            installed = files.read(self._installed_keys)
        except ApplianceError:
            return ()
        return tuple(installed.content.decode(errors="replace").splitlines()) if installed is not None else ()


def _stale(configuration: Configuration, facts: Facts) -> bool:
    """A rescue by an interface that is not there (any more)."""
    uplink = configuration.appliance.uplink
    return configuration.source is Source.RESCUE and uplink is not None and uplink.interface not in facts.links


def rescue(
    data: bytes, links: Mapping[str, Link], installed_keys: tuple[str, ...], *, made_for_gadget: bool
) -> Appliance:
    """A way in for whoever has the ssh keys that can be read from a broken file, or else those of before.

    It is the network of the wire, by DHCP, or the wireless one that the file names; a gadget's is the cable. Where the
    file does not say whether it is one, the image does: a Pi Zero has no wire.
    """
    saved = salvage(data, CONFIG_NAME)
    is_gadget = made_for_gadget if saved.gadget is None else saved.gadget
    uplink = saved.uplink if saved.uplink is not None and saved.uplink.interface in links else _wired(links)
    return Appliance(
        profile=Profile.GADGET if is_gadget else Profile.GATEWAY,
        hostname=saved.hostname or "appliance",
        ssh=Ssh(authorized_keys=saved.authorized_keys or installed_keys),
        uplink=uplink,
        gadget=Gadget() if is_gadget else None,
    )


def _wired(links: Mapping[str, Link]) -> Uplink:
    wired = sorted(name for name, link in links.items() if not link.kind and name.startswith("e"))
    return Uplink(interface=wired[0] if wired else FIRST_WIRED)


def _content(path: Path) -> bytes:
    file = files.read(path)
    if file is None:
        raise InputError(
            f"there is no {path.name} on the card", hint="`appliance init gateway` writes one to start from"
        )
    return file.content
