"""The families of error, named by who must act.

`InputError`: the user, who finds in it what is wrong and what to do (exit code 2).
`TemporaryError`: nobody; it is tried again with backoff.
`PermanentError`: a bug or broken hardware; trying again would not help (exit code 1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES = re.compile(r"[\w.-]+(, [\w.-]+)+")


class ApplianceError(Exception):
    """Base of every error that is reported to a person: one message and one hint, never a traceback.

    `setting`: the one of appliance.yaml that it is about, where whoever reports it knows only the section. `grounds`:
    what it is known from, where the message does not say that.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", setting: str = "", grounds: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.setting = setting
        self.grounds = grounds

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class InputError(ApplianceError):
    """Something that the user gave is wrong: a file, an option, an image, a missing program."""

    exit_code = 2


class TemporaryError(ApplianceError):
    """It may work later, without anybody doing anything."""


class PermanentError(ApplianceError):
    """It will not work later either."""


@dataclass(frozen=True, order=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in a configuration: where, what, and what would be right."""

    mark: Mark
    message: str
    allowed: str = ""

    @property
    def hint(self) -> str:
        """What would be right; of a bare list of names, that this is one."""
        return f"allowed: {self.allowed}" if _NAMES.fullmatch(self.allowed) else self.allowed

    def __str__(self) -> str:
        return f"{self.mark}: {self.message}" + (f" ({self.allowed})" if self.allowed else "")


class ConfigError(InputError):
    """All mistakes of one configuration file, in the order of their lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))
