"""`python -m tests.netns.alone FOLDER`: the daemon as a process, without a bus, for FOLDER/appliance.yaml.

It prints a line after its first pass, and another one after each that it makes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from firstboot.daemon import Daemon
from firstboot.host import Host
from firstboot.passes import Passed
from firstboot.sources import Source


class TellingDaemon(Daemon):
    """Says when a pass has ended."""

    def _pass(self, host: Host, changed: Source) -> Passed:
        passed = super()._pass(host, changed)
        print("passed", flush=True)
        return passed


async def _serve(folder: Path) -> None:
    await TellingDaemon(folder).serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_serve(Path(sys.argv[1])))
