"""A program: become an ordinary user, and call `appliance` as that.

    users_command.py begin|again SCRATCH COMMAND...

`begin` is in a mount namespace of its own, where /dev/net/tun is as udev leaves it on Debian and the user sees this
Python, and gets the folder SCRATCH; `again` is a second terminal of the same user, in the same mount namespace.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from appliance import cli
from tests.image.as_a_user import become, show_python
from tests.lab.as_a_user import replace_tun

USER = "nobody"


def main(which: str, scratch: str, *command: str) -> int:
    folder = Path(scratch)
    runtime, temporary = folder / "run", folder / "tmp"
    if which == "begin":
        replace_tun("666")
        show_python(folder)
        runtime.mkdir(mode=0o700)
        temporary.mkdir()
        known = pwd.getpwnam(USER)
        for path in (folder, *folder.iterdir()):
            os.chown(path, known.pw_uid, known.pw_gid)
    os.environ |= {"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": str(temporary)}
    become(USER, folder)
    return cli.main(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
