"""Reading what iptables-save prints, and writing what iptables-restore reads. Pure."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

HOOKS = (("mangle", "FORWARD", "appliance-mss"), ("nat", "POSTROUTING", "appliance-nat"))
"""The jumps into the chains of ours that ufw has no place for: (table, chain, target)."""

_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
"""ufw's chains, in the order in which it hooks them into a built-in chain (ufw-init-functions, ufw_start)."""

_VERSION = re.compile(r'--comment "appliance ([0-9a-f]+)"')


@dataclass(frozen=True)
class Ruleset:
    """Rules of all tables of one family.

    `policies`: (table, chain) → policy of a built-in chain; `counts`: (table, chain) → number of rules;
    `jumps`: (table, chain, target) → number of unconditional jumps.
    """

    version: str = ""
    policies: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    jumps: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def is_closed(self) -> bool:
        """Whether what no rule decides is dropped, on its way in or through."""
        return all(self.policies.get(("filter", chain)) == "DROP" for chain in ("INPUT", "FORWARD"))


def parse(text: str) -> Ruleset:
    """Read rules as iptables-save writes and iptables-restore reads them."""
    table, version = "", ""
    policies: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()
    jumps: Counter[tuple[str, str, str]] = Counter()
    for line in text.splitlines():
        words = line.split()
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":") and words[1] != "-":
            policies[table, words[0][1:]] = words[1]
        elif line.startswith(("-A ", "-I ")):
            counts[table, words[1]] += 1
            if len(words) == 4 and words[2] == "-j":
                jumps[table, words[1], words[3]] += 1
            if match := _VERSION.search(line):
                version = match[1]
    return Ruleset(version, policies, counts, jumps)


def hooks(family: int) -> tuple[tuple[str, str, str], ...]:
    """Every jump that must be there exactly once, in order: ufw's, the one to the user's rules, and ours."""
    chain = "ufw" if family == 4 else "ufw6"
    found = []
    for builtin in ("INPUT", "OUTPUT", "FORWARD"):
        direction = builtin.lower()
        found += [("filter", builtin, f"{chain}-{stage}-{direction}") for stage in _STAGES]
        found.append(("filter", f"{chain}-before-{direction}", f"{chain}-user-{direction}"))
    return (*found, *HOOKS)


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


CLOSING = "*filter\n:INPUT DROP\n:FORWARD DROP\nCOMMIT\n"
"""What shuts the machine, whatever else may be wrong; of itself it cannot fail."""


def restoring(text: str, kernel: Ruleset, family: int) -> str:
    """What iptables-restore --noflush must read to put everything right, each table in one step.

    Each chain that `text` declares is emptied and filled. So the jump to the user's rules, at the end of ufw's
    chains, has to be laid again. The jumps in the built-in chains are laid again only where one of them is
    missing or doubled; other programs' rules there keep their place.
    """
    declared, rules = _tables(text)
    filled = {(table, line.split()[1]) for table, lines in rules.items() for line in lines}
    for table, chain in dict.fromkeys((table, chain) for table, chain, _ in hooks(family)):
        targets = [target for hooked, source, target in hooks(family) if (hooked, source) == (table, chain)]
        jumps = [f"-A {chain} -j {target}" for target in targets]
        lines = rules.setdefault(table, [])
        if (table, chain) in filled:
            lines += jumps
        elif any(kernel.jumps[table, chain, target] != 1 for target in targets):
            for target in targets:
                lines += [f"-D {chain} -j {target}"] * kernel.jumps[table, chain, target]
            lines += jumps
    blocks = {table: [*declared.get(table, []), *lines] for table, lines in rules.items()}
    return "".join("\n".join([f"*{table}", *lines, "COMMIT\n"]) for table, lines in blocks.items())


def _tables(text: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By table: the chains that are declared, each once, and the rules."""
    declared: dict[str, list[str]] = {}
    rules: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            chains = declared.setdefault(table, [])
            chains += [line] if line not in chains else []
        elif line.startswith("-"):
            rules.setdefault(table, []).append(line)
    return declared, rules
