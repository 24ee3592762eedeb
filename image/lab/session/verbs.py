"""What can be asked of a running lab from another terminal."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from appliance.errors import InputError
from image.lab.guest import Guest
from image.lab.session import entering, page
from image.lab.session.door import Reply, Request
from image.lab.session.scene import Scene
from image.lab.session.session import Session

Named = TypeVar("Named")

PI = "pi"
COMMAND_S = 600.0


def answered(session: Session, request: Request) -> Reply:
    """What is done and said. Raises ApplianceError."""
    return known(VERBS, request.verb, "verb")(session, request.words)


def status(session: Session, _: Sequence[str]) -> Reply:
    """What the Pi's own `appliance status` says, and before that what is broken on purpose."""
    answer = running(session).ask(["appliance", "status"])
    broken = [f"(in the lab, on purpose: {name})" for name in session.broken]
    around = [f"({seen.what}: {seen.said})" for seen in session.seen]
    return Reply("\n".join([*broken, *around, answer.output]), answer.code if answer.code is not None else 1)


def fault(session: Session, words: Sequence[str]) -> Reply:
    """Have a fault; without a name, tell which there are."""
    faults = session.scene.faults
    if not words and not faults:
        return Reply(f"there is nothing to break in this lab but its cables: {', '.join(session.scene.cables)}\n")
    if not words:
        return Reply("".join(f"{_mark(session, name)} {name:<11} {each.about}\n" for name, each in faults.items()))
    session.break_(words[0], known(faults, words[0], "fault").broken())
    return Reply(f"{words[0]}: {faults[words[0]].about}\n")


def _mark(session: Session, name: str) -> str:
    return "*" if name in session.broken else " "


def mend(session: Session, words: Sequence[str]) -> Reply:
    """Mend one fault, or all, cables too."""
    names = words or session.broken
    for name in names:
        if name not in session.broken:
            known(session.scene.faults, name, "fault")
        session.mend(name)
    return Reply(f"mended: {', '.join(names)}\n" if names else "nothing is broken\n")


def unplug(session: Session, words: Sequence[str]) -> Reply:
    """Pull one of the Pi's cables."""
    pull = known(session.scene.cables, words[0], "cable")
    session.break_(f"unplugged {words[0]}", pull(running(session)))
    return Reply(f"{words[0]}: unplugged\n")


def plug(session: Session, words: Sequence[str]) -> Reply:
    """Put it back."""
    known(session.scene.cables, words[0], "cable")
    if f"unplugged {words[0]}" not in session.broken:
        raise InputError(f"{words[0]} is plugged in", hint=f"`appliance lab unplug {words[0]}` pulls it")
    session.mend(f"unplugged {words[0]}")
    return Reply(f"{words[0]}: plugged in\n")


def wait(session: Session, words: Sequence[str]) -> Reply:
    """Wait until it is as expected, so many seconds; else say what is not."""
    expected, timeout_s = words[0], float(words[1])
    deadline = time.monotonic() + timeout_s
    while (lacking := session.lacking(expected)) and not session.ending.wait(0.5):
        if time.monotonic() > deadline:
            return Reply("".join(f"{words}\n" for words in [f"not within {timeout_s:g} s:", *lacking]), 1)
    return Reply("\n".join(lacking), int(bool(lacking)))


def shell(session: Session, words: Sequence[str]) -> Reply:
    """A shell somewhere, or a command there: the place, and the command's words; without any, the places."""
    scene = session.scene
    if not words:
        return Reply("".join(f"  {name:<10} {about}\n" for name, about in all_places(scene).items()))
    place, *wanted = words
    command = entering.present(place, wanted) if wanted else []
    if place in scene.hosts:
        return Reply(argv=tuple(entering.host(scene.lab.world, place, scene.hosts[place].resolver, command)))
    entered = _inside(session, place)
    if not command:
        check_terminal(session, place)
        return Reply(terminal=True)
    answer = running(session).ask(entered(command), timeout_s=COMMAND_S)
    return Reply(answer.output, answer.code if answer.code is not None else 1)


def terminal(session: Session, words: Sequence[str]) -> Reply:
    """A shell on the machine's terminal: the place, rows and columns of the asker's, and its TERM."""
    place, rows, columns, term = words
    entered, guest = _inside(session, place), running(session)
    check_terminal(session, place)
    if guest.ask(["systemctl", "is-active", "--quiet", entering.UNIT]).code == 0:
        hint = f"appliance lab shell {PI} -- systemctl stop {entering.UNIT}"
        raise InputError("the machine's terminal is in use", hint=hint)
    argv, mark = ["runuser", "-l", PI] if place == PI else entered(entering.prompting(place)), secrets.token_hex(8)
    script = f"stty sane rows {rows} cols {columns}; {shlex.join(argv)}; printf %s {mark}"
    guest.ask(["systemctl", "stop", f"serial-getty@{Path(session.terminal_line).name}.service"])  # systemd's own
    guest.run(*entering.on_terminal(session.terminal_line, term), "sh", "-c", script)
    return Reply(mark=mark)


def check_terminal(session: Session, place: str) -> None:
    """Raise InputError if the machine has none for us, or cannot be spoken to yet."""
    running(session)
    if not session.terminal_line:
        raise InputError("this machine has no terminal to spare", hint=f"appliance lab shell {place} -- COMMAND")


def page_of(session: Session, words: Sequence[str]) -> Reply:
    """A file of the status page, by its address, as the nearest to the Pi gets it; without one, where the page is."""
    if not words:
        return Reply(page.address(running(session).run(*page.LISTENING)))
    place, command = session.scene.nearest, page.fetching(words[0])
    if place in session.scene.hosts:
        return Reply(session.scene.lab.world.run(place, command))
    return Reply(session.scene.computers[place].computer(running(session)).run(*command))


def all_places(scene: Scene) -> Mapping[str, str]:
    """All that one can have a shell on, and what each is."""
    inside = {name: each.about for name, each in scene.computers.items()}
    return {PI: "the Pi: log in", **inside, **{name: each.about for name, each in scene.hosts.items()}}


def _inside(session: Session, place: str) -> Callable[[Sequence[str]], list[str]]:
    """How a command becomes one of a place inside the guest."""
    if place == PI:
        return list
    known(all_places(session.scene), place, "place")
    inside = session.scene.computers[place]
    computer = inside.computer(running(session))
    return lambda command: computer.entering(entering.with_names(inside.resolver, command))


def in_guest(session: Session, words: Sequence[str]) -> Reply:
    """Run a program in the guest: what it printed is the reply's. `words`: one, a request of `Guest` in JSON."""
    asked = json.loads(words[0])
    guest = running(session)
    if "text" in asked:
        answer = guest.python(asked["text"], *asked["argv"], network=asked["network"], timeout_s=asked["timeout_s"])
    else:
        answer = guest.ask(asked["argv"], stdin=asked["stdin"], timeout_s=asked["timeout_s"])
    return Reply(json.dumps({"code": answer.code, "output": answer.output}))


def running(session: Session) -> Guest:
    """The machine. InputError if it cannot be spoken to yet."""
    if session.guest is None:
        raise InputError(f"the Pi cannot be asked yet: {session.reached}", hint="appliance lab wait ready")
    return session.guest


def known(there: Mapping[str, Named], name: str, what: str) -> Named:
    """What has this name. InputError if nothing has."""
    if name not in there:
        raise InputError(f"there is no {what} {name!r} in this lab", hint=f"there is: {', '.join(there) or 'none'}")
    return there[name]


def end(session: Session, _: Sequence[str]) -> Reply:
    """The session ends."""
    session.ending.set()
    return Reply()


VERBS: Mapping[str, Callable[[Session, Sequence[str]], Reply]] = {
    "end": end,
    "fault": fault,
    "guest": in_guest,
    "mend": mend,
    "page": page_of,
    "plug": plug,
    "shell": shell,
    "status": status,
    "terminal": terminal,
    "unplug": unplug,
    "wait": wait,
}
"""What a `Request` may ask for."""
