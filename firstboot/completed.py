"""The configuration in force, with what the broker has said of its tunnel filled in. Pure."""

from __future__ import annotations

from dataclasses import replace

from appliance.completion import completion
from appliance.he import BrokerTunnel
from appliance.parse import problem_of
from firstboot.configuration import Configuration
from firstboot.status import Source


def completed(configuration: Configuration, *said: BrokerTunnel | None) -> Configuration:
    """The same with whole tunnels, as far as `said` of each (None: nothing yet) makes it one.

    What is to be known of it becomes a warning about the file, where that is what is in force.
    """
    found = completion(configuration.appliance, *said)
    is_files = configuration.source is Source.FILE
    more = {problem_of(finding, configuration.marks) for finding in found.warnings} if is_files else set()
    warnings = tuple(sorted({*configuration.warnings, *more}))
    return replace(configuration, appliance=found.appliance, warnings=warnings)


class Completions:
    """The last one, made anew only where it would be another: with another configuration all kinds start afresh."""

    def __init__(self) -> None:
        self._read: Configuration | None = None
        self._said: tuple[BrokerTunnel | None, ...] = ()
        self._made: Configuration | None = None

    def current(self, read: Configuration, *said: BrokerTunnel | None) -> Configuration:
        """The configuration that was read, completed."""
        if self._made is None or read is not self._read:
            self._made = completed(read, *said)
        elif said != self._said:
            before, found = self._made.appliance, completed(read, *said)
            self._made = replace(found, appliance=before) if found.appliance == before else found
        self._read, self._said = read, said
        return self._made
