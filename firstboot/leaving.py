"""A profile's package goes, and the daemon has ended: the machine is given back while the files are there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from appliance.errors import TemporaryError
from appliance.model import Appliance, Profile
from firstboot.bus import Bus
from firstboot.former_files import FormerFiles, put_back
from firstboot.host import Host
from firstboot.kinds import KINDS
from firstboot.netlink import Netlink
from firstboot.paths import FORMER_FILES
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.resources.files import OWNED

SYSTEMD = Path("/run/systemd/system")
PASSES = 3
"""What one leaves because of what is done later in it, the next one finds."""


def main() -> None:
    """Give back what a profile took over, if one did; what cannot be given back is told, and keeps no package."""
    former = FormerFiles(FORMER_FILES)
    if not former.all():
        return
    if not SYSTEMD.is_dir():
        _files_alone(former)
        return
    for outcome in asyncio.run(_given_back()):
        if outcome.state is not State.OK:
            sys.stderr.write(f"{outcome.kind}: {outcome.error}\n")


def _files_alone(former: FormerFiles) -> None:
    """In a root that is not booted: the kernel's network is another machine's."""
    for path in (path for pattern in OWNED for path in pattern.parent.glob(pattern.name)):
        path.unlink()
    for each in former.all():
        put_back(each)
    former.forget()


async def _given_back() -> Sequence[Outcome]:
    loop = asyncio.get_running_loop()
    bus = Bus(loop)
    try:
        await bus.connect()
    except TemporaryError as error:  # what needs no bus is given back all the same
        sys.stderr.write(f"{error}\n")
    with ThreadPoolExecutor(max_workers=1) as worker:
        return await loop.run_in_executor(worker, partial(_passes, bus))


def _passes(bus: Bus) -> Sequence[Outcome]:
    """As the daemon does where nothing is wanted."""
    host, nothing = Host(Netlink(), bus, former_files=FORMER_FILES), Appliance(profile=Profile.CUSTOM)
    reconciler, outcomes = Reconciler(KINDS), tuple[Outcome, ...]()
    for _ in range(PASSES):
        outcomes = reconciler.reconcile(nothing, host)
        if not host.facts().former_files:
            break
    return outcomes
