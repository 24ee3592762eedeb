"""The service that shows the status page, and the configuration that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import ApplianceError, TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action, RemoveFile, RestartUnit, StopUnit, WriteFile
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered import lighttpd
from firstboot.rendered.file import File
from firstboot.resources.units import Unit, is_current

LIGHTTPD = "appliance-lighttpd.service"


class StatusPage(Kind[File | Unit]):
    """It runs while there is an address inside to listen on. What it shows is written by `firstboot.page`."""

    name = "status-page"
    title = "the status page"
    needs = ("firewall",)
    setting = "status_page"
    takes_leave = True
    writes_first = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[File | Unit]:
        """The file, and a process that has read it; or neither."""
        files = lighttpd.files(appliance, facts)
        reads = tuple(file.content for file in files)
        return (*files, Unit(LIGHTTPD, bool(files), True if files else None, reads))

    def observe(self, machine: Machine, wanted: Sequence[File | Unit]) -> Sequence[File | Unit]:
        """Both as they are."""
        state = machine.read(lighttpd.CONFIG)
        files = [File(lighttpd.CONFIG, state.content, state.mode)] if state is not None else []
        current = is_current(machine, lighttpd.CONFIG, lighttpd.LOADED)
        return [*files, Unit(LIGHTTPD, machine.unit_is_active(LIGHTTPD), current)]

    def actions(self, change: Change[File | Unit]) -> Sequence[Action]:
        """Write or remove the file; start, restart or stop the service."""
        want, have = change.want, change.have
        if isinstance(want, Unit):
            return [RestartUnit(want.name) if want.active else StopUnit(want.name)]
        if isinstance(want, File) and want.content is not None and want.mode is not None:
            return [WriteFile(want.path, want.content, want.mode)]
        return [RemoveFile(have.path)] if isinstance(have, File) else []

    def explain(self, change: Change[File | Unit]) -> ApplianceError | None:
        """It starts, and ends again."""
        if not isinstance(change.want, Unit) or not change.want.active:
            return None
        return TemporaryError(
            f"{LIGHTTPD} does not stay up",
            hint=f"is another program at port 80? `journalctl -u {LIGHTTPD}` says; without a page: status_page: false",
        )

    def footing(self, spec: File | Unit, facts: Facts) -> object:
        """What the service reads: whoever writes that anew, as we do, has it restarted."""
        return spec.reads if isinstance(spec, Unit) else None
