"""`appliance deb`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from image.cli.build import source_date_epoch
from image.deb import builder, daemon, profiles
from image.debian.packages import PROFILES
from image.output import check_writable, full_disk_explained

DESCRIPTION = """\
Build Debian packages, for any Debian 12 or 13 on any processor: of the daemon, or of the builder.

The daemon's are for machines that are not made from an image. One does the profile custom (routing policies); with one
more beside it the profile gateway is possible, or gadget. Nothing is done before there is a configuration. The
builder's has the commands that make images, without the sources.
"""

EXAMPLES = """\
examples:
  appliance deb                        dist/appliance_VERSION_all.deb, and appliance-gateway, appliance-gadget
  sudo apt install ./appliance_*.deb   on the machine; then write /etc/appliance/appliance.yaml:
  /usr/share/doc/appliance/examples    has one to start from
  sudo apt install ./appliance_*.deb ./appliance-gateway_*.deb     for the profile gateway
  appliance deb --builder              dist/appliance-builder_VERSION_all.deb
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EXAMPLES
    parser.add_argument("--builder", action="store_true", help="the builder's package; this takes a checkout and pip")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("dist"), metavar="DIR", help="where to put it (default: dist)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build it, and say where it is."""
    check_writable(arguments.output.absolute(), "--output")
    builds: list[Callable[..., Path]] = [builder.build]
    if not arguments.builder:
        builds = [daemon.build, *(partial(profiles.build, profile) for profile in PROFILES)]
    with full_disk_explained(f"make room where {arguments.output.absolute()} and {tempfile.gettempdir()} are"):
        for build in builds:
            print(build(arguments.output, epoch=source_date_epoch()))
    return 0
