"""Chains of ours: jumps into them are there where they lead to a rule, and those that nothing needs are removed."""

from __future__ import annotations

from firstboot.rulesets import hooked, opening, parse, removing, restoring

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


def test_chains_of_services_that_are_no_more_are_removed() -> None:
    """Nobody else's, and none that a text still has."""
    kernel = parse(
        "*filter\n-A appliance-in -g appliance-in-1\n-A appliance-in-1 -j ACCEPT\n-A appliance-deny -j DROP\n"
        "-A appliance-inn -j DROP\n-A ufw-user-input -j DROP\nCOMMIT\n*nat\n-A appliance-dnat-tcp -j RETURN\nCOMMIT\n"
    )
    left = removing("*filter\n:appliance-in - [0:0]\nCOMMIT\n*nat\n:appliance-dnat-tcp - [0:0]\nCOMMIT\n", kernel)
    assert left == "*filter\n:appliance-in-1 - [0:0]\n-X appliance-in-1\nCOMMIT\n"
    assert removing("", kernel).count("-X ") == 3
    assert removing("*filter\n:appliance-in-1 - [0:0]\nCOMMIT\n", parse("")) == ""


SAVED = """\
*filter
:INPUT DROP [1:2]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
:appliance-closed - [0:0]
:ufw-before-input - [0:0]
:ufw-user-forward - [0:0]
:uffwd - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j appliance-closed
-A INPUT -p tcp -j ACCEPT
-A DOCKER-USER -j ufw-user-forward
-A ufw-before-input -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:appliance-nat - [0:0]
-A POSTROUTING -j appliance-nat
-A POSTROUTING -o docker0 -j MASQUERADE
COMMIT
"""


def test_what_is_given_back_has_none_of_ufws_chains_and_all_of_others() -> None:
    """One that somebody's own chain leads to can only be emptied: were it removed, nothing at all would be done."""
    lines = opening(SAVED).splitlines()
    assert lines == [
        "*filter", ":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT",
        ":appliance-closed - [0:0]", ":ufw-before-input - [0:0]", ":ufw-user-forward - [0:0]",
        "-D INPUT -j ufw-before-input", "-D INPUT -j appliance-closed",
        "-X appliance-closed", "-X ufw-before-input", "COMMIT",
        "*nat", ":appliance-nat - [0:0]", "-D POSTROUTING -j appliance-nat", "-X appliance-nat", "COMMIT",
    ]  # fmt: skip
