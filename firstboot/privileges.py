"""What the kernel must let the daemon do. Where it does not, starting again is of no use, and a person hears why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EAFNOSUPPORT, EPERM, EPROTONOSUPPORT
from pathlib import Path

from appliance.errors import PermanentError, TemporaryError

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13}
"""linux/capability.h. Without the second nobody seems to answer: the tunnel's other end, the uplink's router."""

_REFUSED = (EPERM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT)
_HINT = (
    "only root has it, and appliance.service grants it: does `systemctl cat appliance` show something that takes it "
    "away, or is this a container without it?"
)


class NotAllowedError(PermanentError):
    """The daemon may not do its work. appliance.service knows the exit code (EX_NOPERM, sysexits(3)): no restart."""

    exit_code = 77


def require(*, custom: bool, process: Path = Path("/proc/self/status")) -> None:
    """Raise `NotAllowedError` where this process lacks what it needs; a `custom` machine asks nobody anything."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", process.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    effective = int(found[1], 16) if found else -1
    needed = ["CAP_NET_ADMIN"] if custom else list(CAPABILITIES)
    if missing := [name for name in needed if not effective & 1 << CAPABILITIES[name]]:
        raise NotAllowedError(f"the daemon may not change the network: it lacks {' and '.join(missing)}", hint=_HINT)


@contextmanager
def listening() -> Iterator[None]:
    """Open netlink sockets. A process may have a capability, and still none over the network that it is in."""
    try:
        yield
    except OSError as error:
        message = f"the kernel does not let the daemon listen to it (netlink): {error.strerror or error}"
        if error.errno in _REFUSED:
            raise NotAllowedError(message, hint=_HINT) from error
        raise TemporaryError(message) from error
