"""The pictures of the documentation, each drawn from what a command really prints.

python -m tests.docs.pictures         draws those whose text is the same each time
python -m tests.docs.pictures all     and those of a whole build, of a card that is written, and of a browser: minutes
"""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from firstboot.cli.status import coloured
from firstboot.status import Status
from firstboot.status_text import to_local_text, to_login_message
from image.recipe import PROJECT
from tests.appliance.test_init import STANZA
from tests.docs import card, states
from tests.docs.drawing import COLUMNS, PROMPT, svg
from tests.docs.states import EXAMPLES
from tests.page.browser import View
from tests.page.opened import open_page

FOLDER = PROJECT / "docs/pictures"

Drawing = tuple[str, Callable[[Path], str]]
"""The window's title, and what gives its text; it may use a folder."""


class _Terminal(io.StringIO):
    """Somebody's, in which what is written may be in colour."""

    def isatty(self) -> bool:
        return True


TERMINAL = _Terminal()


def typed(folder: Path, *commands: str, environment: Mapping[str, str] | None = None) -> str:
    """What a terminal shows of commands, `appliance` being that of these sources."""
    ours = {"TERM": "xterm", "COLUMNS": str(COLUMNS), "PYTHONPATH": str(PROJECT), "NO_COLOR": ""}
    given = {**os.environ, **ours, **(environment or {})}
    own = shlex.join([sys.executable, "-m", "appliance"])
    shown = []
    for command in commands:
        argv = ["sh", "-c", re.sub(r"^(sudo )?(\.venv/bin/)?appliance(?= )", own, command, count=1)]
        shown.append(f"{PROMPT}{command}\n{_output(argv, folder, given)}")
    return "\n".join(shown)


def _output(argv: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    outside, inside = pty.openpty()
    process = subprocess.Popen(
        argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=inside, stderr=inside, close_fds=True
    )
    os.close(inside)
    shown = b""
    while True:
        try:
            data = os.read(outside, 1 << 16)
        except OSError:  # the other end of a terminal was closed
            break
        if not data:
            break
        shown += data
    os.close(outside)
    process.wait()
    lines = shown.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r\x1b[K")[2] for line in lines)


def init(folder: Path) -> str:
    """A configuration is begun with what the broker's page shows."""
    (folder / "he.txt").write_text(STANZA)
    return typed(folder, "appliance init gateway --from-he he.txt", "grep -A 3 ^tunnel appliance.yaml")


def check(folder: Path) -> str:
    """Two mistakes; and none."""
    good = (EXAMPLES / "gateway.yaml").read_text()
    file = folder / "appliance.yaml"
    file.write_text(good.replace("192.168.1.254", "192.168.2.254").replace("lease: 12h", "lease: 12 hours"))
    wrong = typed(folder, "appliance check appliance.yaml")
    file.write_text(good)
    return wrong + "\n" + typed(folder, "appliance check appliance.yaml")


def init_gadget(folder: Path) -> str:
    """A configuration is begun."""
    return typed(folder, "appliance init gadget", "grep -A 6 ^uplink appliance.yaml")


def _told(status: Status) -> str:
    return f"{PROMPT}appliance status\n{coloured(to_local_text(status), TERMINAL)}"


def _greeted(status: Status) -> str:
    return f"{PROMPT}ssh pi@{status.hostname}.local\n{to_login_message(status)}"


DRAWINGS: Mapping[str, Drawing] = {
    "init": ("a configuration, from the broker's page", init),
    "check": ("appliance check", check),
    "login": ("logging in", lambda _: _greeted(states.gateway())),
    "status": ("appliance status", lambda _: _told(states.gateway())),
    "status-broken": ("appliance status: protocol 41 is blocked", lambda _: _told(states.gateway(states.blocked()))),
    "init-gadget": ("a configuration", init_gadget),
    "login-gadget": ("logging in", lambda _: _greeted(states.gadget())),
    "status-gadget": ("appliance status", lambda _: _told(states.gadget())),
}
"""Those whose text is the same each time."""


def build_and_flash(folder: Path) -> Mapping[str, str]:
    """A first build, with nothing kept before, another after a change, and a card."""
    (folder / "appliance.yaml").write_text((EXAMPLES / "gateway.yaml").read_text())
    environment = {"XDG_CACHE_HOME": str(folder / "kept")}
    build = "appliance build --config appliance.yaml"
    first = typed(folder, build, environment=environment)
    (folder / "appliance.yaml").write_text((EXAMPLES / "gateway.yaml").read_text().replace("12h", "24h"))
    again = typed(folder, build, environment=environment)
    return {"build": first, "build-again": again, "flash": flash(folder)}


def flash(folder: Path) -> str:
    """A card is written with the image that a build has left; its blocks are in a file."""
    with (folder / "card.img").open("wb") as blocks:
        blocks.truncate(4 << 30)
    image = "dist/appliance-gateway-arm64.img.zst"
    argv = [sys.executable, "-m", card.__name__, image, "card.img"]
    told = _output(argv, folder, {**os.environ, "PYTHONPATH": str(PROJECT)})
    return f"{PROMPT}sudo .venv/bin/appliance flash {image} {card.DEVICE}\n{told}"


PAGES = {
    "status-page": lambda: states.gateway(states.blocked()),
    "status-page-gadget": states.gadget,
}
BEGINNING = View(760, 560, "light")

LONG = {
    "build": "the first image",
    "build-again": "another one, after a change of appliance.yaml",
    "flash": "writing the card",
}


def drawn(name: str) -> str:
    """One of `DRAWINGS`."""
    title, text = DRAWINGS[name]
    with TemporaryDirectory() as folder:
        return svg(text(Path(folder)), title)


def main(*words: str) -> None:
    """Draw them."""
    FOLDER.mkdir(exist_ok=True)
    for name in DRAWINGS:
        (FOLDER / f"{name}.svg").write_text(drawn(name), encoding="utf-8")
    if "all" in words:
        with TemporaryDirectory() as folder:
            texts = build_and_flash(Path(folder))
        for name, text in texts.items():
            (FOLDER / f"{name}.svg").write_text(svg(text, LONG[name]), encoding="utf-8")
        _draw_pages()


def _draw_pages() -> None:
    """The status page as a browser shows the beginning of it."""
    for name, status in PAGES.items():
        with open_page(status()) as (browser, url):
            browser.show(url, BEGINNING)
            browser.picture(FOLDER / f"{name}.png", all_of_it=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
