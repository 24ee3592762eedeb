"""What a configuration means on a machine that was not made from an image: its profiles come from packages. Pure, but
for looking which of these are there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appliance.checks import NOBODY_CAN_LOG_IN
from appliance.errors import ConfigError, Problem
from appliance.model import Profile, Ssh
from appliance.parse import Parsed


def admitted(parsed: Parsed, profiles: Path) -> Parsed:
    """The same, as it is done there: who may log in is the machine's own affair.

    `profiles`: a folder with a file for each profile that a package makes possible. Raises `ConfigError` for another.
    """
    profile, marks = parsed.appliance.profile, parsed.marks
    if profile is Profile.CUSTOM:
        return parsed
    if not (profiles / profile).exists():
        message = f"profile {profile} needs the package appliance-{profile}"
        raise ConfigError([Problem(marks["profile"], message, f"`sudo apt install ./appliance-{profile}_*.deb`")])
    warnings = [warning for warning in parsed.warnings if warning.message != NOBODY_CAN_LOG_IN]
    if "ssh" in marks:
        message = "ssh does nothing on this machine, which was not made from an image: it keeps its own"
        warnings.append(Problem(marks["ssh"], message, "leave it out"))
    return replace(parsed, appliance=replace(parsed.appliance, ssh=Ssh()), warnings=tuple(sorted(warnings)))
