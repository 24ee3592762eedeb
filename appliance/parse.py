"""From `appliance.yaml` to the model: the only place where it is read, with every problem at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from appliance import checks, source
from appliance.decoding import SIZE_MAX_BYTES
from appliance.errors import ConfigError, InputError, Mark, Problem
from appliance.finding import Finding
from appliance.model import Appliance
from appliance.poison import UNREAD
from appliance.quoting import quoted
from appliance.scalars import Scalar
from appliance.settings import Pairs, Section, Sections, Setting, Value, Values, settings_of
from appliance.source import BadNode, ListNode, MapNode, Node, TextNode

T = TypeVar("T")

START = "`appliance init gateway -o FILE`"
PLACEHOLDER = re.compile(r"<.*>")  # what `appliance init` writes where only the user knows


def _places(model: type, path: str = "") -> Iterator[tuple[str, str]]:
    for setting in settings_of(model):
        yield setting.name, path
        if isinstance(setting.shape, Section | Sections):
            yield from _places(setting.shape.type, f"{path}.{setting.name}" if path else setting.name)


@dataclass(frozen=True)
class Parsed:
    """A valid configuration.

    `marks` has the place of every setting in the file by its path, such as `firewall.allow_in[0].to`:
    of a value where it stands, of a section or a list where its name stands.
    """

    appliance: Appliance
    marks: Mapping[str, Mark]
    warnings: tuple[Problem, ...]


def load(path: Path) -> Parsed:
    """Read a file; raises InputError where that fails, and ConfigError with all that is wrong in it."""
    return parse_text(content(path), str(path))


def beginning(path: Path) -> bytes:
    """What a file says; of one that is too large, as much as tells that. Raises OSError."""
    with path.open("rb") as file:
        return file.read(SIZE_MAX_BYTES + 1)


def content(path: Path) -> bytes:
    """The same; raises InputError where it cannot be read."""
    try:
        return beginning(path)
    except IsADirectoryError as error:
        hint = f"give the file in it, such as {path / 'appliance.yaml'}"
        raise InputError(f"{path}: {error.strerror}", hint=hint) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint=f"{START} writes a file to start from") from None


def parse_text(data: bytes, file: str) -> Parsed:
    """Read a file's content; `file` is its name in messages. Raises ConfigError with all that is wrong in it."""
    tree = source.read(data, file)
    if not any(map(_is_ours, tree.root.entries)):
        mark = Mark(file, tree.root.mark.line, 1)
        raise ConfigError(
            [Problem(mark, "this is no appliance.yaml: no setting of one is in it", f"{START} writes one")]
        )
    reader = _Reader(problems=tree.problems, warnings=tree.warnings, marks={"": Mark(file, 1, 1)})
    appliance = reader.section(Appliance, tree.root, "", Mark(file, 1, 1))
    for finding in checks.findings(appliance, reader.marks):
        (reader.warnings if finding.warning else reader.problems).append(problem_of(finding, reader.marks))
    if reader.problems:
        raise ConfigError(reader.problems)
    return Parsed(appliance, reader.marks, tuple(sorted(reader.warnings)))


def _is_ours(entry: source.Entry) -> bool:
    """Whether it is a setting, perhaps misspelt, or in the wrong section."""
    first_column = [setting.name for setting in settings_of(Appliance)]
    return entry.name in {name for name, _ in _places(Appliance)} or bool(_near(entry.name, first_column))


def _near(name: str, known: Iterable[str]) -> str:
    """The name that was meant, if that is plain to see."""
    return next(iter(difflib.get_close_matches(name.lower().replace("-", "_"), known, 1)), "")


def parse_section(model: type[T], name: str, data: bytes, file: str) -> T | None:
    """Read one section of a file whose others may be wrong; None if it is not there, or is itself wrong.

    What involves more than one setting is not checked.
    """
    try:
        root = source.read(data, file).root
    except ConfigError:
        return None
    entry = next((entry for entry in root.entries if entry.name == name), None)
    if entry is None or not source.is_whole(entry.node):
        return None
    reader = _Reader()
    found: T = reader.section(model, entry.node, name, entry.mark)
    return None if reader.problems else found


def problem_of(finding: Finding, marks: Mapping[str, Mark]) -> Problem:
    """What a check found, with its place in the file: of a setting that is not there, the nearest section around it."""
    also = f" (line {marks[finding.also].line})" if finding.also in marks and finding.also else ""
    path = finding.path
    while path not in marks:
        path = re.sub(r"(^|\.)[^.\[]*$|\[[^\]]*\]$", "", path)
    return Problem(marks[path], finding.message + also, finding.allowed)


@dataclass
class _Reader:
    """Collects problems and places while the model is made."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def section(self, model: type[Any], node: Node, path: str, mark: Mark) -> Any:
        """Read a section; what cannot be read in it becomes UNREAD."""
        if isinstance(node, BadNode):
            return UNREAD
        if not isinstance(node, MapNode):
            names = ", ".join(setting.name for setting in settings_of(model))
            return self._wrong(node.mark, f"{path}: settings are wanted here, as `name: value`", names)
        known = {setting.name: setting for setting in settings_of(model)}
        entries = {entry.name: entry for entry in node.entries if entry.name in known}
        misspelt = {}
        for entry in node.entries:
            if entry.name not in known:
                near = self._unknown(entry, path, known)
                misspelt.update({near: entry} if near and near not in entries else {})
        given = {**misspelt, **entries}
        fields = {one.attribute: self._field(one, given.get(name), path, mark) for name, one in known.items()}
        unsure = {known[name].attribute: UNREAD for name in misspelt if isinstance(known[name].shape, Value)}
        return model(**{**fields, **unsure})

    def _field(self, setting: Setting, entry: source.Entry | None, parent: str, section_mark: Mark) -> Any:
        path = f"{parent}.{setting.name}" if parent else setting.name
        shape = setting.shape
        if entry is None:
            if setting.required:
                allowed = shape.scalar.allowed if isinstance(shape, Value) else ""
                return self._wrong(section_mark, f"{path} is missing: {shape.doc}", allowed)
            return setting.default
        self.marks[path] = entry.node.mark if isinstance(shape, Value) else entry.mark
        return self._read(setting, entry, path)

    def _read(self, setting: Setting, entry: source.Entry, path: str) -> Any:
        shape, node = setting.shape, entry.node
        if isinstance(shape, Value):
            found = self._value(shape.scalar, node, path, secret=shape.secret)
        elif isinstance(shape, Values):
            items = self._items(node, path)
            found = tuple(self._value(shape.scalar, one, where, listed=True) for one, where in items)
        elif isinstance(shape, Section):
            empty = isinstance(node, TextNode) and node.empty
            found = self._empty(shape, entry, path) if empty else self.section(shape.type, node, path, entry.mark)
        elif isinstance(shape, Sections):
            found = tuple(self.section(shape.type, one, where, one.mark) for one, where in self._items(node, path))
        else:
            found = self._pairs(shape, node, path)
        return found

    def _empty(self, shape: Section, entry: source.Entry, path: str) -> Any:
        """Read a section of which only the name is there: fine where it needs nothing more."""
        required = [setting.name for setting in settings_of(shape.type) if setting.required]
        needs = checks.ONE_OF.get(shape.type, [required] if required else [])
        if not needs:
            return shape.type()
        names = ", or ".join(map(", ".join, needs))
        return self._wrong(entry.mark, f"{path} is empty: fill it in, or take the line out", f"it needs {names}")

    def _items(self, node: Node, path: str) -> list[tuple[Node, str]]:
        """Give the items of a list with their paths; one item without a list is one, nothing is none."""
        if isinstance(node, TextNode) and node.empty:
            return []
        items = node.items if isinstance(node, ListNode) else (node,)
        found = [(item, f"{path}[{number}]") for number, item in enumerate(items)]
        self.marks.update({where: item.mark for item, where in found})
        return found

    def _value(self, scalar: Scalar[Any], node: Node, path: str, *, secret: bool = False, listed: bool = False) -> Any:
        if isinstance(node, BadNode):
            return UNREAD
        if not isinstance(node, TextNode):
            return self._wrong(node.mark, f"{path}: one value is wanted here: {scalar.name}", scalar.allowed)
        if node.empty:
            return self._wrong(node.mark, f"{path} has no value", scalar.allowed)
        if node.plain and PLACEHOLDER.fullmatch(node.text):
            return self._wrong(node.mark, f"{path} is not filled in yet: {scalar.name}", scalar.allowed)
        try:
            value = scalar.parse(node.text)
        except ValueError as error:
            allowed = "a list is written [one, two]" if listed and ", " in node.text else scalar.allowed
            return self._wrong(node.mark, f"{path}: {error}", allowed)
        if secret and node.cut:
            message = f"{path}: what follows the # is a comment, not a part of it"
            self.warnings.append(Problem(node.mark, message, "in quotes where it has a # in it"))
        return value

    def _pairs(self, shape: Pairs, node: Node, path: str) -> Any:
        if isinstance(node, BadNode):
            return UNREAD
        if not isinstance(node, MapNode):
            return self._wrong(node.mark, f"{path}: pairs are wanted here, as `name: value`", shape.key.allowed)
        pairs: Any = {}
        unread = False
        for entry in node.entries:
            where = f"{path}[{entry.name}]"
            self.marks[where] = entry.node.mark
            try:
                key = shape.key.parse(entry.name)
            except ValueError as error:
                unread = True
                self._wrong(entry.mark, f"{path}: {error}", shape.key.allowed)
            else:
                pairs[key] = self._value(shape.value, entry.node, where)
        return UNREAD if unread else pairs

    def _unknown(self, entry: source.Entry, path: str, known: Mapping[str, Setting]) -> str:
        """Report a name that does not exist; gives the one that was meant, if that is plain to see."""
        near = _near(entry.name, known)
        elsewhere = [place for name, place in _places(Appliance) if name == entry.name]
        suggestion = ""
        if near:
            suggestion = f', did you mean "{near}"?'
        elif elsewhere:
            suggestion = f", it belongs to {' or '.join(place or 'the first column' for place in elsewhere)}"
        where = f"{path}: " if path else ""
        self._wrong(entry.mark, f"{where}unknown setting {quoted(entry.name)}{suggestion}", ", ".join(known))
        return near

    def _wrong(self, mark: Mark, message: str, allowed: str) -> Any:
        self.problems.append(Problem(mark, message, allowed))
        return UNREAD
