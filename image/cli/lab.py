"""`appliance lab`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from appliance.errors import InputError, PermanentError
from image.cli.build import default_cache
from image.cli.lab_words import RUN, configure, verb_missing
from image.lab.session import page, places, terminal
from image.lab.session.door import Reply, Request, ask
from image.lab.session.scene import Scene
from image.run import search_path

__all__ = ["configure", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says. Returns the exit code; raises ApplianceError."""
    if arguments.verb is None:
        raise verb_missing(arguments.verbs)
    if arguments.verb == RUN:
        return _run(arguments)
    folder = places.found(arguments.name)
    if arguments.verb == "shell":
        return _shell(folder, arguments.place, arguments.words)
    if arguments.verb == "page":
        return _page(folder, arguments.port)
    words = arguments.words if "words" in arguments else []
    given = [words] if isinstance(words, str) else list(words or ())
    if arguments.verb == "wait":
        given.append(str(arguments.timeout))
    if arguments.verb == "fault" and arguments.list:
        given = []
    return _told(ask(folder / places.CONTROL, Request(arguments.verb, tuple(given))))


def _run(arguments: argparse.Namespace) -> int:
    from image.lab.session.play import Asked, play  # noqa: PLC0415 (it stands on all of the builder)

    if arguments.timeout is not None and arguments.expect is None:
        raise InputError("--timeout is how long something may take", hint="say what, with --expect")
    asked = Asked(
        image=arguments.image,
        cache=default_cache(),
        config=arguments.config,
        name=arguments.name or places.DEFAULT,
        machine=arguments.machine,
        expect=arguments.expect,
        timeout_s=arguments.timeout,
        logs=arguments.logs,
    )
    try:
        play(asked, _say, lambda scene: None if arguments.headless else _say(hints(asked.name, scene)))
    except KeyboardInterrupt:
        _say("ended: nothing of it is left")
        return int(asked.expect is not None)
    _say(f"it is {asked.expect}" if asked.expect else "ended: nothing of it is left")
    return 0


def _say(words: str) -> None:
    print(words, flush=True)


def hints(name: str, scene: Scene) -> str:
    """What can be done in another terminal."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "appliance" else "appliance"
    of = "" if name == places.DEFAULT else f" --name {name}"
    host, cable = scene.nearest, next(iter(scene.cables))
    verbs = ("status", "page", "shell pi", f"shell {host}", f"unplug {cable}", "fault --list", "mend", "end")
    return "\n".join(["in another terminal:", *(f"  {program} lab {verb}{of}" for verb in verbs), "Ctrl-C ends it."])


def _shell(folder: Path, place: str | None, command: Sequence[str]) -> int:
    """Become the shell, or the command, where a host of this machine's kernel is meant; else speak to the guest's."""
    reply = ask(folder / places.CONTROL, Request("shell", (place, *command) if place is not None else ()))
    if reply.argv:
        _become(reply.argv)
    if place is None or not reply.terminal:
        return _told(reply)
    size = terminal.size()
    with terminal.line(folder / places.TERMINAL) as line:
        opened = ask(folder / places.CONTROL, Request("terminal", (place, *size)))
        if opened.failed:
            return _told(opened)
        print("(`exit` or Ctrl-D leaves it)")
        if not terminal.connect(line, opened.mark.encode()):
            raise InputError("the machine's end of the terminal is gone")
    return 0


def _page(folder: Path, port: int) -> int:
    """Until somebody ends it, or the lab. That the Pi cannot be asked is told before anything is shown."""
    where = ask(folder / places.CONTROL, Request("page"))
    if where.failed:
        return _told(where)

    def fetch(path: str) -> page.Fetched:
        reply = ask(folder / places.CONTROL, Request("page", (f"http://{where.output}{path}",)))
        if reply.failed:
            raise PermanentError(reply.output)
        return page.fetched(reply.output)

    with page.Handing(port, fetch) as server, suppress(KeyboardInterrupt):
        _say(f"http://{server.hosts[0]}/ shows it here; Ctrl-C ends that.")
        while (folder / places.CONTROL).exists():
            server.handle_request()
    return 0


def _become(argv: Sequence[str]) -> NoReturn:
    environment = {**os.environ, "PATH": search_path(os.environ.get("PATH", ""))}
    sys.stdout.flush()
    os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - there is none


def _told(reply: Reply) -> int:
    if reply.failed:
        kind = InputError if reply.code == InputError.exit_code else PermanentError
        raise kind(reply.output, hint=reply.hint)
    print(reply.output, end="" if reply.output.endswith("\n") or not reply.output else "\n")
    return reply.code
