"""`appliance.yaml` as a tree in which every value is text and everything has its place in the file.

Nothing is typed here: `country: NO` is Norway, and 12:34:56 is no number. What YAML has beyond
settings, lists and values (anchors, tags, several documents) is refused with a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from yaml import events
from yaml.error import MarkedYAMLError

from appliance import syntax
from appliance.decoding import UNREADABLE, checked, mark_at
from appliance.errors import ConfigError, Mark, Problem
from appliance.quoting import quoted
from appliance.scanner import EventReader

DEPTH_MAX = 16  # the model needs 6; a bound keeps the recursion small whatever the file holds


@dataclass(frozen=True)
class TextNode:
    """A value. Plain: not in quotes. Cut: plain, and on its line follows a # that may have been meant as a part."""

    mark: Mark
    text: str
    plain: bool
    cut: bool

    @property
    def empty(self) -> bool:
        """Whether nothing was written at all."""
        return self.plain and not self.text


@dataclass(frozen=True)
class ListNode:
    """A list of values or of sections."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """A name, and what stands after it."""

    name: str
    mark: Mark
    node: Node


@dataclass(frozen=True)
class MapNode:
    """A section: every name once, in the order of the file."""

    mark: Mark
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class BadNode:
    """Something that cannot be read; the problem is already reported."""

    mark: Mark


Node = TextNode | ListNode | MapNode | BadNode


def is_whole(node: Node) -> bool:
    """Whether all that is in a node could be read."""
    if isinstance(node, MapNode):
        return all(is_whole(entry.node) for entry in node.entries)
    if isinstance(node, ListNode):
        return all(map(is_whole, node.items))
    return isinstance(node, TextNode)


@dataclass
class Source:
    """A file that is YAML: its tree, and what is wrong with parts of it."""

    root: MapNode
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def read(data: bytes, file: str) -> Source:
    """Read a file's content; raises ConfigError where no tree can be made of it."""
    text = checked(data, file)
    builder = _Builder(text, file)
    root = builder.document()
    if isinstance(root, TextNode) and root.empty:
        raise ConfigError([Problem(Mark(file, 1, 1), "the file says nothing", "profile: gateway, gadget or custom")])
    if not isinstance(root, MapNode):
        problem = Problem(root.mark, "this is not a list of settings", "name: value")
        raise ConfigError([*builder.problems, problem] if not isinstance(root, BadNode) else builder.problems)
    warnings = []
    if UNREADABLE in text and not builder.unreadable:
        place = mark_at(text, text.index(UNREADABLE), file)
        warnings.append(Problem(place, "this comment is not UTF-8", "save the file as UTF-8 to keep it legible"))
    return Source(root, builder.problems, warnings)


class _Builder:
    """Makes the tree of one document."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.problems: list[Problem] = []
        self.unreadable = False
        self.reader = EventReader(text)

    def document(self) -> Node:
        """Read the whole text, which is one document."""
        try:
            self._next()  # the stream starts
            if isinstance(self._next(), events.StreamEndEvent):
                return TextNode(Mark(self.file, 1, 1), "", plain=True, cut=False)
            root = self._node(self._next(), 0)
            self._next()  # the document ends
            after = self._next()
            if not isinstance(after, events.StreamEndEvent):
                message = "a second document begins here"
                raise ConfigError([Problem(self._mark(after), message, "one file has one; leave out the line ---")])
        except MarkedYAMLError as error:
            found = [*self.problems, *syntax.explained(error, self.text, self.file)]
            raise ConfigError(list(dict.fromkeys(found))) from None
        except (ValueError, OverflowError):  # PyYAML lets chr() of a nonsensical \U escape through
            mark = self._mark_of(self.reader.get_mark())
            message = "a backslash in double quotes has a special meaning"
            raise ConfigError([*self.problems, Problem(mark, message, "use single quotes")]) from None
        return root

    def _next(self) -> Any:
        return self.reader.get_event()  # type: ignore[no-untyped-call]

    def _node(self, event: Any, depth: int) -> Node:
        mark = self._mark(event)
        if depth > DEPTH_MAX:
            raise ConfigError([*self.problems, Problem(mark, "sections are nested too deeply", f"at most {DEPTH_MAX}")])
        node: Node
        if isinstance(event, events.ScalarEvent):
            node = self._text(event, mark)
        elif isinstance(event, events.SequenceStartEvent):
            node = ListNode(mark, self._items(depth))
        elif isinstance(event, events.MappingStartEvent):
            node = MapNode(mark, self._entries(depth))
        else:
            return self._bad(mark, "a value cannot begin with *", "put it in quotes")
        if event.anchor is not None:
            return self._bad(mark, "a value cannot begin with &", "put it in quotes")
        if event.tag not in (None, "!"):
            return self._bad(mark, "a value cannot begin with !", "put it in quotes")
        return node

    def _text(self, event: Any, mark: Mark) -> Node:
        plain = event.style is None
        start, end = event.start_mark.index, event.end_mark.index
        written = self.text[start:end]
        if UNREADABLE in written:
            self.unreadable = True
            place = mark_at(self.text, start + written.index(UNREADABLE), self.file)
            return self._bad(place, "this character is not UTF-8", "save the file as UTF-8")
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            return self._bad(mark, "half a character: a \\u escape of a surrogate", "write the character itself")
        if plain and syntax.CURLY_QUOTE.match(written):
            self.problems.append(syntax.curly_problem(mark))
            return BadNode(mark)
        found = syntax.invisible(written) if plain else None
        if found:
            self.problems.append(syntax.invisible_problem(mark_at(self.text, start + found[0], self.file), found[1]))
            return BadNode(mark)
        cut = plain and re.match(r"[ \t]+#\S", self.text[end : end + 80]) is not None
        return TextNode(mark, event.value, plain, cut)

    def _items(self, depth: int) -> tuple[Node, ...]:
        items = []
        while not isinstance(event := self._next(), events.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return tuple(items)

    def _entries(self, depth: int) -> tuple[Entry, ...]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := self._next(), events.MappingEndEvent):
            key = self._node(event, depth + 1)
            node = self._node(self._next(), depth + 1)
            if isinstance(key, BadNode):
                continue
            if not isinstance(key, TextNode):
                self._bad(key.mark, "a name is wanted before ':'", "name: value")
            elif key.text in entries:
                first = entries[key.text].mark.line
                self._bad(key.mark, f"{quoted(key.text)} is here twice", f"once; the first is on line {first}")
            else:
                entries[key.text] = Entry(key.text, key.mark, node)
        return tuple(entries.values())

    def _bad(self, mark: Mark, message: str, allowed: str) -> BadNode:
        self.problems.append(Problem(mark, message, allowed))
        return BadNode(mark)

    def _mark(self, event: Any) -> Mark:
        return self._mark_of(event.start_mark)

    def _mark_of(self, mark: Any) -> Mark:
        return Mark(self.file, mark.line + 1, mark.column + 1)
