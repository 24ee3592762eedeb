"""What to do with a card that was written. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from appliance import parse
from appliance.errors import ConfigError, Problem
from image.stages.bootfs import CONFIG

EJECTED = "if your desktop shows it, eject it there first"


def steps(content: bytes | None, *, is_disk: bool, table_read: bool) -> list[str]:
    """One after the other, by the appliance.yaml that is on the card now; None if there is none.

    `is_disk`: it is not a file in place of one; `table_read`: the kernel knows of the card's partitions.
    """
    if content is None:
        return [*([_taken_out("now")] if is_disk else []), "put it in the Pi, and turn that on"]
    try:
        hostname = parse.parse_text(content, CONFIG).appliance.hostname
    except ConfigError as error:
        again = " (put the card in again to see it)" if is_disk and not table_read else ""
        return [_to_edit(error.problems, again), *([_taken_out("then")] if is_disk else []), _started("HOSTNAME")]
    taken_out = f"; {_taken_out('now')}" if is_disk else ""
    return [f"it has your {CONFIG}{taken_out}", _started(hostname)]


def _taken_out(when: str) -> str:
    return f"it may be taken out {when}; {EJECTED}"


def _to_edit(problems: Sequence[Problem], again: str) -> str:
    lines = [f"  line {problem.mark.line}: {problem.message}" for problem in problems]
    return "\n".join([f"edit {CONFIG} on its small partition, bootfs{again}:", *lines])


def _started(hostname: str) -> str:
    return (
        f"put it in the Pi, and turn that on; after a minute or two: ssh pi@{hostname}.local, "
        "and appliance-status.txt on the card says how it is"
    )
