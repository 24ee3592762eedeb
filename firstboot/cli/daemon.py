"""`appliance daemon`: what appliance.service runs."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Everything but where it is stands in appliance.yaml."""
    parser.description = "Keep the machine as appliance.yaml wants it. systemd runs this; see `appliance status`."
    parser.add_argument(
        "--custom",
        type=Path,
        metavar="FOLDER",
        help="this machine was not made from an image: appliance.yaml is in FOLDER and may have the profile custom "
        "and that of an installed package, and without one that can be used nothing is done (else it is on the small "
        "partition)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped."""
    from firstboot import daemon  # noqa: PLC0415 (its libraries take seconds to load on a Pi Zero)

    return daemon.main(arguments.custom)
