"""A rule of ufw's in the words of the command that makes it, as `ufw show added` has them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_ANYWHERE = ("0.0.0.0/0", "::/0")
_FIELDS, _FIELDS_WITH_PROFILES = 7, 9
_COMMENT = "comment="


def words_of(heading: str) -> str:
    """From the tuple in its comment; where that is not as ufw writes it, the tuple itself."""
    fields, comment = heading.split(), ""
    if fields and fields[-1].startswith(_COMMENT):
        comment = f" comment '{_comment(fields.pop())}'"
    if len(fields) == _FIELDS:
        fields[6:6] = "--"
    if len(fields) != _FIELDS_WITH_PROFILES:
        return heading
    action, protocol, port, to, source_port, from_, profile, source_profile, ways = fields
    route, _, verdict = action.rpartition(":")
    verdict, _, log = verdict.partition("_")
    way = _way(ways)
    is_short = (to in _ANYWHERE and from_ in _ANYWHERE and source_port == "any" and source_profile == "-") and (
        "on" not in way and (port != "any" or profile != "-")
    )
    if is_short:
        with_protocol = f"/{protocol}" if protocol != "any" else ""
        ends = [_quoted(profile) if profile != "-" else f"{port}{with_protocol}"]
    else:
        ends = [*_end("from", from_, source_port, source_profile), *_end("to", to, port, profile)]
        ends = ends if ends or "on" in way else ["to", "any"]
        ends += ["proto", protocol] if protocol != "any" and (profile, source_profile) == ("-", "-") else []
    return " ".join([*([route] if route else []), verdict, *way, *([log] if log else []), *ends]) + comment


def _way(ways: str) -> Sequence[str]:
    """`in`, `out`, `in_eth0`, `in_eth0!out_eth1`."""
    words: list[str] = []
    for each in ways.split("!"):
        direction, _, interface = each.partition("_")
        if interface:
            words += [direction, "on", interface]
        elif direction == "out":
            words.append(direction)
    return words


def _end(name: str, address: str, port: str, profile: str) -> list[str]:
    where = "any" if address in _ANYWHERE else address
    if profile != "-":
        return [name, where, "app", _quoted(profile)]
    if port != "any":
        return [name, where, "port", port]
    return [name, where] if where != "any" else []


def _quoted(profile: str) -> str:
    name = profile.replace("%20", " ")
    return f"'{name}'" if " " in name else name


def _comment(field: str) -> str:
    """ufw writes it in hexadecimal digits."""
    text = field.removeprefix(_COMMENT)
    try:
        return bytes.fromhex(text).decode()
    except ValueError:
        return text
