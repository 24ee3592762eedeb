"""The one door through which the device starts programs: argv lists, fixed locale, closed stdin.

Nothing secret may be in an argv: any user of the machine can read it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from shlex import join

from appliance.errors import PermanentError, TemporaryError

TIMEOUT_S = 60.0
_LAST_LINES = 10


def run(argv: Sequence[str], *, stdin: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a program to its end and return what it printed.

    Raises `PermanentError` if it is not there, `TemporaryError` if it fails or takes too long.
    """
    try:
        finished = subprocess.run(
            argv,
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise PermanentError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise TemporaryError(f"{join(argv)} did not end within {timeout_s:.0f} s") from error
    if finished.returncode != 0:
        said = (finished.stderr or finished.stdout).decode(errors="replace").splitlines()[-_LAST_LINES:]
        raise TemporaryError(f"{join(argv)} failed with exit code {finished.returncode}: " + " / ".join(said))
    return finished.stdout.decode(errors="replace")
