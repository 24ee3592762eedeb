"""The status page of a status that somebody made, in a real browser: what it looks like, not who serves it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from firstboot.page.content import content
from firstboot.page.leases import leases
from firstboot.page.teller import rendered
from firstboot.status import Status
from image.lab.waiting import until
from image.recipe import PROJECT
from tests.netns.namespace import Namespace
from tests.page.browser import Browser, browsing

STATIC = PROJECT / "overlays/base/usr/share/appliance/page"
PORT = 8000


def write(status: Status, folder: Path) -> None:
    """The files as a browser finds them; nobody was given an address, and nothing has changed yet."""
    nobody = leases((), status.appliance, status.facts)
    page = content(status, history=(), settings={}, leases=nobody, refused=None)
    for name, text in rendered(page, datetime.now(UTC)).items():
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(STATIC, folder / "page")


@contextmanager
def open_page(status: Status) -> Iterator[tuple[Browser, str]]:
    """A browser, and where the page is."""
    with TemporaryDirectory() as name, Namespace() as alone:
        folder = Path(name) / "www"
        folder.mkdir()
        write(status, folder)
        argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(PORT))
        server = alone.call(Namespace.begin, *argv)
        try:
            until(lambda: f":{PORT} " in alone.program("ss", "-Hltn"), "it is served", timeout_s=20)
            with browsing(alone, Path(name) / "browser") as browser:
                yield browser, f"http://127.0.0.1:{PORT}/"
        finally:
            server.kill()
            server.wait()
