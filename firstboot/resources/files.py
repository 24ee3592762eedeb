"""Files that the daemon renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from appliance.model import Appliance
from firstboot.actions import Action, RemoveFile, WriteFile
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered import dhcpcd, dnsmasq, gadget, ipv4_only, networkmanager, resolver, ssh, ufw
from firstboot.rendered.file import File

RENDERED: tuple[ModuleType, ...] = (dhcpcd, dnsmasq, gadget, ipv4_only, networkmanager, resolver, ssh, ufw)
"""Every program that reads a file of ours."""
OWNED: tuple[Path, ...] = tuple(pattern for module in RENDERED for pattern in module.OWNED)
"""Patterns of the files that nobody but the daemon writes."""


class Files(Kind[File]):
    """Files. Owned are the paths that only the daemon writes; the others stay when not wanted any more."""

    name = "files"
    title = "files of settings"
    setting = "profile"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[File]:
        """All files of all programs."""
        return tuple(file for module in RENDERED for file in module.files(appliance, facts))

    def observe(self, machine: Machine, wanted: Sequence[File]) -> Sequence[File]:
        """The wanted files, and those that the daemon wrote before; one that may stay as it is may be missing."""
        paths = {file.path for file in wanted}.union(*(machine.glob(pattern) for pattern in OWNED))
        states = {path: machine.read(path) for path in sorted(paths)}
        found = [File(path, state.content, state.mode) for path, state in states.items() if state is not None]
        return [*found, *(file for file in wanted if file.content is None and states[file.path] is None)]

    def actions(self, change: Change[File]) -> Sequence[Action]:
        """Write or remove."""
        want = change.want
        if want is not None and want.content is not None and want.mode is not None:
            return [WriteFile(want.path, want.content, want.mode)]
        return [RemoveFile(change.have.path)] if want is None and change.have is not None else []
