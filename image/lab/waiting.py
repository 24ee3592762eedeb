"""Waiting for something that is not in our hands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(probe: Callable[[], Found | None], what: str, *, timeout_s: float, every_s: float = 0.25) -> Found:
    """What `probe` returns once it is true; TimeoutError, with what it last was, after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:g} s: {what} (last: {found!r})")
        time.sleep(every_s)
    return found
