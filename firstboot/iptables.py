"""The firewall's rules in the kernel: read and shut by netlink, exchanged by iptables-restore."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from appliance.errors import TemporaryError
from firstboot.command import run, run_until
from firstboot.files import setting
from firstboot.nftables import Changes, Nftables
from firstboot.rulesets import (
    CLOSING,
    Known,
    Place,
    Ruleset,
    compared,
    counts,
    in_built_in,
    intact_chains,
    known,
    mark_of,
    opening,
    parse,
    removing,
    restoring,
)
from firstboot.ufw_lock import UfwLock

PROGRAMS = Path("/usr/sbin")
_NAMES = {4: "iptables", 6: "ip6tables"}
_LEGACY = "xtables-legacy-multi"
_LOADED = "# loaded"


class Iptables:
    """The rules of both families, in the network namespace in which the object was made.

    An iptables that is the legacy one has rules that nf_tables knows nothing of, and nobody tells when they change:
    then its own programs do everything, and what others do to them is seen when everything is looked at.

    What the rules of a text become in the kernel is nowhere written down, and iptables rewrites them too freely to
    compare text. So it is remembered what they were when they had just been loaded.
    """

    def __init__(self) -> None:
        self._nftables = Nftables()
        self._ufw = UfwLock()
        self._known: dict[int, Known] = {}
        """By family: what was loaded, and by nobody else."""
        self._seen: dict[int, Known] = {}
        """By family: what was there after the last load, whoever may have had a hand in it."""

    def rules(self, family: int) -> Ruleset:
        """The rules as they are. Before the first load nobody knows whether they are those of a text."""
        return compared(self._told(family), self._known.get(family))

    def _told(self, family: int) -> Ruleset:
        if is_legacy(family):
            return parse(run([f"{_NAMES[family]}-save"]))
        return self._nftables.ruleset(family)

    def counts(self, family: int) -> Mapping[Place, Sequence[tuple[int, int]]]:
        """What each rule has counted, in the order of its chain: packets and bytes."""
        if is_legacy(family):
            return counts(run([f"{_NAMES[family]}-save", "--counters"]))
        return self._nftables.counts(family)

    def shut(self, family: int) -> None:
        """Have dropped what no rule decides, on its way in or through. Whatever is wrong with rules, this goes in."""
        if is_legacy(family):
            run(_restore(family), stdin=CLOSING)
        else:
            self._nftables.shut(family)

    def open(self, family: int) -> None:
        """Remove ufw's chains and ours. Raises `TemporaryError` while ufw is at work."""
        self._known.pop(family, None)
        with self._ufw.taken():
            run(_restore(family), stdin=opening(run([f"{_NAMES[family]}-save"])))

    def load(self, family: int, text: str, kernel: Ruleset) -> Ruleset:
        """Exchange the chains that `text` declares, each table in one step; `kernel`: the rules as they are.

        How they are afterwards is returned.

        Those that are as they were when the same text was loaded stay, with what they have counted.
        It is over once the rules are in force: to end, iptables-restore waits until nobody uses the old ones any more.
        Raises `TemporaryError` while ufw is at work; what is open is shut all the same.
        """
        # `ufw reload` stops before it starts, and in between everything is accepted. iptables-restore
        # exchanges the chains that a file declares in one step, and ufw reads the same files at boot.
        if not kernel.has_our_policies:
            self.shut(family)
        with self._ufw.taken():
            return self._load(family, text, kernel)

    def _load(self, family: int, text: str, kernel: Ruleset) -> Ruleset:
        present = [(table, rule) for table, rule in in_built_in(text) if _is_there(family, table, rule)]
        before = self._known.get(family)
        intact = intact_chains(kernel, text, before)
        if intact:
            _exchange(family, restoring(text, kernel, family, present, intact))
            kernel = compared(self._told(family), before)
        if not intact or kernel.loaded != mark_of(text):
            kernel = self._load_all(family, text, restoring(text, kernel, family, present))
            if removal := removing(text, kernel):
                _remove(family, removal)
                kernel = self.rules(family)
        return kernel

    def _load_all(self, family: int, text: str, exchange: str) -> Ruleset:
        self._known.pop(family, None)
        with closing(Changes()) as changes:
            _exchange(family, exchange)
            kernel = self._told(family)
            found = known(text, kernel)
            is_ours = is_legacy(family) or changes.are_of_one(self._nftables.generation())
        # What somebody else changed meanwhile may be in what was found. Where that is not known, it is not what is
        # found twice.
        if is_ours or (is_ours is None and self._seen.get(family) == found):
            self._known[family] = found
        self._seen[family] = found
        return compared(kernel, self._known.get(family))


def _exchange(family: int, exchange: str) -> None:
    """It repeats each comment that it reads."""
    run_until(_LOADED, [*_restore(family), "--verbose"], stdin=f"{exchange}{_LOADED}\n")


def _remove(family: int, removal: str) -> None:
    """What somebody else's rule leads to stays: it is in nobody else's way."""
    with suppress(TemporaryError):
        run(_restore(family), stdin=removal)


def _restore(family: int) -> list[str]:
    return [f"{_NAMES[family]}-restore", "--wait", "--noflush"]


def _is_there(family: int, table: str, rule: str) -> bool:
    """Whether a built-in chain has a rule already, which a load would add once more."""
    try:
        command, chain, *rest = shlex.split(rule)
        if command == "-I" and rest[:1] and rest[0].isdigit():
            del rest[0]
        run([_NAMES[family], "--wait", "-t", table, "-C", chain, *rest])
    except (TemporaryError, ValueError):
        return False  # if it cannot be read either, iptables-restore says so
    return True


def legacy_tables(family: int) -> Sequence[str]:
    """The tables that the legacy iptables has beside those of nf_tables: what they drop is dropped, whatever these say.

    A table is there from when it was first used, with rules or without. In the network namespace of the caller.
    """
    if is_legacy(family):
        return ()
    return (setting(f"/proc/thread-self/net/{'ip' if family == 4 else 'ip6'}_tables_names") or "").split()


def is_legacy(family: int, folder: Path = PROGRAMS) -> bool:
    """Whether the machine's iptables is the one that has its rules elsewhere (update-alternatives knows both)."""
    try:
        return (folder / f"{_NAMES[family]}-restore").samefile(folder / _LEGACY)
    except FileNotFoundError:
        return False
