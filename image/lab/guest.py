"""A booted machine, spoken to over a serial line of its own: never over its console, and without changing its image.

systemd takes a unit from the kernel's command line (systemd.system-credentials(7), `systemd.extra-unit.*`);
that unit opens the line, says hello, and runs the text of `agent` that it is sent.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import PermanentError
from image.lab.monitor import Monitor

HELLO = b"lab-hello\n"
UNIT = "lab-agent.service"
BOOTSTRAP = (
    "import os,time,tty\n"
    "while not os.path.exists('{device}'): time.sleep(0.5)\n"
    "line=open('{device}','r+b',0)\n"
    "if line.isatty(): tty.setraw(line)\n"
    "line.write({hello})\n"
    "exec(line.readline())\n"
)


def unit(device: str) -> str:
    """The unit that runs the agent on a serial device of the guest, as soon as the system is up enough."""
    program = BOOTSTRAP.format(device=device, hello=HELLO).encode().hex()
    return f"""[Unit]
After=basic.target
[Service]
ExecStart=/usr/bin/python3 -c "exec(bytes.fromhex('{program}'))"
"""


def kernel_parameters(device: str) -> list[str]:
    """What the kernel's command line needs so that the agent runs."""
    credential = base64.b64encode(unit(device).encode()).decode()
    return [f"systemd.set_credential_binary=systemd.extra-unit.{UNIT}:{credential}", f"systemd.wants={UNIT}"]


GONE_S = 5.0
"""A machine whose line is broken is known to be off within this."""


class MachineEndedError(PermanentError):
    """The machine is off: a failure, unless it was shut down."""


@dataclass(frozen=True)
class Answer:
    """What a program in the guest printed (stdout and stderr), and its exit code; None: it did not end or start."""

    code: int | None
    output: str


def replied(line: bytes) -> dict[str, Any]:
    """What the agent has answered; empty for a line that is no answer."""
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(line[4:]))) if line.startswith(b"lab ") else {}
    return found


@dataclass(frozen=True)
class Verdict:
    """`ready`, or another word and the reasons for it."""

    verdict: str
    reasons: list[str]


class Guest:
    """The guest's end of the line, held by us. `alive` raises when the machine is gone."""

    def __init__(
        self,
        line: socket.socket,
        alive: Callable[[], None],
        card: Path,
        monitor: Monitor | None = None,
        *,
        kill: Callable[[], None] = lambda: None,
    ) -> None:
        """`line` is connected; `card` is the file that the machine has as its disk, `monitor` works on the machine.

        `kill` ends it at once.
        """
        self.line = line
        self.alive = alive
        self.card = card
        self.monitor = monitor
        self.kill = kill
        self.buffer = b""
        self.asking = threading.Lock()
        self.number = 0

    def wait(self, *, timeout_s: float) -> None:
        """Wait until the agent runs; TimeoutError if it does not, PermanentError if the machine ends."""
        while not self.read_line(timeout_s).endswith(HELLO):
            pass  # whatever the firmware or kernel may have written on it
        text = (Path(__file__).parent / "agent.py").read_bytes()
        program = base64.b64encode(zlib.compress(text)).decode()
        self.line.sendall(f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{program}')))\n".encode())

    def ask(self, argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> Answer:
        """Run a program in the guest; one after the other, whoever asks.

        TimeoutError if no answer comes, PermanentError if the machine ends. An answer that comes later is nobody's.
        """
        return self._request({"argv": list(argv), "stdin": stdin, "timeout_s": timeout_s})

    def python(self, text: str, *argv: str, network: str = "", timeout_s: float = 60) -> Answer:
        """Run the text of a Python program in the guest, in one of its network namespaces, and within the agent itself.

        So it costs next to nothing, and may be asked often. An exception is exit code 1, and told as output.
        """
        return self._request({"text": text, "argv": argv, "network": network, "timeout_s": timeout_s})

    def _request(self, request: dict[str, Any]) -> Answer:
        timeout_s: float = request["timeout_s"]
        with self.asking:
            self.number += 1
            numbered = {"number": self.number, **request}
            with self._line_of_what_runs():
                self.line.sendall(base64.b64encode(zlib.compress(json.dumps(numbered).encode())) + b"\n")
            while (reply := replied(self.read_line(timeout_s + 15))).get("number") != self.number:
                pass
        return Answer(reply["code"], reply["output"])

    def verdict(self, *, timeout_s: float) -> Verdict:
        """What the guest says of itself; it waits up to `timeout_s` seconds for the appliance to be ready."""
        text = (Path(__file__).parent / "verdict.py").read_text()
        answer = self.python(text, str(timeout_s), timeout_s=timeout_s + 30)
        if answer.code != 0:
            raise PermanentError(f"the guest could not decide: {answer.output}")
        return Verdict(**json.loads(answer.output))

    def write(self, path: str, text: str) -> None:
        """Write a file in the guest."""
        answer = self.ask(["tee", path], stdin=text)
        if answer.code != 0:
            raise PermanentError(f"in the guest: {path} could not be written\n{answer.output}")

    def run(self, *argv: str, timeout_s: float = 60) -> str:
        """What a program in the guest printed; PermanentError if it failed."""
        answer = self.ask(argv, timeout_s=timeout_s)
        if answer.code != 0:
            raise PermanentError(f"in the guest: {' '.join(argv)} ended with {answer.code}\n{answer.output}")
        return answer.output

    @contextmanager
    def unplugged(self, number: int = 0) -> Iterator[None]:
        """The cable of a network card (0: eth0) is pulled while the block runs: the guest sees no carrier."""
        assert self.monitor is not None
        self.monitor.set_link(number, up=False)
        try:
            yield
        finally:
            self.monitor.set_link(number, up=True)

    def cut_power(self) -> None:
        """Pull the plug: what the guest has not written to its disk by now is lost."""
        self.kill()

    def power_off(self, *, timeout_s: float) -> None:
        """Shut the machine down, as one should before the card is pulled. TimeoutError if it stays on."""
        self.ask(["systemctl", "--no-block", "poweroff"])
        with suppress(MachineEndedError):
            while True:
                self.read_line(timeout_s)

    @contextmanager
    def _line_of_what_runs(self) -> Iterator[None]:
        """A line breaks a moment before its machine is found to have ended."""
        try:
            yield
        except ConnectionError as error:
            until = time.monotonic() + GONE_S
            while time.monotonic() < until:
                self.alive()
                time.sleep(GONE_S / 100)
            raise MachineEndedError(f"the machine's line is broken: {error.strerror}") from error

    def read_line(self, timeout_s: float) -> bytes:
        """The next line; TimeoutError after that many seconds, PermanentError if the machine ended."""
        deadline = time.monotonic() + timeout_s
        self.line.settimeout(0.5)
        while b"\n" not in self.buffer:
            self.alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the guest said nothing for {timeout_s:g} s")
            with suppress(TimeoutError), self._line_of_what_runs():
                self.buffer += self.line.recv(65536)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"
