"""One session, from the image to its end: nothing of it is left then but the logs, where something went wrong."""

from __future__ import annotations

import math
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType

from appliance.errors import ApplianceError, PermanentError
from image.lab.card import Card
from image.lab.guest import MachineEndedError
from image.lab.machine import Machine
from image.lab.qemu import booted
from image.lab.session import needs, places, verbs
from image.lab.session.door import answering
from image.lab.session.flashed import flashed
from image.lab.session.given import look
from image.lab.session.playing import machine_of, scene_around
from image.lab.session.scene import Scene
from image.lab.session.session import EndedError, Session, Tell

EVERY_S = 2.0
AFTER_BOOT_S = 600.0
"""How long it may take, beyond a machine's `boot_s`, to be as expected, where nobody says otherwise."""
CONSOLE = "console"


@dataclass(frozen=True)
class Asked:
    """What the user wants. `expect`: end when it is so; `timeout_s`: when it is not within that."""

    image: Path
    cache: Path
    config: Path | None = None
    name: str = places.DEFAULT
    machine: str | None = None
    expect: str | None = None
    timeout_s: float | None = None
    logs: Path | None = None


def play(asked: Asked, tell: Tell, ready: Callable[[Scene], None]) -> None:
    """All of it. `tell` is told what happens; `ready` is called once other terminals may ask, with what is there.

    Raises PermanentError if it is not as expected, and KeyboardInterrupt when a signal ends it.
    """
    needs.check()
    given = look(asked.image, asked.config, asked.logs, tell)
    machine = machine_of(asked.machine, is_32_bit=given.is_32_bit)
    with (
        ended_by_signals(),
        places.claimed(asked.name, tell) as folder,
        places.files(folder) as place,
        kept_logs(asked.logs, place) as logs,
        scene_around(given.appliance, machine, logs, asked.cache) as scene,
    ):
        session = Session(scene, tell, machine.terminal_line)
        with answering(folder / places.CONTROL, partial(verbs.answered, session)), session.mended():
            if scene.lacks:
                tell(scene.lacks)
            card = flashed(given, place, tell)
            ready(scene)
            powered(session, card, machine, folder / places.TERMINAL, asked)


def powered(session: Session, card: Card, machine: Machine, terminal: Path, asked: Asked) -> None:
    """The machine runs, until somebody ends it or turns it off, or it is as expected.

    PermanentError if it is not within the time, or fails.
    """
    scene = session.scene
    if asked.expect is not None:
        session.expect(asked.expect, asked.timeout_s or machine.boot_s + AFTER_BOOT_S)
    power = booted(
        scene.lab,
        card,
        replace(machine, boot_s=math.inf),  # it is the session that has an end
        log=CONSOLE,
        parameters=scene.parameters,
        second_drive=scene.second_drive,
        terminal=terminal if machine.terminal else None,
        seen=session.hear,
    )
    session.tell = timed(session.tell)
    session.tell(f"power: on; QEMU plays {machine.name}")
    try:
        with power as guest:
            session.tell("the system: can be spoken to")
            scene.prepare(guest)
            session.guest = guest
            watch(session)
    except EndedError:
        pass
    except MachineEndedError:
        if session.guest is None or asked.expect is not None:
            raise
        session.tell("power: off; the lab does not switch it on again")
    if asked.expect is not None and (lacking := session.lacking(asked.expect)):
        raise PermanentError("\n".join([f"it is not {asked.expect}:", *lacking]))


def watch(session: Session) -> None:
    """Look again and again, until somebody ends the session, or it is as expected, or the time for that is over."""
    while not session.is_as_expected():
        try:
            session.look()
        except TimeoutError as error:
            session.tell(str(error))  # a busy computer, or a machine that hangs: the user sees which
        session.ending.wait(EVERY_S)


def timed(tell: Tell) -> Tell:
    """The same, with the seconds since now before each sentence."""
    began_s = time.monotonic()
    return lambda words: tell(f"{time.monotonic() - began_s:6.1f} s  {words}")


@contextmanager
def kept_logs(asked: Path | None, place: Path) -> Iterator[Path]:
    """The folder for the logs while the block runs: the one that is asked for, or one in the lab's own `place`.

    Where something goes wrong, the latter is moved to where it stays, and the error says where.
    """
    kept = asked.absolute() if asked is not None else place / "logs"  # in a world, relative paths are others
    try:
        yield kept
    except (ApplianceError, TimeoutError) as error:
        if not (kept / f"{CONSOLE}.log").exists():
            raise
        if asked is None:
            kept = kept.rename(Path(tempfile.mkdtemp(prefix="appliance-lab-logs-")) / "logs")
        message = error.message if isinstance(error, ApplianceError) else str(error)
        raise PermanentError(
            message, hint=f"the console is in {kept / f'{CONSOLE}.log'}, other logs beside it"
        ) from error


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A signal that asks us to end raises KeyboardInterrupt, once: what follows is not disturbed by another one."""
    asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_: int, __: FrameType | None) -> None:
        for each in asking:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in asking}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
