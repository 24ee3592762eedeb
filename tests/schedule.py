"""A pytest plugin: which tests may run beside which, where there are two processes for them.

One boots machines, the other does all the rest, most of which waits. What counts seconds of a machine comes last, when
it has the computer for itself.
"""

from __future__ import annotations

import pytest

COUNTS_SECONDS = ("test_gadget", "test_wifi")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group them, and put those that count seconds behind the others."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group("machines" if _boots(item) else "the rest"))
    items.sort(key=lambda item: _boots(item) and item.path.name.startswith(COUNTS_SECONDS))


def _boots(item: pytest.Item) -> bool:
    return item.get_closest_marker("vm") is not None
