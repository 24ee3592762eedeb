"""QEMU's monitor, as far as a hand reaches the real machine: the cables of its network cards. See QEMU's qmp-spec."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from appliance.errors import PermanentError

FILE = "monitor"
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Monitor:
    """The monitor of the QEMU that was started with `words` for the same folder."""

    folder: Path

    @staticmethod
    def words(folder: Path) -> list[str]:
        """What QEMU must be told."""
        return ["-qmp", f"unix:{folder / FILE},server=on,wait=off"]

    def set_link(self, number: int, *, up: bool) -> None:
        """Plug the cable of a network card in, or pull it."""
        self._execute("set_link", {"name": f"net{number}", "up": up})

    def _execute(self, command: str, arguments: dict[str, Any]) -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(TIMEOUT_S)
            line.connect(str(self.folder / FILE))
            with line.makefile("rw", encoding="utf-8") as stream:
                _ask(stream, {"execute": "qmp_capabilities"})
                _ask(stream, {"execute": command, "arguments": arguments})


def _ask(stream: IO[str], request: dict[str, Any]) -> None:
    """One command; greetings and events are passed over. PermanentError if QEMU refuses it."""
    stream.write(json.dumps(request) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise PermanentError(f"QEMU refuses {request}: {answer['error']['desc']}")
        if "return" in answer:
            return
    raise PermanentError("QEMU has closed its monitor")
