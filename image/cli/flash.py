"""`appliance flash`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from image.events import Events, duration
from image.flash import target
from image.flash.config import Config, checked, on_card
from image.flash.ending import steps
from image.flash.flash import Door, flash
from image.flash.medium import opened
from image.flash.original import Original, original
from image.flash.target import Target

DESCRIPTION = """\
Write an image to a card, and read all of it back. Without DEVICE: list the disks that can be taken out.

Everything that was on the card is lost. The image may be compressed (.zst, .xz, .gz); it is checked while it is
written, by the .bmap or the .sha256 beside it, and with a .bmap only what the card needs is written.
"""

EPILOG = """\
examples:
  appliance flash dist/appliance-gateway-arm64.img.zst
      which disks there are that can be taken out
  sudo appliance flash dist/appliance-gateway-arm64.img.zst /dev/sdX
      write to one of them; then edit appliance.yaml on its small partition
  sudo appliance flash dist/appliance-gateway-arm64.img.zst /dev/sdX --config appliance.yaml
      with your configuration on it; if that has a mistake, or does not fit the image, nothing is written
  truncate -s 4G card.img && appliance flash dist/appliance-gateway-arm64.img.zst card.img --force
      into a file, for a virtual machine

A disk is refused that holds the running system, is in use by it in any way, cannot be taken out, is read-only or too
small. --force says what it overrides: a disk that is built in, a file in place of a disk, and what is mounted, which
is unmounted. It never overrides the others.

The card's first block is written last, when everything else was read back: a card that was not finished has no
partitions. A fake, which has less room than it says, is found.
Exit codes: 0 done, 1 the card or its reader failed, 2 the input is wrong, 130 interrupted.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.add_argument("image", type=Path, metavar="IMAGE", help="an image that `appliance build` made")
    parser.add_argument("device", type=Path, nargs="?", metavar="DEVICE", help="the card's disk, such as /dev/sdX")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the appliance.yaml to put on the card")
    parser.add_argument(
        "--force", action="store_true", help="write to what is built in, is a file, or is mounted (it is unmounted)"
    )
    parser.add_argument("--json", action="store_true", help="progress as JSON, one object a line, on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Write what the arguments say. Returns the exit code; raises ApplianceError."""
    events = Events(sys.stdout if arguments.json else sys.stderr, as_json=arguments.json)
    config = config_of(arguments.config, events)
    image = original(arguments.image)
    content = on_card(image, config)
    if arguments.device is None:
        show_cards(arguments.image, arguments.config, events)
        return 0
    disk = target.target(arguments.device, image, force=arguments.force)
    image.check()
    for sentence in disk.overridden:
        events.note(sentence)
    disk.release()
    write(image, config, content, disk, events)
    return 0


def config_of(file: Path | None, events: Events) -> Config | None:
    """The configuration that was given. Raises ConfigError with all that is wrong with it, or InputError."""
    if file is None:
        return None
    config, warnings = checked(file)
    for warning in warnings:
        events.note(f"warning: {warning}")
    return config


def show_cards(image: Path, config: Path | None, events: Events) -> None:
    """List the disks that an image may be meant for, and how to go on. That there is none is nobody's mistake."""
    found = target.cards()
    if not found:
        events.note("there is no disk that can be taken out: put the card in, and call this again")
        return
    for disk, use in found:
        events.disk(str(disk.path), disk.size_bytes, disk.transport, disk.model, use.mounts)
    program = [sys.argv[0]] if Path(sys.argv[0]).name == "appliance" else [sys.executable, "-m", "appliance"]
    device = found[0][0].path if len(found) == 1 else "DEVICE"
    words = [*program, "flash", image, device, *(["--config", config] if config is not None else [])]
    events.note(f"to write to {device}, of which all is lost:\n  sudo {shlex.join(map(str, words))}")


def write(
    image: Original, config: Config | None, content: bytes | None, disk: Target, events: Events, *, door: Door = opened
) -> None:
    """Write to a disk, and say what was done, and what to do next. Raises InputError or PermanentError.

    `content` is of the appliance.yaml that it then has; `door` opens the disk.
    """
    done = flash(image, config, disk.path, events, door)
    text = f"{disk.path}: {done.written_bytes / 1e6:.0f} MB written and read back in {duration(done.seconds)}"
    facts = {"written_bytes": done.written_bytes, "seconds": round(done.seconds, 3)}
    events.result(text, device=str(disk.path), **facts)
    events.note("\n".join(steps(content, is_disk=disk.is_disk, table_read=done.table_read)))
