"""A thread that asks goes on asking, whatever is wrong with it."""

from __future__ import annotations

import logging
import threading

import pytest

from firstboot import asker
from firstboot.asker import Asker

SOON_S = 10.0


class Faulty(Asker[str]):
    """The first time that it asks, it fails."""

    def __init__(self) -> None:
        super().__init__("the weather")
        self.asked: list[str | None] = []
        self.answered = threading.Event()

    def _run(self) -> None:
        self.asked.append(self._current())
        if len(self.asked) == 1:
            raise ValueError("a bug")
        self.answered.set()


def test_a_bug_is_told_and_it_is_asked_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(asker, "AFTER_A_BUG_S", 0.01)
    faulty = Faulty()
    with caplog.at_level(logging.ERROR):
        faulty.ask("is it raining?")
        assert faulty.answered.wait(SOON_S)
    assert faulty.asked == ["is it raining?"] * 2
    assert "the weather" in caplog.text and "a bug" in caplog.text
