"""`appliance status`: what is, from the daemon's last look."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from appliance.errors import TemporaryError
from firstboot.paths import REPORT_NAME, STATUS, fat_partition


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = (
        "Tell what the appliance is doing. Exits with 0 when everything is as it shall be, else with 1."
    )
    parser.add_argument("--json", action="store_true", help="for programs: the whole status as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    try:
        content = STATUS.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise TemporaryError(
            "the daemon has not told anything yet", hint="`systemctl status appliance` says whether it runs"
        ) from error
    status: dict[str, Any] = json.loads(content)
    if arguments.json:
        sys.stdout.write(content)
    else:
        sys.stdout.write((fat_partition() / REPORT_NAME).read_text(encoding="utf-8").replace("\r\n", "\n"))
    return 0 if status["state"] == "ready" else 1
