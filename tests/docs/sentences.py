"""What the daemon can say is wrong, found in its source: the sentences, with holes where a name or a number goes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from image.recipe import PROJECT

HOLE = "…"

SAID: Mapping[str, tuple[int, str]] = {
    "TemporaryError": (0, ""),
    "PermanentError": (0, ""),
    "NotAllowedError": (0, ""),
    "Diagnosis": (1, ""),
    "Meaning": (2, ""),
    "_blocked": (0, ""),
    "_given_none": (0, f": the laptop is given no way out{HOLE}"),
}
"""What is called with a sentence: as which argument, and what it puts behind it."""

LEAST_LETTERS = 7
"""A sentence with fewer letters of its own is another program's, with a word in front."""


@dataclass(frozen=True)
class Sentence:
    """`text` has HOLE wherever something is put in; `place`: the file and the line."""

    text: str
    place: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(".*".join(map(re.escape, self.text.split(HOLE))))

    def fits(self, told: str) -> bool:
        """Whether that may be said by it."""
        return self._pattern.fullmatch(told) is not None


def sentences(folder: Path = PROJECT / "firstboot") -> Iterator[Sentence]:
    """All of them, also those that are put together of a constant and more."""
    for file in sorted(folder.rglob("*.py")):
        tree = ast.parse(file.read_text())
        constants = _texts(tree)
        for function in (tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))):
            known = constants | _texts(function)
            for call in _calls(function):
                for text in _said(call, known):
                    if len(letters(text)) >= LEAST_LETTERS:
                        yield Sentence(text, f"{file.relative_to(PROJECT)}:{call.lineno}")


def letters(text: str) -> str:
    """Those alone, the small ones."""
    return re.sub("[^a-z]", "", text)


def _calls(scope: ast.AST) -> Iterator[ast.Call]:
    """Those of a function, and not of the functions in it."""
    following = list(ast.iter_child_nodes(scope))
    while following:
        node = following.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Call):
            yield node
        following += ast.iter_child_nodes(node)


def _said(call: ast.Call, known: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    place, behind = SAID.get(ast.unparse(call.func).rpartition(".")[2], (0, None))
    if behind is not None and len(call.args) > place:
        yield from (f"{text}{behind}" for text in _templates(call.args[place], known))


def joined(node: ast.AST) -> str | None:
    """A text in the source, with holes; None for what is none."""
    return next(_templates(node, {}), None) if isinstance(node, ast.Constant | ast.JoinedStr) else None


def _texts(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What is assigned to each name there."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(scope) if isinstance(scope, ast.FunctionDef) else ast.iter_child_nodes(scope):
        if isinstance(node, ast.Assign):
            for name, value in _assigned(node.targets[0], node.value):
                found.setdefault(name, []).append(value)
    return found


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, its in zip(targets, values, strict=True):
                yield from _assigned(one, its)


def _templates(node: ast.expr, known: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield from _joined(values, known)
        case ast.IfExp(body=body, orelse=orelse):
            yield from _templates(body, known)
            yield from _templates(orelse, known)
        case ast.Name(id=name):
            # A text that is made longer step by step stands for itself once.
            shorter = {other: found for other, found in known.items() if other != name}
            for value in known.get(name, []):
                yield from _templates(value, shorter)


def _joined(values: list[ast.expr], known: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    texts = [""]
    for value in values:
        inner = value.value if isinstance(value, ast.FormattedValue) else value
        filled = list(_templates(inner, known)) or [HOLE]
        texts = [text + more for text in texts for more in filled]
    yield from texts
