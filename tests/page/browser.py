"""A real browser: Debian's Chromium without a screen, spoken to by the DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from tests.netns.namespace import Namespace

ANSWER_S, LOAD_S = 60.0, 60.0
_LAUNCH = 'exec chromium "$@" 3<&0 4>&1 >/dev/null 2>&1'
"""It takes commands from descriptor 3, and answers to 4 (--remote-debugging-pipe)."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


@dataclass(frozen=True)
class View:
    """How somebody looks at a page: sizes in CSS pixels."""

    width: int
    height: int
    scheme: str
    scripts: bool = True
    is_phone: bool = False

    def __str__(self) -> str:
        what = "phone" if self.is_phone else "desktop"
        return f"{what}-{self.scheme}{'' if self.scripts else '-without-javascript'}"


@dataclass
class Browser:
    """Chromium, and the one page that it shows. `complaints`: what its console has said of errors."""

    process: Popen[bytes]
    complaints: list[str] = field(default_factory=list)
    _number: int = 0
    _session: str = ""
    _events: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def open(self) -> None:
        """A page that shows nothing yet."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def show(self, url: str, view: View) -> None:
        """Load a page as somebody sees it."""
        scale = 2 if view.is_phone else 1
        self.ask("Emulation.setScriptExecutionDisabled", value=not view.scripts)
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=view.width,
            height=view.height,
            deviceScaleFactor=scale,
            mobile=view.is_phone,
        )
        scheme = [{"name": "prefers-color-scheme", "value": view.scheme}]
        self.ask("Emulation.setEmulatedMedia", features=scheme)
        self._events.clear()
        assert "errorText" not in self.ask("Page.navigate", url=url)
        deadline = time.monotonic() + LOAD_S
        while "Page.loadEventFired" not in self._events:
            assert time.monotonic() < deadline, f"{url} does not load"
            self._take(self._message())

    def evaluate(self, script: str) -> Any:
        """What a script in the page gives, awaited."""
        told = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def picture(self, path: Path, *, all_of_it: bool = True) -> None:
        """The page as a PNG: all of it, or what the window has room for."""
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=all_of_it)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(told["data"]))

    def violations(self) -> list[dict[str, Any]]:
        """What axe finds fault with: each with `id`, `impact` and `nodes`."""
        axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
        self.evaluate(f"{axe}; undefined")
        found: list[dict[str, Any]] = self.evaluate("axe.run().then(found => found.violations)")
        return found

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command and its answer."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\0")
        self.process.stdin.flush()
        while (told := self._message()).get("id") != self._number:
            self._take(told)
        assert "error" not in told, (method, told["error"])
        return dict(told["result"])

    def _take(self, told: dict[str, Any]) -> None:
        method, parameters = told.get("method", ""), told.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))

    def _message(self) -> dict[str, Any]:
        """The next one, which ends with a NUL."""
        assert self.process.stdout is not None
        descriptor, deadline = self.process.stdout.fileno(), time.monotonic() + ANSWER_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            data = os.read(descriptor, 1 << 20) if ready else b""
            assert data, "the browser says nothing"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browsing(namespace: Namespace, folder: Path) -> Iterator[Browser]:
    """A browser in a network namespace; what it remembers is in `folder`."""
    argv = ["sh", "-c", _LAUNCH, "chromium", *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    process = namespace.call(Popen, argv, stdin=PIPE, stdout=PIPE, bufsize=0, start_new_session=True)
    try:
        browser = Browser(process)
        browser.open()
        yield browser
        browser._session = ""
        browser.ask("Browser.close")
        process.wait(ANSWER_S)
    finally:
        process.kill()
        process.wait()
