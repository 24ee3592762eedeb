"""`appliance stamp`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance import parse
from appliance.decoding import SIZE_MAX_BYTES
from appliance.errors import ConfigError, InputError, Mark, Problem
from image.events import Events
from image.output import check_writable
from image.stamp import stamp
from image.stamp.device import OWN, SHARED, SUMS, Device

DESCRIPTION = """\
Make an image for each of many devices out of one that was built, by writing only what differs: appliance.yaml.

All configurations are checked before anything is written. A device's name is the hostname in its configuration, or
the name of that file if it has none.
"""

ONE_EACH = "an appliance.yaml for each device"

EPILOG = f"""\
examples:
  appliance stamp dist/appliance-gateway-arm64.img.zst --config a.yaml --config b.yaml -o cards
      an image each for the hostnames in a.yaml and b.yaml
  appliance stamp dist/appliance-gateway-arm64.img.zst --config devices/*.yaml -o cards
      one for every file in the folder
  appliance stamp dist/appliance-gateway-arm64.img.zst --config a.yaml -o cards --single
      as one file, for Raspberry Pi Imager

Without --single a device is a folder, DIR/NAME, with these files, of which it alone has the first:
  {OWN:<20} the card's beginning, with appliance.yaml: a few hundred kilobytes
  {SHARED:<20} everything else: one file on the disk, linked into every folder
  {SUMS:<20} for `sha256sum --check`
Together, in that order, they are the image:
  cat DIR/NAME/*.zst | zstd -d | sudo dd of=/dev/sdX bs=4M conv=fsync status=progress

With --single a device is one file, DIR/NAME.img.zst, with DIR/NAME.sha256 beside it. On Btrfs and XFS these files share
what they have in common; on other file systems each takes as much room as the image, and as long to copy.

What is there of a device already is replaced, as a whole. Its own files can be read by you alone, because
appliance.yaml may hold a passphrase. IMAGE may be compressed; it is not changed.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.add_argument("image", type=Path, metavar="IMAGE", help="an image that `appliance build` made")
    parser.add_argument(
        "--config",
        type=Path,
        nargs="+",
        action="extend",
        required=True,
        metavar="FILE",
        help="the appliance.yaml of a device; give as many as there are devices",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="where the images go; it is made if need be"
    )
    parser.add_argument("--single", action="store_true", help="one ordinary file for each device")
    parser.add_argument("--json", action="store_true", help="progress as JSON, one object a line, on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Stamp what the arguments say. Returns the exit code; raises ApplianceError."""
    events = Events(sys.stdout if arguments.json else sys.stderr, as_json=arguments.json)
    devices = devices_of(arguments.config, events)
    if not arguments.image.is_file():
        what = "is not a file" if arguments.image.exists() else "does not exist"
        raise InputError(f"{arguments.image} {what}", hint="give an image that `appliance build` made")
    check_writable(arguments.output.absolute(), "--output")
    stamp.stamp(arguments.image, devices, arguments.output, single=arguments.single, events=events)
    return 0


def devices_of(files: Sequence[Path], events: Events) -> list[Device]:
    """The devices, in the order of their files.

    Raises ConfigError with the problems of all files, or InputError for two devices of one name.
    """
    devices: list[Device] = []
    problems: list[Problem] = []
    for file in files:
        try:
            devices.append(_device(file, events))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    _check_names(devices)
    return devices


def _device(file: Path, events: Events) -> Device:
    try:
        with file.open("rb") as reader:
            config = reader.read(SIZE_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([Problem(Mark(str(file), 1, 1), f"cannot be read: {error.strerror}", ONE_EACH)]) from error
    parsed = parse.parse_text(config, str(file))
    for warning in parsed.warnings:
        events.note(f"warning: {warning}")
    name = parsed.appliance.hostname if "hostname" in parsed.marks else file.stem
    return Device(name, str(file), config)


def _check_names(devices: Sequence[Device]) -> None:
    """Raise InputError where two would have one name, also on a file system that does not tell A from a."""
    first: dict[str, Device] = {}
    twice = []
    for one in devices:
        other = first.setdefault(one.name.casefold(), one)
        if other is not one:
            twice.append(f"{other.file} and {one.file} ({one.name})")
    if twice:
        raise InputError(
            f"these would be one device: {'; '.join(twice)}", hint="give each a hostname of its own, and each file once"
        )
