"""The words that become a shell, or run a command, somewhere in a lab."""

from __future__ import annotations

from collections.abc import Sequence

from image.lab.world import World
from image.run import Word

UNIT = "lab-terminal.service"
"""What the guest's systemd calls the program on the machine's terminal."""

NAMES = """\
file=$(readlink -m /etc/resolv.conf)
mkdir -p "${file%/*}" 2>/dev/null
[ -e "$file" ] || : >"$file"
printf 'nameserver %s\\n' "$1" >/run/lab-resolver-$2
mount --bind "/run/lab-resolver-$2" "$file"
shift 2
exec "$@"
"""
"""A host asks its own DNS server, not this machine's. /run is the world's own, where Debian may keep that file."""


PRESENT = """\
type -P -- "$2" >/dev/null || { printf '%s\\n' "$1" >&2; exit 127; }
shift
exec "$@"
"""
"""For bash: what shells and programs say of one that is not there differs from place to place."""

ROUTERS_NAMES = """\
server=$1
shift
[ -n "$server" ] || server=$(ip -4 route show default | sed -n 's/.* via \\([0-9.]*\\).*/\\1/p' | head -n 1)
[ -z "$server" ] || echo "nameserver $server" >/etc/resolv.conf
exec "$@"
"""
"""A computer inside the guest has no hooks of DHCP (see begin-laptop): it asks its router, as it was told to."""


def present(place: str, command: Sequence[str]) -> list[str]:
    """A command of a place, or the sentence that there is no such program, and 127, as shells have it."""
    missing = f"error: {place} has no program {command[0]}"
    hint = f"hint: `appliance lab shell {place}` is a shell there, to look around in"
    return ["bash", "-c", PRESENT, "lab", f"{missing}\n{hint}", *command]


def with_names(resolver: str, command: Sequence[str]) -> list[str]:
    """A command of a computer inside the guest; without a resolver, names are asked of who gave it its address."""
    return ["sh", "-c", ROUTERS_NAMES, "lab", resolver, *command]


def host(world: World, name: str, resolver: str, command: Sequence[str]) -> list[str]:
    """In a namespace of the world: a command, or a shell."""
    argv: list[Word] = ["unshare", "--mount", "sh", "-c", NAMES, "lab", resolver, name, *(command or prompting(name))]
    return [str(word) for word in world.entering(name, argv)]


def prompting(place: str) -> list[str]:
    """A shell that says where it is, and leaves no trace in its user's history."""
    return ["env", f"PS1=[lab: {place}] \\w \\$ ", "HISTFILE=", "bash", "--norc", "--noprofile", "-i"]


def on_terminal(line: str, term: str) -> list[str]:
    """In the guest: what runs a program on a terminal device, beside us."""
    properties = ["StandardInput=tty-force", "StandardOutput=tty", "StandardError=tty", f"TTYPath={line}"]
    options = [word for each in properties for word in ("-p", each)]
    return ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *options, f"--setenv=TERM={term}", "--"]
