"""`appliance init`: write a configuration to start from, and the schema that editors check it with."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance import schema, writing
from appliance.errors import InputError, PermanentError
from appliance.he import WHERE, BrokerTunnel, read_tunnel
from appliance.model import Profile
from appliance.starting import ACCOUNT, Offer, starting_config

SCHEMA_NAME = "appliance.schema.json"
PAGE_MAX_BYTES = 1 << 16
STDOUT = Path("-")


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what `appliance init` takes."""
    parser.description = (
        "Writes a configuration to start from, with the meaning of each setting beside it.\n"
        "Fill in what stands in <angle brackets>; `appliance check` says what is still missing."
    )
    parser.epilog = (
        "examples:\n"
        "  appliance init gateway\n"
        "  appliance init gateway --from-he debian.txt -o gw.yaml\n"
        "  appliance init gadget -o -                  (to the terminal)\n\n"
        '--from-he takes what the tunnel broker shows under "Example Configurations", "Debian/Ubuntu", or\n'
        "what https://tunnelbroker.net/tunnelInfo.php?tid=ID shows, ID being the tunnel's: that has all of it."
    )
    parser.add_argument("profile", choices=[Profile.GATEWAY.value, Profile.GADGET.value], help="what the Pi will be")
    parser.add_argument("--from-he", metavar="FILE", type=Path, help="take the tunnel from the broker's example")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("appliance.yaml"), help="default: appliance.yaml"
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")


def run(arguments: argparse.Namespace) -> int:
    """Write the file; InputError where it exists, or the broker's example cannot be read."""
    profile = Profile(arguments.profile)
    tunnel = None
    if arguments.from_he is not None:
        if profile is not Profile.GATEWAY:
            raise InputError(
                "--from-he is about a tunnel, which a gadget's first file does not have", hint="init gateway"
            )
        tunnel = read_tunnel(_content(arguments.from_he), str(arguments.from_he))
    text = starting_config(profile, {"tunnel": _known(tunnel)} if tunnel is not None else {})
    if arguments.output == STDOUT:
        sys.stdout.write(text)
    else:
        _write(arguments.output, text, overwrite=arguments.force)
        print(f"wrote {arguments.output}, and {SCHEMA_NAME} for editors")
    _advise(arguments.output, tunnel)
    return 0


def _known(tunnel: BrokerTunnel) -> Mapping[str, Any]:
    found: dict[str, Any] = {"server": str(tunnel.server), "address": str(tunnel.address)}
    if tunnel.routed is not None:
        found["routed"] = str(tunnel.routed)
    if tunnel.number is not None:
        found["broker"] = Offer({**ACCOUNT, "tunnel": str(tunnel.number)})
    return found


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(PAGE_MAX_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint=WHERE) from None


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    """The file, and its schema beside it: both, or none of them."""
    if overwrite and path.exists() and not path.is_file():
        raise InputError(f"{path} is no file", hint="-o FILE writes elsewhere, -o - to the terminal")
    target, beside = path.resolve() if overwrite else path, path.with_name(SCHEMA_NAME)
    try:
        with (
            writing.begun(target, text) as file,
            writing.begun(beside, json.dumps(schema.document(), indent=2) + "\n") as described,
        ):
            (writing.replace if overwrite else writing.add)(file, target)
            writing.replace(described, beside)
    except FileExistsError:
        raise InputError(f"{path} is there already", hint="-o FILE writes another one, --force overwrites it") from None
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: {error.strerror}", hint="-o FILE writes elsewhere") from None
    except OSError as error:
        raise PermanentError(f"{path}: {error.strerror}", hint="-o FILE writes elsewhere") from None


def _advise(output: Path, tunnel: BrokerTunnel | None) -> None:
    name = "FILE" if output == STDOUT else output
    print(f"next: fill in what stands in <angle brackets>, then: appliance check {name}", file=sys.stderr)
    if tunnel is not None and tunnel.routed is None:
        where = 'the tunnel\'s page has it as "Routed /64", under "Routed IPv6 Prefixes"'
        print(f"tunnel.routed is not in what the broker gave: {where}", file=sys.stderr)
