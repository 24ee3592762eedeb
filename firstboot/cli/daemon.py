"""`appliance daemon`: what appliance.service runs."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """There are no options: everything is in appliance.yaml."""
    parser.description = "Keep the machine as appliance.yaml wants it. systemd runs this; see `appliance status`."


def run(arguments: argparse.Namespace) -> int:
    """Run until stopped."""
    from firstboot import daemon  # noqa: PLC0415 (its libraries take seconds to load on a Pi Zero)

    return daemon.main()
