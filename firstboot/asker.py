"""Asking one question for as long as it is the one, in a thread of its own: it may take seconds to be answered."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from threading import Condition, Thread
from typing import Generic, TypeVar

Q = TypeVar("Q")
AFTER_A_BUG_S = 5.0

log = logging.getLogger("appliance")


class Asker(ABC, Generic[Q]):
    """There is a thread while there is something to be asked."""

    def __init__(self, name: str) -> None:
        """`name`: the thread's."""
        self._name = name
        self._changed = Condition()
        self._question: Q | None = None
        self._thread: Thread | None = None
        self._stopped = False

    def ask(self, question: Q | None) -> None:
        """Ask this from now on; None: nothing."""
        with self._changed:
            if question == self._question:
                return
            self._question = question
            if self._thread is None and question is not None:
                self._thread = Thread(target=self._live, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """End soon, and tell nothing more: what is known stays remembered for whoever starts next."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _live(self) -> None:
        """A bug does not end it: what was known last would stay so for ever."""
        while True:
            try:
                self._run()
            except Exception:
                log.exception("%s", self._name)
            else:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, AFTER_A_BUG_S)

    @abstractmethod
    def _run(self) -> None:
        """Until `_current` has nothing more."""

    def _current(self) -> Q | None:
        """What is to be asked; None: the thread has to end."""
        with self._changed:
            if self._stopped:
                return None
            if self._question is None:
                self._thread = None
                self._forget()
            return self._question

    def _forget(self) -> None:
        """There is nothing more to be asked."""

    def _wait(self, question: Q, longest_s: float) -> None:
        """Until something else is to be asked, but no longer."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._question != question, longest_s)
