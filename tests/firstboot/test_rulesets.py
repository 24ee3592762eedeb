"""The jumps into chains of ours that no file has: there where they lead to a rule."""

from __future__ import annotations

from firstboot.rulesets import hooked, parse, restoring

JUMP = ("nat", "POSTROUTING", "appliance-nat")
EMPTY = "*nat\n:appliance-nat - [0:0]\nCOMMIT\n"
FILLED = EMPTY.replace("COMMIT", "-A appliance-nat -o eth0 -j MASQUERADE\nCOMMIT")
KERNEL = parse("*nat\n:POSTROUTING ACCEPT [0:0]\n:appliance-nat - [0:0]\n-A POSTROUTING -j appliance-nat\nCOMMIT\n")


def test_a_chain_without_a_rule_is_not_jumped_to() -> None:
    assert hooked(FILLED, 4)[JUMP] == 1
    assert hooked(EMPTY, 4)[JUMP] == 0


def test_a_jump_for_nothing_is_taken_away() -> None:
    laid = "-A POSTROUTING -j appliance-nat"
    assert laid not in restoring(FILLED, KERNEL, 4)
    assert laid in restoring(FILLED, parse(""), 4)
    assert laid not in restoring(EMPTY, parse(""), 4)
    assert "-D POSTROUTING -j appliance-nat" in restoring(EMPTY, KERNEL, 4)
