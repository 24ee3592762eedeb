"""The Pi's LED tells whoever has nothing else to look at how things are.

The kernel makes it blink (its trigger `timer`): nothing runs here for that, and only what is to be told anew is
written. What it showed before is remembered in /run, with its folder: whatever ends the daemon, its unit gives it back.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import LedUse, Profile
from firstboot import files
from firstboot.status import Overall, Status

NAMES = ("ACT", "led0")
"""What kernels call it, the newer ones first."""

log = logging.getLogger("appliance")


@dataclass(frozen=True)
class Pattern:
    """For how long it is lit and dark by turns, in milliseconds; where one is 0, it stays as the other says."""

    on_ms: int
    off_ms: int


STEADY, DARK = Pattern(1000, 0), Pattern(0, 1000)
SLOW, FAST, FLASHES = Pattern(1000, 1000), Pattern(100, 100), Pattern(100, 1900)


def pattern(told: Status) -> Pattern | None:
    """What tells this; None: the LED is the system's. A person's own mistake comes first, then the way out."""
    if told.appliance.led is LedUse.SYSTEM or told.appliance.profile is Profile.CUSTOM:
        return None
    if told.appliance.led is LedUse.OFF:
        return DARK
    if told.overall is Overall.CONFIG_ERROR:
        return FAST
    if told.is_cut_off:
        return SLOW
    return STEADY if told.overall is Overall.READY else FLASHES


class Led:
    """The LED, in the folder of all of them; a machine without one shows nothing.

    `former`: where its trigger from before is remembered, a line: the trigger, the LED's folder.
    """

    def __init__(self, leds: Path, former: Path, write: Callable[[Path, str], object] = Path.write_text) -> None:
        self._leds, self._former, self._write = leds, former, write
        self._shown: Pattern | None = None
        self._failed = False

    def show(self, wanted: Pattern | None) -> None:
        """Show a pattern, if it is another one; None: give the LED back. What fails is tried again the next time."""
        led = next((self._leds / name for name in NAMES if (self._leds / name / "trigger").exists()), None)
        is_shown = wanted == self._shown if wanted is not None else not self._former.exists()
        if is_shown or led is None:
            return
        try:
            if wanted is None:
                self._give_back()
            else:
                self._take(led, wanted)
        except (OSError, ApplianceError) as error:
            if not self._failed:
                log.warning("the LED %s cannot tell how things are: %s", led.name, error)
            self._failed = True
        else:
            self._shown, self._failed = wanted, False

    def _take(self, led: Path, wanted: Pattern) -> None:
        if not self._former.exists():
            files.replace(self._former, f"{_trigger(led)} {led}\n".encode())
        if wanted.on_ms and wanted.off_ms:
            self._set(led / "trigger", "timer")  # which makes the files of the times
            self._set(led / "delay_on", str(wanted.on_ms))
            self._set(led / "delay_off", str(wanted.off_ms))
        else:
            self._set(led / "trigger", "none")
            self._set(led / "brightness", (led / "max_brightness").read_text(encoding="ascii") if wanted.on_ms else "0")

    def _give_back(self) -> None:
        trigger, _, led = self._former.read_text(encoding="utf-8").strip().partition(" ")
        self._set(Path(led, "trigger"), trigger)
        self._former.unlink()

    def _set(self, path: Path, value: str) -> None:
        try:
            self._write(path, value)
        except OSError as error:
            raise TemporaryError(f"{path.name} cannot be {value.strip()}: {error.strerror}") from error


def _trigger(led: Path) -> str:
    """The one in force, which stands in brackets among all that there are."""
    found = re.search(r"\[(\S+)\]", (led / "trigger").read_text(encoding="ascii"))
    return found[1] if found else "none"
