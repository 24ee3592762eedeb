"""To be run by the Python of a Debian that has the package: the daemon without a bus, until it is told to stop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, "/usr/lib/appliance")

from firstboot.daemon import Daemon


async def _serve() -> None:
    daemon = Daemon(Path("/etc/appliance"), custom=True)
    asyncio.get_running_loop().add_reader(sys.stdin, daemon.stop)
    await daemon.serve()


asyncio.run(_serve())
