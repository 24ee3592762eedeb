"""A pytest plugin: what a test has measured is told at the end, whichever process ran it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Figure = Callable[[str], None]
"""Tells a line."""

PROPERTY = "figure"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Told also of a test that fails afterwards."""
    return lambda line: record_property(PROPERTY, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """All figures, in the order in which they were measured."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = [line for report in reports for name, line in getattr(report, "user_properties", ()) if name == PROPERTY]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(str(line))
