"""QEMU boots a card in the lab."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from appliance.errors import PermanentError
from image import run as door
from image.lab.cables import WIRES
from image.lab.card import Card, boot_files
from image.lab.guest import Guest, MachineEndedError, kernel_parameters
from image.lab.machine import Machine, nics
from image.lab.monitor import Monitor
from image.lab.world import World, kill_inside

QUIET = ("-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot")
CONSOLE_LINES = 40
PINS = "/soc/gpio@7e200000"
"""A Pi's processor's, in its device tree."""


class Lab(Protocol):
    """What a machine can be booted in."""

    @property
    def world(self) -> World:
        """The namespaces, with one that is called `WIRES`."""
        ...

    @property
    def cards(self) -> Sequence[str]:
        """The TAP devices in there that are the machine's network cards, eth0 first."""
        ...


@contextmanager
def booted(
    lab: Lab,
    card: Card,
    machine: Machine,
    *,
    log: str = "console",
    parameters: Sequence[str] = (),
    second_drive: Path | None = None,
    terminal: Path | None = None,
    seen: Callable[[str], None] = lambda _: None,
) -> Iterator[Guest]:
    """The card, booted in the lab, its agent answering; the console is kept in the lab's logs, as `log`.

    The kernel gets these parameters after the card's own. A card whose machine is off can be booted again.
    `terminal`: where the socket of the machine's terminal shall be. `seen` is told what is on the console, whenever we
    look whether the machine is on.

    Raises PermanentError with the end of the console's text if the machine ends or its kernel panics.
    """
    console = lab.world.log(log)
    with tempfile.TemporaryDirectory(prefix="lab-", dir=card.path.parent) as folder:
        path = Path(folder) / "line"
        argv = [*command(card, machine, console, Path(folder), parameters), *nics(machine, lab.cards)]
        argv += machine.second_drive(second_drive) if second_drive else []
        argv += ["-chardev", f"socket,id=lab,path={path}", *Monitor.words(Path(folder))]
        if terminal is not None:
            argv += ["-chardev", f"socket,id=terminal,path={terminal},server=on,wait=off", *machine.terminal]
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            with lab.world.running(WIRES, argv, log="qemu") as child:
                alive = watch(child, console, lab.world.log("qemu"), seen)
                with accepted(listener, alive) as line:
                    guest = Guest(line, alive, card.path, Monitor(Path(folder)), kill=partial(kill_inside, child))
                    guest.wait(timeout_s=machine.boot_s)
                    yield guest


def command(
    card: Card, machine: Machine, console: Path, folder: Path, parameters: Sequence[str]
) -> Sequence[door.Word]:
    """The words of QEMU, but for the network, the second drive and the channels."""
    files = boot_files(card, folder)
    dtb: list[door.Word] = ["-dtb", device_tree(card, machine.dtb, machine, folder)] if machine.dtb else []
    added = [*machine.parameters, "panic=-1", *kernel_parameters(machine.line), *parameters]
    return [
        machine.program, *machine.words, *QUIET, "-accel", "tcg,thread=multi",
        "-kernel", files.kernel, "-initrd", files.initrd,
        *dtb,
        "-append", " ".join([files.command_line, *added]),
        *machine.storage(card.path),
        "-serial", f"file:{console}",
        *machine.chardev,
    ]  # fmt: skip


def device_tree(card: Card, name: str, machine: Machine, folder: Path) -> Path:
    """The card's own, as QEMU can play it."""
    file = card.take(name, folder)
    for node, setting, text in machine.dtb_changes:
        door.run(["fdtput", "-t", "s", file, node, setting, text])
    for node, pin in machine.dtb_pins:
        handle = door.run(["fdtget", "-t", "u", file, PINS, "phandle"]).strip()
        door.run(["fdtput", "-t", "u", file, node, "gpios", handle, str(pin), "0"])
    return file


def watch(child: door.Child, console: Path, log: Path, seen: Callable[[str], None]) -> Callable[[], None]:
    """A function that raises MachineEndedError once the machine is off, PermanentError once its kernel has panicked."""

    def alive() -> None:
        text = console.read_text(errors="replace") if console.exists() else ""
        seen(text)
        ended, panicked = child.poll() is not None, "Kernel panic" in text
        if ended or panicked:
            error = PermanentError if panicked else MachineEndedError
            last = "\n".join([log.read_text(errors="replace"), *text.splitlines()[-CONSOLE_LINES:]])
            raise error(f"the machine ended\n{last}", hint=f"its console is in {console}")

    return alive


@contextmanager
def accepted(listener: socket.socket, alive: Callable[[], None]) -> Iterator[socket.socket]:
    """QEMU's end of the line."""
    listener.settimeout(0.5)
    while True:
        alive()
        try:
            line, _ = listener.accept()
        except TimeoutError:
            continue
        with line:
            yield line
        return
