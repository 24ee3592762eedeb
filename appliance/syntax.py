"""What is wrong with a file that is not YAML, in words for somebody who has never heard of it.

No message shows the text itself: a secret may be in it.
"""

from __future__ import annotations

import re
import unicodedata

from yaml.error import MarkedYAMLError

from appliance import scanner
from appliance.errors import Mark, Problem

# No-break and other spaces, and marks without a width, as they come with text pasted from web pages.
INVISIBLE = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]")
CURLY_QUOTE = re.compile("[\u2018-\u201f\u00ab\u00bb\u2039\u203a]")
INDENTING_TAB = re.compile(r"^ *\t\s*[^\s#]")

INDENTATION = "lines of one section begin in the same column, with spaces only"
QUOTED = "a value with ': ' or ' #' in it, or that begins with a sign such as @ & * ! % [ {, stands in quotes"
# Part of PyYAML's wording: what to say, and what is allowed; the first that matches.
EXPLANATIONS = (
    (scanner.QUOTE_OPEN, scanner.QUOTE_OPEN, "a quoted value ends on the line on which it begins"),
    (scanner.DIRECTIVE, scanner.DIRECTIVE, "leave it out"),
    ("mapping values are not allowed", "a ':' where none is expected", f"{INDENTATION}; {QUOTED}"),
    ("could not find expected ':'", "there is no ': ' after the name on this line", "name: value"),
    ("unknown escape character", "a backslash in double quotes has a special meaning", "use single quotes"),
    ("escape sequence", "a backslash in double quotes has a special meaning", "use single quotes"),
    ("cannot start any token", "a value cannot begin with this sign", QUOTED),
    ("alphabetic or numeric character", "a value cannot begin with this sign", QUOTED),
    ("expected ',' or ']'", "the list that '[' opens here is not closed, or a comma is missing in it", "[one, two]"),
    ("expected ',' or '}'", "what '{' opens here is not closed, or a comma is missing in it", "{name: value}"),
    ("sequence entries are not allowed", "a '- ' where no list can be", INDENTATION),
    ("expected <block end>", "this line fits nothing above it", f"{INDENTATION}; nothing follows a closing quote"),
)
AT_CONTEXT = ("could not find expected ':'", "expected ',' or")  # where it began tells more than where it was noticed


def explained(error: MarkedYAMLError, text: str, file: str) -> list[Problem]:
    """Give the problems behind a YAML error, at least one."""
    wording = error.problem or ""
    lines = text.split("\n")
    place = error.problem_mark
    if error.context_mark is not None and any(part in wording for part in AT_CONTEXT):
        place = error.context_mark
    line, column = (place.line, place.column) if place is not None else (0, 0)
    if wording == scanner.TAB_INDENTS:
        return _tabs(lines, file)
    # From the line before: a name without its ": " makes PyYAML read on into the next line.
    nearby = range(max(0, line - 1), min(error.problem_mark.line if error.problem_mark else line, len(lines) - 1) + 1)
    strange = [problem for number in nearby for problem in _strange_characters(lines[number], number, file)]
    if strange:
        return strange
    mark = Mark(file, line + 1, column + 1)
    if any("PRIVATE KEY" in lines[number] for number in range(max(0, line - 60), min(line + 2, len(lines)))):
        return [Problem(mark, "a PRIVATE key does not belong in this file", "the line of a .pub file")]
    for part, message, allowed in EXPLANATIONS:
        if part in wording:
            return [Problem(mark, message, allowed)]
    return [Problem(mark, "this line cannot be read", f"name: value; {INDENTATION}; {QUOTED}")]


def invisible(text: str, offset: int = 0) -> tuple[int, str] | None:
    """Find a space that is none; gives its index and its name."""
    found = INVISIBLE.search(text, offset)
    return (found.start(), unicodedata.name(found[0]).lower()) if found else None


def invisible_problem(mark: Mark, name: str) -> Problem:
    """Say that there is a character that no editor shows."""
    return Problem(mark, f"there is an invisible character here ({name})", "replace it by an ordinary space")


def curly_problem(mark: Mark) -> Problem:
    """Say that a value is in typographic quotes."""
    return Problem(mark, "a typographic quotation mark quotes nothing", "straight quotes: \" or '")


def _tabs(lines: list[str], file: str) -> list[Problem]:
    return [
        Problem(Mark(file, number, line.index("\t") + 1), scanner.TAB_INDENTS, "spaces only")
        for number, line in enumerate(lines, start=1)
        if INDENTING_TAB.match(line)
    ]


def _strange_characters(line: str, number: int, file: str) -> list[Problem]:
    code = re.split(r"(?:^|\s)#", line, maxsplit=1)[0]
    problems = []
    found = invisible(code)
    if found:
        problems.append(invisible_problem(Mark(file, number + 1, found[0] + 1), found[1]))
    quote = re.search(r"(?:^|[\s:,\[-])" + f"({CURLY_QUOTE.pattern})", code)
    if quote:
        problems.append(curly_problem(Mark(file, number + 1, quote.start(1) + 1)))
    return problems
