"""The firewall's rules in the kernel: read and shut by netlink, exchanged by iptables-restore."""

from __future__ import annotations

from pathlib import Path

from firstboot.command import run, run_until
from firstboot.nftables import Nftables
from firstboot.rulesets import CLOSING, Ruleset, parse, restoring

PROGRAMS = Path("/usr/sbin")
_NAMES = {4: "iptables", 6: "ip6tables"}
_LEGACY = "xtables-legacy-multi"
_LOADED = "# loaded"


class Iptables:
    """The rules of both families, in the network namespace in which the object was made.

    An iptables that is the legacy one has rules that nf_tables knows nothing of, and nobody tells when they change:
    then its own programs do everything, and what others do to them is seen when everything is looked at.
    """

    def __init__(self) -> None:
        self._nftables = Nftables()

    def rules(self, family: int) -> Ruleset:
        """The rules as they are."""
        if is_legacy(family):
            return parse(run([f"{_NAMES[family]}-save"]))
        return self._nftables.ruleset(family)

    def shut(self, family: int) -> None:
        """Have dropped what no rule decides, on its way in or through. Whatever is wrong with rules, this goes in."""
        if is_legacy(family):
            run(_restore(family), stdin=CLOSING)
        else:
            self._nftables.shut(family)

    def load(self, family: int, text: str, kernel: Ruleset) -> None:
        """Exchange the chains that `text` declares, each table in one step; `kernel`: the rules as they are.

        It is over once the rules are in force: to end, iptables-restore waits until nobody uses the old ones any more.
        """
        # `ufw reload` stops before it starts, and in between everything is accepted. iptables-restore
        # exchanges the chains that a file declares in one step, and ufw reads the same files at boot.
        if not kernel.is_closed:
            self.shut(family)
        exchange = f"{restoring(text, kernel, family)}{_LOADED}\n"
        run_until(_LOADED, [*_restore(family), "--verbose"], stdin=exchange)  # it repeats each comment that it reads


def _restore(family: int) -> list[str]:
    return [f"{_NAMES[family]}-restore", "--wait", "--noflush"]


def is_legacy(family: int, folder: Path = PROGRAMS) -> bool:
    """Whether the machine's iptables is the one that has its rules elsewhere (update-alternatives knows both)."""
    try:
        return (folder / f"{_NAMES[family]}-restore").samefile(folder / _LEGACY)
    except FileNotFoundError:
        return False
