"""What is said of rules that somebody has changed. In a kernel: tests/netns/test_firewall.py."""

from __future__ import annotations

from firstboot.firewall_drift import told
from firstboot.rulesets import CLOSED, Ruleset

OPEN = "the policy of INPUT was ACCEPT, the policy of FORWARD was ACCEPT"


def test_an_open_machine_that_was_never_shut_has_not_been_changed_by_anybody() -> None:
    assert told(Ruleset(), frozenset(), {}, "mark") == ""


def test_one_that_was_shut_has() -> None:
    assert told(Ruleset(remembered="another mark"), frozenset(), {}, "mark") == OPEN
    assert told(Ruleset(version="of a daemon before"), frozenset(), {}, "mark") == OPEN
    assert told(Ruleset(version="1", dropping=frozenset(CLOSED)), frozenset(), {}, "mark") == ""
