"""Which functions of the tests are run, as the documents' commands that are tried elsewhere need it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.reached import reached

MODULE = """\
import pytest
from tests.folder import helped
from tests.folder.helping import helping
{mark}
@pytest.fixture
def given():
    helped.step()

@pytest.fixture(autouse=True)
def everywhere():
    pass

def test_it(given, shared):
    helping()
    def within():
        return whole()

{skipped}
def test_skipped():
    forgotten()

class TestIt:
    @pytest.mark.usefixtures("named")
    def test_in_a_class(self):
        pass

def whole():
    pass

def named():
    pass

def forgotten():
    pass

def nobodys():
    helped.unused()
"""
FILES = {
    "pyproject.toml": 'addopts = "-ra -p tests.plugged"',
    "tests/plugged.py": "def shared(from_conftest): pass",
    "tests/conftest.py": "def from_conftest(): pass",
    "tests/folder/conftest.py": "def given(): pass",
    "tests/folder/helped.py": "def step(): pass\n\ndef unused(): pass",
    "tests/folder/helping.py": "def helping(): step()\n\ndef step(): pass",
    "tests/folder/other.py": "def helping(): pass\n\ndef test_of_no_test_file(): pass",
}


def found(folder: Path, *, mark: str = "", skipped: str = "@pytest.mark.skip") -> set[str]:
    files = {**FILES, "tests/folder/test_it.py": MODULE.format(mark=mark, skipped=skipped)}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return {f"{Path(file).stem}.{name}" for file, name in reached(folder)}


def test_a_test_and_all_that_it_uses_is_reached(tmp_path: Path) -> None:
    assert found(tmp_path) == {
        "test_it.test_it",
        "test_it.given",
        "conftest.given",
        "conftest.from_conftest",
        "helped.step",
        "test_it.everywhere",
        "plugged.shared",
        "helping.helping",
        "helping.step",
        "test_it.whole",
        "test_it.test_in_a_class",
        "test_it.named",
    }


@pytest.mark.parametrize("skipped", ["@pytest.mark.xfail(reason='')", "@pytest.mark.skipif(True, reason='')"])
def test_who_is_skipped_reaches_nothing(skipped: str, tmp_path: Path) -> None:
    assert "test_it.forgotten" not in found(tmp_path, skipped=skipped)


def test_who_is_not_reaches_what_it_uses(tmp_path: Path) -> None:
    assert "test_it.forgotten" in found(tmp_path, skipped="@pytest.mark.parametrize('skip', [1])")


@pytest.mark.parametrize("mark", ["pytestmark = [pytest.mark.vm, pytest.mark.skip]", "pytest.skip(reason='')"])
def test_a_file_that_is_skipped_reaches_nothing(mark: str, tmp_path: Path) -> None:
    assert found(tmp_path, mark=mark) == set()
