"""`appliance confirm`: keep the configuration that is on trial."""

from __future__ import annotations

import argparse

from firstboot.cli import status
from firstboot.cli.asking import told


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = (
        "Keep the configuration that is on trial. One that replaces one that worked is taken back after a minute, "
        "unless everything became right and this machine was reached by ssh or DHCP as it was before. Where you "
        "come by another way now (another interface, another network), nobody but you can tell that all is well."
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell the daemon."""
    status.require_root("confirm")
    told("Confirm")
    print("The configuration is kept.")
    return 0
