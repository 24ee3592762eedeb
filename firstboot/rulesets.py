"""What is to be known of a firewall's rules; reading iptables-save, and writing for iptables-restore. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

HOOKS = (
    ("filter", "INPUT", "appliance-closed"),
    ("filter", "FORWARD", "appliance-closed"),
    ("mangle", "FORWARD", "appliance-mss"),
    ("nat", "PREROUTING", "appliance-dnat"),
    ("nat", "POSTROUTING", "appliance-nat"),
)
"""The jumps into the chains of ours that ufw has no place for: (table, chain, target).

Only where such a chain has a rule: a table that nothing jumps from is not asked about packets at all.
"""

_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
"""ufw's chains, in the order in which it hooks them into a built-in chain (ufw-init-functions, ufw_start)."""

TABLES = ("filter", "nat", "mangle", "raw", "security")
"""Those that iptables knows."""

BUILT_IN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
"""The chains that belong to everybody: rules of ours are beside others' there, and no load empties them."""

CLOSED = (("filter", "INPUT"), ("filter", "FORWARD"))
"""The built-in chains that are to drop what no rule decides."""

OPEN = ("filter", "OUTPUT")
"""The one that is not to."""

_VERSIONED = ("ufw-before-input", "ufw6-before-input")
"""The chains with a rule whose comment tells the version of all rules; anywhere else it is somebody's copy."""

_LOOKED_UP = re.compile("appliance-(in|dnat-tcp|dnat-udp)(-[0-9]+)?")
"""Our chains that come and go: there are as many as the services need."""

_COMMENT = re.compile(r'--comment "([^"]*)"')
"""One that has a space, as ours do, is quoted."""

_COUNTED = re.compile(r"\[([0-9]+):([0-9]+)\] -A (\S+)")
_VERSION = re.compile("appliance ([0-9a-f]+)")
_MARK_DIGITS = 12

Place = tuple[str, str]
"""(table, chain)."""


@dataclass(frozen=True)
class Rule:
    """One rule. `jump`: the chain that it leads to whatever the packet is, or "".

    `content`: all that it asks for and does, in whatever form it was told, without what changes by itself.
    """

    table: str
    chain: str
    jump: str = ""
    comments: tuple[str, ...] = ()
    content: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True)
class Ruleset:
    """Rules of all tables of one family.

    `dropping`: the built-in chains, as (table, chain), that drop what no rule decides; `counts`: (table, chain) →
    number of rules; `jumps`: (table, chain, target) → number of unconditional jumps to another chain; `digests`: of
    what the rules of a chain are, comparable only among those that were told in the same form; `loaded`: the mark of
    the text that its chains hold, rule for rule, or "" where that is not known; `remembered`: that of the text which
    was loaded last, and `altered` its chains that are others since.
    """

    version: str = ""
    dropping: frozenset[tuple[str, str]] = frozenset()
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    jumps: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    digests: Mapping[Place, str] = field(default_factory=dict, compare=False, repr=False)
    loaded: str = ""
    remembered: str = field(default="", compare=False, repr=False)
    altered: frozenset[Place] = field(default=frozenset(), compare=False, repr=False)

    @property
    def is_closed(self) -> bool:
        """Whether what no rule decides is dropped, on its way in or through."""
        return self.dropping >= set(CLOSED)

    @property
    def is_ours(self) -> bool:
        """Whether any of our chains is reached, or the rules of a policy are there."""
        return bool(self.version) or any(target.startswith("appliance-") for _, _, target in +self.jumps)

    @property
    def has_our_policies(self) -> bool:
        """The same, and not on its way out."""
        return self.is_closed and OPEN not in self.dropping


def ruleset(dropping: Iterable[tuple[str, str]], rules: Iterable[Rule]) -> Ruleset:
    """What there is to be known of these; the rules of a chain are in the order in which they stand."""
    found = Ruleset(dropping=frozenset(dropping))
    version = ""
    digests: defaultdict[Place, Any] = defaultdict(sha256)
    for rule in rules:
        if rule.table not in TABLES:
            continue
        found.counts[rule.table, rule.chain] += 1
        digests[rule.table, rule.chain].update(len(rule.content).to_bytes(4, "big") + rule.content)
        if rule.jump:
            found.jumps[rule.table, rule.chain, rule.jump] += 1
        if rule.comments and rule.chain in _VERSIONED:
            version = next((match[1] for each in rule.comments if (match := _VERSION.fullmatch(each))), version)
    return replace(found, version=version, digests={place: digest.hexdigest() for place, digest in digests.items()})


@dataclass(frozen=True)
class Known:
    """What the chains of a text were, as the kernel told right after that was loaded; `mark`: the text's."""

    mark: str
    digests: Mapping[Place, str]


def known(text: str, kernel: Ruleset) -> Known:
    """Of all chains that `text` declares, those without a rule too: one that is put into them counts as well."""
    declared, _ = _tables(text)
    places = [(table, _chain_in(line)) for table, lines in declared.items() for line in lines]
    return Known(mark_of(text), {place: kernel.digests.get(place, "") for place in places if place[1] not in BUILT_IN})


def compared(kernel: Ruleset, before: Known | None) -> Ruleset:
    """The same, with the mark of the text that was loaded, if nobody has altered anything of it since."""
    if before is None:
        return kernel
    altered = [place for place, digest in before.digests.items() if kernel.digests.get(place, "") != digest]
    loaded = "" if altered else before.mark
    return replace(kernel, loaded=loaded, remembered=before.mark, altered=frozenset(altered))


def intact_chains(kernel: Ruleset, text: str, before: Known | None) -> frozenset[Place]:
    """The chains that `text` declares and that are as they were when it was loaded: they need not be exchanged."""
    if before is None or before.mark != mark_of(text):
        return frozenset()
    reached = {(table, target) for table, _, target in +kernel.jumps}
    same = {place: digest for place, digest in before.digests.items() if kernel.digests.get(place, "") == digest}
    # One without a rule may not be there at all.
    return frozenset(place for place, digest in same.items() if digest or place in reached)


def removing(text: str, kernel: Ruleset) -> str:
    """What iptables-restore --noflush must read to remove our chains that `text` has no more; "": there are none.

    The rules of `text` are in force: nothing of ours leads there.
    """
    declared, _ = _tables(text)
    wanted = {(table, _chain_in(line)) for table, lines in declared.items() for line in lines}
    left: dict[str, list[str]] = {}
    for table, chain in sorted(kernel.counts.keys() - wanted):
        if table in ("filter", "nat") and _LOOKED_UP.fullmatch(chain):
            left.setdefault(table, []).append(chain)
    blocks = [
        [f"*{table}", *(f":{chain} - [0:0]" for chain in chains), *(f"-X {chain}" for chain in chains), "COMMIT\n"]
        for table, chains in left.items()
    ]
    return "".join("\n".join(lines) for lines in blocks)


def mark_of(text: str) -> str:
    """What tells a text from others."""
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:_MARK_DIGITS]


def parse(text: str) -> Ruleset:
    """Read rules as iptables-save writes and iptables-restore reads them."""
    table = ""
    dropping: set[tuple[str, str]] = set()
    chains: set[tuple[str, str]] = set()
    rules: list[Rule] = []
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            chains.add((table, words[0][1:]))
            if words[1] == "DROP":
                dropping.add((table, words[0][1:]))
        elif line.startswith(("-A ", "-I ")):
            is_jump = len(words) == 4 and words[2] == "-j" and (table, words[3]) in chains
            comments = tuple(_COMMENT.findall(line))
            rules.append(Rule(table, words[1], words[3] if is_jump else "", comments, line.encode()))
    return ruleset(dropping, rules)


def counts(text: str) -> Mapping[Place, Sequence[tuple[int, int]]]:
    """What each rule has counted, from what iptables-save says with its counters: packets and bytes, in order."""
    found: dict[Place, list[tuple[int, int]]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif (match := _COUNTED.match(line)) is not None:
            found.setdefault((table, match[3]), []).append((int(match[1]), int(match[2])))
    return found


def hooks(family: int) -> tuple[tuple[str, str, str], ...]:
    """Every jump that is not in a file, in order: ufw's, the one to the user's rules, and ours."""
    chain = "ufw" if family == 4 else "ufw6"
    found = []
    for builtin in ("INPUT", "OUTPUT", "FORWARD"):
        direction = builtin.lower()
        found += [("filter", builtin, f"{chain}-{stage}-{direction}") for stage in _STAGES]
        found.append(("filter", f"{chain}-before-{direction}", f"{chain}-user-{direction}"))
    return (*found, *HOOKS)


@lru_cache(maxsize=4)
def hooked(text: str, family: int) -> Mapping[tuple[str, str, str], int]:
    """How often each of the `hooks` must be there with the rules of a text: once, or not at all.

    Kept, as the same text is wanted in nearly every pass.
    """
    _, rules = _tables(text)
    filled = {(table, _chain_in(line)) for table, lines in rules.items() for line in lines}
    return {hook: int(hook not in HOOKS or (hook[0], hook[2]) in filled) for hook in hooks(family)}


def others_in(kernel: Ruleset, family: int) -> Mapping[str, int]:
    """The rules in the filter table's built-in chains that are neither ufw's nor ours, by chain: how many, if any."""
    counts = {chain: kernel.counts["filter", chain] for chain in BUILT_IN}
    for table, chain, target in hooks(family):
        if table == "filter" and chain in counts:
            counts[chain] -= kernel.jumps[table, chain, target]
    return {chain: count for chain, count in counts.items() if count > 0}


def framework(family: int) -> str:
    """The chains that ufw makes by itself when it starts, for the defaults: deny in, allow out, deny through."""
    chain = "ufw" if family == 4 else "ufw6"
    directions = {"input": "DROP", "output": "ACCEPT", "forward": "DROP"}
    stages = (*_STAGES, "user", "user-logging", "skip-to-policy")
    lines = [f":{chain}-{stage}-{direction} - [0:0]" for stage in stages for direction in directions]
    lines += [
        f":{chain}-{name} - [0:0]" for name in ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")
    ]
    lines += [f"-A {chain}-skip-to-policy-{direction} -j {policy}" for direction, policy in directions.items()]
    lines += [f"-A {chain}-track-output -p {kind} -m conntrack --ctstate NEW -j ACCEPT" for kind in ("tcp", "udp")]
    return "\n".join(["*filter", *lines, "COMMIT\n"])


CLOSING = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\nCOMMIT\n"
"""What shuts the machine, whatever else may be wrong; of itself it cannot fail."""


_GIVEN_BACK = re.compile("(ufw6?|appliance)-.*")
"""The chains that go with the profile."""


def opening(saved: str) -> str:
    """What iptables-restore --noflush must read so that nothing is left of ufw and of us; `saved`: what iptables-save
    says. What others have in the built-in chains stays; ufw makes its chains anew when it starts.
    """
    declared, rules = _tables(saved)
    blocks = []
    for table, lines in declared.items():
        ours = [chain for line in lines if _GIVEN_BACK.fullmatch(chain := _chain_in(line))]
        accepting = [f":{chain} ACCEPT" for each, chain in (*CLOSED, OPEN) if each == table]
        leading = [line for line in rules.get(table, ()) if _chain_in(line) not in ours and line.split()[-1] in ours]
        jumps = [line for line in leading if _chain_in(line) in BUILT_IN]
        held = {line.split()[-1] for line in leading if line not in jumps}  # by somebody's own chain
        blocks += [f"*{table}", *accepting, *(f":{chain} - [0:0]" for chain in ours)]
        blocks += [*(f"-D{line[2:]}" for line in jumps), *(f"-X {chain}" for chain in ours if chain not in held)]
        blocks.append("COMMIT")
    return "".join(f"{line}\n" for line in blocks)


def in_built_in(text: str) -> tuple[tuple[str, str], ...]:
    """The rules that `text` adds to chains that it does not empty, each with its table: a user's, in after.rules."""
    _, rules = _tables(text)
    lines = ((table, line) for table, lines in rules.items() for line in lines)
    return tuple((table, line) for table, line in lines if _chain_in(line) in BUILT_IN)


def restoring(
    text: str,
    kernel: Ruleset,
    family: int,
    present: Collection[tuple[str, str]] = (),
    intact: Collection[Place] = (),
) -> str:
    """What iptables-restore --noflush must read to put everything right, each table in one step.

    Each chain that `text` declares, but for those that are `intact`, is emptied and filled. So the jump to the user's
    rules, at the end of ufw's chains, has to be laid again. The jumps in the built-in chains are laid again only where
    one of them is missing, doubled or for nothing; other programs' rules there keep their place. So does what is
    `present` of `in_built_in`.
    """
    declared, rules = _tables(text, without=intact)
    rules = {table: [line for line in lines if (table, line) not in present] for table, lines in rules.items()}
    filled = {(table, _chain_in(line)) for table, lines in rules.items() for line in lines}
    wanted = hooked(text, family)
    for table, chain in dict.fromkeys((table, chain) for table, chain, _ in wanted):
        counts = {hook: count for hook, count in wanted.items() if hook[:2] == (table, chain)}
        jumps = [f"-A {chain} -j {target}" for (_, _, target), count in counts.items() if count]
        lines = rules.setdefault(table, [])
        if (table, chain) in filled and chain not in BUILT_IN:
            lines += jumps
        elif any(kernel.jumps[hook] != count for hook, count in counts.items()):
            for hook in counts:
                lines += [f"-D {chain} -j {hook[2]}"] * kernel.jumps[hook]
            lines += jumps
    blocks = {table: [*declared.get(table, []), *lines] for table, lines in rules.items()}
    # After a step that removes rules, the next one waits until nobody uses those any more: none is made for nothing.
    return "".join("\n".join([f"*{table}", *lines, "COMMIT\n"]) for table, lines in blocks.items() if lines)


def _tables(text: str, without: Collection[Place] = ()) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By table: the chains that are declared, each once, and the rules; `without`: these are left out."""
    declared: dict[str, list[str]] = {}
    rules: dict[str, list[str]] = {}
    for table, chain, line in _statements(text):
        is_declaration = line.startswith(":")
        lines = (declared if is_declaration else rules).setdefault(table, [])
        if (table, chain) not in without and not (is_declaration and line in lines):
            lines.append(line)
    return declared, rules


@lru_cache(maxsize=4)
def _statements(text: str) -> Sequence[tuple[str, str, str]]:
    """Each declaration and rule, after its table and chain. Kept, as the same text is loaded again and again."""
    found = []
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith((":", "-")):
            found.append((table, _chain_in(line), line))
    return found


def _chain_in(line: str) -> str:
    """The chain that a line declares, or that its rule is in."""
    words = line.split()
    return words[0][1:] if line.startswith(":") else words[1]
