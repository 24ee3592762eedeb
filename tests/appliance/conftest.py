from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import ConfigError
from appliance.parse import Parsed, parse_text

EXAMPLES = Path(__file__).parent / "examples"


def content(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def parsed(text: str | bytes) -> Parsed:
    return parse_text(content(text), "a.yaml")


def problems(text: str | bytes) -> list[str]:
    """Give the problems of a file as they are printed, none for a good one."""
    try:
        parsed(text)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def problem(text: str | bytes) -> str:
    """Give the only problem of a file."""
    (found,) = problems(text)
    return found


def warnings(text: str | bytes) -> list[str]:
    return [str(warning) for warning in parsed(text).warnings]


@pytest.fixture
def gateway() -> str:
    return (EXAMPLES / "gateway.yaml").read_text()


@pytest.fixture
def gadget() -> str:
    return (EXAMPLES / "gadget.yaml").read_text()
