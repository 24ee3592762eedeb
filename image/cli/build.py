"""`appliance build`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from appliance import parse
from appliance.errors import InputError
from appliance.model import Profile
from appliance.starting import starting_config
from image import boards
from image.boards import BOARDS, DEBIAN
from image.build import build
from image.cache.store import Store
from image.debian import sources
from image.debian.packages import PROFILES
from image.events import Events
from image.output import check_writable
from image.plan import show
from image.recipe import ENDINGS, Recipe

DESCRIPTION = """\
Build an SD card image. What has not changed since the last build is not made again.

The image's FAT partition holds appliance.yaml, which can still be edited on the card.
"""

EXAMPLES = """\
examples:
  appliance build
      a gateway on Debian, with an appliance.yaml to fill in on the card
  appliance build --config appliance.yaml
      the same, with your configuration on the card
  appliance build --profile gadget --board zero
      a USB gadget for a Pi Zero or Zero W; for any other board, leave --board out
  appliance build --config appliance.yaml --base 2025-05-13-raspios-bookworm-arm64-lite.img.xz
      on an image of Raspberry Pi OS that you have
  appliance build --config appliance.yaml --base https://example.com/raspios.img.xz --sha256 HEX
      on one that is downloaded first, and must have that SHA-256
  appliance build --config appliance.yaml --format xz,img
      compressed with xz, and not compressed

The image is DIR/appliance-PROFILE-armv6.img.zst for the Zero and Zero W, DIR/appliance-PROFILE-arm64.img.zst for all
other boards, which one image serves. `appliance flash IMAGE` writes it to a card. Beside it are .sha256, and .bmap, by
which that and bmaptool(1) write only what a card needs. Other images of that name are removed: they would be older
ones. A Pi 5 needs Raspberry Pi OS as the base.
"""


CACHE_TOLD = "appliance in $XDG_CACHE_HOME, or in ~/.cache"
"""`default_cache`, whoever reads it on whatever machine."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.description = DESCRIPTION
    parser.epilog = EXAMPLES
    parser.add_argument("--config", type=Path, metavar="FILE", help="the appliance.yaml to put on the card")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), help="what the image is for (default: as FILE says, or gateway)"
    )
    parser.add_argument(
        "--board",
        choices=BOARDS,
        default=boards.DEFAULT,
        help="the Raspberry Pi (default: %(default)s); zero is the Zero and Zero W, and one image serves all others",
    )
    parser.add_argument(
        "--base",
        default=DEBIAN,
        metavar="BASE",
        help="what to start from: `debian`, an image file (.img, .xz, .zst, .gz, .zip) or https://…#sha256=…",
    )
    parser.add_argument("--sha256", default="", metavar="HEX", help="the SHA-256 that the base's file must have")
    parser.add_argument(
        "--mirror",
        default="",
        metavar="URL",
        help="the Debian archive to use (default: this machine's); with an image as the base, for our own tools alone",
    )
    parser.add_argument(
        "--no-accelerate",
        dest="accelerate",
        action="store_false",
        help="let the image's own programs do everything, emulated: the same image, ten times slower",
    )
    parser.add_argument("--refresh", action="store_true", help="look for newer packages")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("dist"), metavar="DIR", help="where the image goes (default: dist)"
    )
    parser.add_argument(
        "--format",
        type=_formats,
        default=(ENDINGS[0],),
        metavar="FORMAT",
        dest="formats",
        help=f"what to write: {', '.join(ENDINGS)}, or several with commas between (default: {ENDINGS[0]})",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        metavar="DIR",
        help=f"where results are kept (default: {CACHE_TOLD})",
    )
    parser.add_argument("--plan", action="store_true", help="only say what would be done and what is there already")
    parser.add_argument("--json", action="store_true", help="progress as JSON, one object a line, on standard output")


def run(arguments: argparse.Namespace) -> int:
    """Build what the arguments say. Returns the exit code; raises ApplianceError."""
    recipe, store = recipe_of(arguments), Store(arguments.cache.absolute())
    check_writable(store.folder, "--cache")
    check_writable(recipe.output, "--output")
    events = Events(sys.stdout if arguments.json else sys.stderr, as_json=arguments.json)
    if doubt := boards.doubt(recipe.board, recipe.profile, recipe.base):
        events.note(doubt)
    if arguments.plan:
        show(recipe, store, events)
    else:
        build(recipe, store, events)
    return 0


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the arguments ask for. Raises InputError or ConfigError."""
    profile, config = _configuration(arguments.config, arguments.profile)
    base, _, fragment = arguments.base.partition("#")
    sha256 = (arguments.sha256 or fragment.removeprefix("sha256=")).lower()
    _check_base(base, sha256, arguments.mirror)
    boards.check(arguments.board, base)
    return Recipe(
        profile=profile,
        board=arguments.board,
        base=base,
        base_sha256=sha256,
        mirror=arguments.mirror,
        config=config,
        output=arguments.output.absolute(),
        formats=arguments.formats,
        epoch=source_date_epoch(),
        refresh=arguments.refresh,
        accelerate=arguments.accelerate,
    )


def _formats(text: str) -> tuple[str, ...]:
    """The formats that are named, in the order of `ENDINGS`."""
    named = text.removeprefix(".").split(",")
    if unknown := [name for name in named if name not in ENDINGS]:
        raise argparse.ArgumentTypeError(f"there is no format {unknown[0]!r}; there are: {', '.join(ENDINGS)}")
    return tuple(ending for ending in ENDINGS if ending in named)


def _check_base(base: str, sha256: str, mirror: str) -> None:
    """Raise InputError for what would be ignored, or cannot be."""
    if sha256 and base == DEBIAN:
        raise InputError("--sha256 is for a base that is one file", hint="leave it out, or give --base FILE")
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise InputError(f"{sha256!r} is not a SHA-256", hint="it has 64 digits from 0 to 9 and a to f")
    if mirror and not re.match(r"https?://[^/]", mirror):
        raise InputError(f"{mirror} is not the address of a mirror", hint="--mirror https://HOST/debian")
    sources.public(mirror)


def default_cache() -> Path:
    """Where results are kept, by the XDG Base Directory Specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "appliance"


def _configuration(file: Path | None, profile: str | None) -> tuple[str, bytes]:
    """The profile, and the content of the appliance.yaml for it."""
    if file is None:
        chosen = profile or "gateway"
        return chosen, starting_config(Profile(chosen), {}).encode()
    try:
        content = parse.beginning(file)
    except OSError as error:
        hint = f"`appliance init {profile or Profile.GATEWAY} -o FILE` writes one to start from"
        raise InputError(f"{file} cannot be read: {error.strerror}", hint=hint) from error
    said = parse.parse_text(content, str(file)).appliance.profile
    if profile is not None and profile != said:
        raise InputError(f"{file} is for the profile {said}, not {profile}", hint="leave --profile out")
    if said not in PROFILES:
        raise InputError(f"no image can be built yet for the profile {said}", hint=f"these can: {', '.join(PROFILES)}")
    return said, content


def source_date_epoch() -> int | None:
    """The environment's SOURCE_DATE_EPOCH: seconds since 1970, after which nothing was made."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is not None and not text.isdecimal():
        raise InputError(f"SOURCE_DATE_EPOCH is {text!r}, not a number of seconds since 1970", hint="unset it")
    return int(text) if text is not None else None
