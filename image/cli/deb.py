"""`appliance deb`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from image.cli.build import source_date_epoch
from image.deb import build
from image.output import check_writable, full_disk_explained

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
    check_writable(arguments.output.absolute(), "--output")
    with full_disk_explained(f"make room where {arguments.output.absolute()} and {tempfile.gettempdir()} are"):
        print(build(arguments.output, epoch=source_date_epoch()))
    return 0
