"""PyYAML's scanner and parser, made fit for a file that people edit by hand.

Differences: a tab is a space wherever it does not indent (PyYAML refuses it even before a comment); a
quoted value ends on its own line, so that a forgotten quote is reported where it is; no directives.
"""

from __future__ import annotations

from typing import Any

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError

BREAKS_OR_END = "\0\n"
TAB_INDENTS = "a tab indents this line"
QUOTE_OPEN = "the quote that opens here is not closed on this line"
DIRECTIVE = "a line that begins with %"


class EventReader(Reader, Scanner, Parser):
    """Turns text with `\\n` line ends into PyYAML's events, one at a time."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Skip spaces, tabs after something, comments, and lines of nothing else."""
        while True:
            indenting = not self.buffer[self.pointer - self.column : self.pointer].strip(" ")
            tab = None
            while self.peek() in " \t":
                if self.peek() == "\t" and tab is None:
                    tab = self.get_mark()
                self.forward()
            if self.peek() == "#":
                while self.peek() not in BREAKS_OR_END:
                    self.forward()
            if not self.scan_line_break():  # type: ignore[no-untyped-call]
                break
            if not self.flow_level:
                self.allow_simple_key = True
        if indenting and tab is not None and self.peek() != "\0" and not self.flow_level:
            raise ScannerError(None, None, TAB_INDENTS, tab)

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> Any:
        """Give what stands between two words of a plain value; a tab is white space there too."""
        length = 0
        while self.peek(length) in " \t":
            length += 1
        if self.peek(length) in BREAKS_OR_END:
            self.forward(length)
            return super().scan_plain_spaces(indent, start_mark)
        spaces = self.prefix(length)
        self.forward(length)
        return [spaces] if spaces else []

    def scan_flow_scalar(self, style: str) -> Any:
        """Scan a quoted value, which must end on the line on which it begins."""
        start = self.get_mark()
        try:
            token = super().scan_flow_scalar(style)
        except ScannerError as error:
            if error.problem and ("end of stream" in error.problem or "document separator" in error.problem):
                raise ScannerError(None, None, QUOTE_OPEN, start) from None
            raise
        if token.end_mark.line != start.line:
            raise ScannerError(None, None, QUOTE_OPEN, start)
        return token

    def fetch_directive(self) -> None:
        """Refuse `%YAML` and the like: nothing here needs them."""
        raise ScannerError(None, None, DIRECTIVE, self.get_mark())
