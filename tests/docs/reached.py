"""Which functions of the tests are run: what pytest collects and nobody has marked to be skipped, and whatever that
uses, as far as the source tells.

A name may stand for every function of that name which the file has or can see: more is held for used than is, but what
nobody speaks of is not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Function = tuple[str, str]
"""The file, within the project, and the name."""

MARK = "pytestmark"
SKIPPING = {"skip", "skipif", "xfail"}
_PLUGIN = re.compile(r"-p ([\w.]+)")


@dataclass(frozen=True)
class Module:
    """A file. `used`: by function, the names that it speaks of; `always`: names that are spoken of in no function, or
    need not be, as those of some fixtures. `sees`: other files.
    """

    tests: frozenset[str]
    used: Mapping[str, frozenset[str]]
    always: frozenset[str]
    sees: tuple[str, ...]


@cache
def reached(project: Path) -> frozenset[Function]:
    """All of them, of the tests of a project."""
    plugins = [_file(name) for name in _PLUGIN.findall((project / "pyproject.toml").read_text(encoding="utf-8"))]
    files = sorted(str(file.relative_to(project)) for file in (project / "tests").rglob("*.py"))
    modules = {file: _module(project, file, plugins) for file in files}
    found: set[Function] = set()
    begun = {file: (*module.tests, *module.always) for file, module in modules.items() if module.tests}
    waiting = [(file, name) for file, names in begun.items() for name in names]
    while waiting:
        file, name = waiting.pop()
        if (file, name) in found or name not in modules[file].used:
            continue
        found.add((file, name))
        others = [file, *(other for other in modules[file].sees if other in modules)]
        waiting += [(other, used) for used in modules[file].used[name] for other in others]
    return frozenset(found)


def _module(project: Path, file: str, plugins: Iterable[str]) -> Module:
    tree = ast.parse((project / file).read_text(encoding="utf-8"))
    used: dict[str, frozenset[str]] = {}
    always = _names(*(node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            used[node.name] = used.get(node.name, frozenset()) | _names(node)
            if any("autouse" in ast.unparse(mark) for mark in node.decorator_list):
                always |= {node.name}
    is_test = re.fullmatch(r"test_.*|.*_test\.py", Path(file).name) is not None
    tests = frozenset(_tests(tree.body)) if is_test and not _is_skipped(tree.body, ()) else frozenset()
    conftests = (str(folder / "conftest.py") for folder in Path(file).parents)
    return Module(tests, used, always, (*conftests, *plugins, *_imported(tree)))


def _tests(body: Iterable[ast.stmt]) -> Iterator[str]:
    """As pytest finds them by their names."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not _is_skipped(node.body, node.decorator_list):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield node.name
            elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                yield from _tests(node.body)


def _is_skipped(body: Iterable[ast.stmt], marks: Iterable[ast.expr]) -> bool:
    """By a mark, or by what it says without an if."""
    marked = [node.value for node in body if isinstance(node, ast.Assign) and MARK in map(ast.unparse, node.targets)]
    called = [node.value.func for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    parts = (part for node in (*marks, *marked, *called) for part in ast.walk(node))
    return any(isinstance(part, ast.Attribute) and part.attr in SKIPPING for part in parts)


def _names(*nodes: ast.AST) -> frozenset[str]:
    """What is spoken of in there: by name, as what something has, as an argument (a fixture), and in a mark's text."""
    parts = [part for node in nodes for part in ast.walk(node)]
    marks = [mark for part in parts for mark in getattr(part, "decorator_list", ())]
    texts = [*marks, *(node for node in nodes if isinstance(node, ast.Assign))]
    return frozenset(
        {part.id for part in parts if isinstance(part, ast.Name)}
        | {part.attr for part in parts if isinstance(part, ast.Attribute)}
        | {part.arg for part in parts if isinstance(part, ast.arg)}
        | {str(part.value) for node in texts for part in ast.walk(node) if isinstance(part, ast.Constant)}
    )


def _imported(tree: ast.Module) -> Iterator[str]:
    """The files of tests that it imports from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("tests"):
            yield _file(node.module)
            yield from (_file(f"{node.module}.{alias.name}") for alias in node.names)


def _file(module: str) -> str:
    return f"{module.replace('.', '/')}.py"
