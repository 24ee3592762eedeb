"""A program: run `appliance` with a small disk mounted on a folder, and print what is on it afterwards.

    on_a_small_disk.py MEBIBYTES FOLDER COMMAND...

Runs in a mount namespace of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from appliance import cli


def main(mebibytes: str, folder: str, *command: str) -> int:
    """The command's exit code; prints the names of the files in FOLDER, one a line."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", folder], check=True)
    Path(folder, "mine.txt").write_text("stays")
    code = cli.main(command)
    for file in sorted(Path(folder).rglob("*")):
        if file.is_file():
            print(file.relative_to(folder))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
