"""From the bytes of a file that anybody may have edited with anything to text.

Accepted: UTF-8 with or without a byte order mark, UTF-16 with one (old Notepad's "Unicode"), and line
ends of every system. A byte that is not UTF-8 (old Notepad's "ANSI") becomes U+FFFD: harmless in a
comment, and an error of its own wherever it stands in a value, since what was meant is a guess.
"""

from __future__ import annotations

import codecs
import re

from appliance.errors import ConfigError, Mark, Problem

SIZE_MAX_BYTES = 128 << 10  # over a hundred times the examples; a Pi Zero would read a mebibyte for minutes
UNREADABLE = "\ufffd"
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What YAML forbids (specification 1.2.2, section 5.1), and line breaks that no editor shows as such.
FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decoded(data: bytes) -> str:
    """Give the text with line ends `\\n`; never fails."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, errors="replace")
            break
    else:
        text = data.decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def checked(data: bytes, file: str) -> str:
    """Give the text, or raise ConfigError where it cannot be a configuration."""
    start = Mark(file, 1, 1)
    if len(data) > SIZE_MAX_BYTES:
        raise ConfigError([Problem(start, "the file is too large", f"at most {SIZE_MAX_BYTES} bytes")])
    text = decoded(data)
    if not text.strip():
        raise ConfigError([Problem(start, "the file is empty", "`appliance init gateway` writes one to start from")])
    found = FORBIDDEN.search(text)
    if found:
        message = f"character U+{ord(found[0]):04X} cannot be in a text file"
        raise ConfigError([Problem(mark_at(text, found.start(), file), message, "plain text, saved as UTF-8")])
    return text


def mark_at(text: str, index: int, file: str) -> Mark:
    """Give the place of the character at that index."""
    line_start = text.rfind("\n", 0, index) + 1
    return Mark(file, text.count("\n", 0, index) + 1, index - line_start + 1)
