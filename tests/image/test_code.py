"""Which source code a stage's result depends on is found out, not written down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from image.cache import code
from image.recipe import PROJECT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One of three modules, of which the first imports the second and that the third; and one that nobody imports."""
    package = tmp_path / "made_up"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "first.py").write_text("from made_up.second import (\n    one,  # with a word\n    two,\n)\n")
    (package / "second.py").write_text("def one():\n    from made_up import third\n")
    (package / "third.py").write_text("import json\nvalue = 1\n")
    (package / "fourth.py").write_text("value = 1\n")
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    forget()
    yield package
    forget()


def forget() -> None:
    """As in a new process."""
    for remembered in (code._content, code._file, code._imported):
        remembered.cache_clear()


def test_what_is_imported_by_what_is_imported_counts(project: Path) -> None:
    found = {file.name for file in code.sources_of(project / "first.py")}
    assert found == {"first.py", "second.py", "third.py", "__init__.py"}


@pytest.mark.parametrize(("changed", "differs"), [("first", True), ("third", True), ("fourth", False)])
def test_the_digest_is_another_one_when_a_module_far_off_is_changed(project: Path, changed: str, differs: bool) -> None:
    before = code.code_of(str(project / "first.py"))
    file = project / f"{changed}.py"
    file.write_text(file.read_text() + "# another line\n")
    assert code.code_of(str(project / "first.py")) == before, "what this process runs has not changed"
    forget()
    assert (code.code_of(str(project / "first.py")) != before) is differs


def test_what_has_no_part_in_a_result_does_not_count() -> None:
    found = {str(file.relative_to(PROJECT)) for file in code.sources_of(PROJECT / "image/stages/bootstrap.py")}
    assert {"image/debian/archives.py", "image/environment.py", "image/run.py", "image/stage.py"} <= found
    assert not [name for name in found if name.startswith(("appliance/", "firstboot/", "image/cache/"))]


@pytest.mark.parametrize("file", sorted((PROJECT / "image").rglob("*.py")), ids=lambda file: str(file.name))
def test_no_import_is_missed(file: Path) -> None:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = {name for name in names if name.startswith(("image", "appliance", "firstboot"))}
    assert ours <= set(code.names_imported(file.read_text()))


def test_every_stage_has_its_own_code() -> None:
    """A stage without it would be kept when its source is changed."""
    for file in (PROJECT / "image/stages").glob("[!_]*.py"):
        assert "\nCODE = code_of(__file__)\n" in file.read_text(), file
