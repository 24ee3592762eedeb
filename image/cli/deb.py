"""`appliance deb`."""

from __future__ import annotations

import argparse
from pathlib import Path

from image.cli.build import source_date_epoch
from image.deb import build

DESCRIPTION = """\
Build a Debian package for machines that are not made from an image: any Debian 12 or 13, on any processor.

It does the profile custom (routing policies), and nothing before there is a configuration.
"""

EXAMPLES = """\
examples:
  appliance deb                        dist/appliance_VERSION_all.deb
  sudo apt install ./appliance_*.deb   on the machine; then write /etc/appliance/appliance.yaml:
  /usr/share/doc/appliance/examples    has one to start from
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EXAMPLES
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("dist"), metavar="DIR", help="where to put it (default: dist)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build it, and say where it is."""
    print(build(arguments.output, epoch=source_date_epoch()))
    return 0
