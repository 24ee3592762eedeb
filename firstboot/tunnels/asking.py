"""Asking the uplink's DHCP servers for 6rd's option."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path

from appliance.errors import ApplianceError
from firstboot import dhcp, files
from firstboot.asker import Asker
from firstboot.tunnels.domain import OPTION, read
from firstboot.tunnels.told import Line, Told

AGAIN_S = 3600.0
"""Who was told is asked again after so long, as a lease is renewed."""
RETRY_S, LONGEST_RETRY_S = 5.0, 300.0
"""Who was told nothing of use asks again after that, and then ever later."""
SILENT = "no DHCP server on {} answers"
UNTOLD = "the DHCP server on {} tells nothing of 6rd (option 212)"
NONSENSE = "what the DHCP server on {} tells of 6rd (option 212) cannot be used: {}"


class SixRdAsker(Asker[Line]):
    """Asks about one line; where there is none at present, what was told stays known. `on_change` is called from
    another thread.

    `remembered`: a file with what was told last. It goes with the power: a daemon that starts again goes on with it.
    """

    def __init__(
        self,
        on_change: Callable[[], object],
        remembered: Path,
        ask: Callable[[str, IPv4Address, int], bytes | None] = dhcp.option,
    ) -> None:
        super().__init__("6rd")
        self._on_change, self._remembered, self._ask = on_change, remembered, ask
        self._told = _recalled(remembered)

    @property
    def told(self) -> Told | None:
        """What was told last, perhaps to another address than ours is now; None before the first answer."""
        return self._told

    def _run(self) -> None:
        """Until there is nobody to be asked."""
        retry_s, before = RETRY_S, None
        while (line := self._current()) is not None:
            retry_s, before = (retry_s if line == before else RETRY_S), line
            if self._learn(line, self._answer(line)):
                retry_s = RETRY_S
                self._wait(line, AGAIN_S)
            else:
                self._wait(line, retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    def _answer(self, line: Line) -> bytes | None:
        try:
            return self._ask(line.interface, line.address, OPTION)
        except OSError:  # the interface is down, or gone
            return None

    def _learn(self, line: Line, answer: bytes | None) -> bool:
        """Whether there is a domain in it. Silence takes nothing back that was told there: a server may be away."""
        found = _meaning(line, answer)
        with self._changed:
            known = self._told
            is_known = known is not None and known.domain is not None and known.interface == line.interface
            if self._stopped or self._question != line or (answer is None and is_known):
                return False
            self._told = found
        if found != known:
            self._remember(line, answer if found.domain is not None else None)
            self._on_change()
        return found.domain is not None

    def _remember(self, line: Line, option: bytes | None) -> None:
        with suppress(ApplianceError, OSError):  # of a full disk, others tell
            if option is None:
                self._remembered.unlink(missing_ok=True)
                return
            content = {"interface": line.interface, "address": str(line.address), "option": option.hex()}
            files.replace(self._remembered, f"{json.dumps(content)}\n".encode())


def _meaning(line: Line, answer: bytes | None) -> Told:
    """What an answer says; None: there was none."""
    if answer is None:
        return Told(line.interface, line.address, trouble=SILENT.format(line.interface))
    if not answer:
        return Told(line.interface, line.address, trouble=UNTOLD.format(line.interface))
    try:
        return Told(line.interface, line.address, read(answer))
    except ValueError as mistake:
        return Told(line.interface, line.address, trouble=NONSENSE.format(line.interface, mistake))


def _recalled(remembered: Path) -> Told | None:
    """What the file says; None where there is none, or another version wrote it."""
    try:
        found = json.loads(remembered.read_bytes())
        line = Line(found["interface"], IPv4Address(found["address"]))
        return _meaning(line, bytes.fromhex(found["option"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
