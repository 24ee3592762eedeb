"""`appliance logs`: what the daemon, or the appliance's services as well, have written into the journal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from appliance.errors import TemporaryError
from firstboot.cli.denied import denied
from firstboot.command import become
from firstboot.command import run as run_program

LINES = 100
DAEMON = ("appliance.service", "appliance-run-*")
"""What it did and found, and what the commands said that it ran (`routing.on_interface_change`)."""

ALL = ("appliance*", "ufw.service")


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.description = "Tell what the daemon has done, and what went wrong, as it has written it into the journal."
    parser.epilog = (
        "examples:\n"
        "  appliance logs                      the last lines\n"
        "  appliance logs --follow             and those that come, until Ctrl-C\n"
        "  appliance logs --since '2 hours ago'\n"
        "  appliance logs --all                with those of DHCP, DNS, the status page and the firewall\n"
        "  appliance logs --denied             packets that the firewall has denied"
    )
    parser.add_argument("-n", "--lines", type=_number, metavar="N", help=f"so many, the last ones (default: {LINES})")
    parser.add_argument("--all", action="store_true", help="also the services that the daemon runs: dnsmasq, lighttpd…")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    kinds.add_argument("--since", default="", metavar="TIME", help="all from then on: 'yesterday', '2026-01-31 12:00'")
    kinds.add_argument("--denied", action="store_true", help="what the firewall has denied, in place of that")


def run(arguments: argparse.Namespace) -> int:
    """Print it. Raises `TemporaryError` where there is nothing at all; what else is wrong, journalctl itself says."""
    if not arguments.denied:
        require_entries()
        units = ALL if arguments.all else DAEMON
        become(journal(units, arguments.lines, arguments.since, follow=arguments.follow))
    print("\n".join(denied(arguments.lines or LINES)) or "none, or not for you to see (sudo shows them)")
    return 0


def require_entries() -> None:
    """Raise `TemporaryError` where not a line of our own is there, as on any other machine, which may have ufw's."""
    try:
        found = run_program(["journalctl", "--quiet", "--lines=1", f"--unit={ALL[0]}"])
    except TemporaryError:  # no service of these names has ever written anything, says its exit code
        found = ""
    if not found:
        hint = "it is on the appliance itself: ssh pi@NAME.local; there, sudo shows what is not for everybody"
        raise TemporaryError("nothing of the appliance is in the journal here, or not for you to see", hint=hint)


def journal(units: Sequence[str], lines: int | None, since: str, *, follow: bool) -> list[str]:
    """The command that shows it. Without a number, it shows `LINES`, or all since a time."""
    most = lines if lines is not None else None if since else LINES
    return [
        "journalctl",
        "--no-hostname",
        "--quiet",
        *(f"--unit={name}" for name in units),
        *([f"--lines={most}"] if most is not None else []),
        *([f"--since={since}"] if since else []),
        *(["--follow"] if follow else []),
    ]


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)
