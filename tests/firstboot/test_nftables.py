"""What the kernel tells of the firewall's rules, in its own bytes: of rules that iptables 1.8.9 and nft had made."""

from __future__ import annotations

import pytest

from firstboot.nftables import dropping, rule
from firstboot.rulesets import Rule, ruleset

FILTER = "0b00010066696c7465720000"
COUNTERS = "1c0008000c00020000000000000000000c0001000000000000000000"
INPUT_DROPS = (
    f"{FILTER}0a000300494e5055540000000c000200000000000000000114000400080001000000000108000200000000000800050000000000"
    f"0b00070066696c7465720000{COUNTERS}08000a00000000010800060000000000"
)
FORWARD_ACCEPTS = (
    f"{FILTER}0c000300464f5257415244000c000200000000000000000214000400080001000000000208000200000000000800050000000001"
    f"0b00070066696c7465720000{COUNTERS}08000a00000000010800060000000000"
)
OF_THE_USER = f"{FILTER}130003007566772d757365722d696e70757400000c00020000000000000000030800060000000000"
OF_ANOTHER_TABLE = INPUT_DROPS.replace(FILTER, "0b00010066696c7465780000")


def told(*messages: str) -> list[bytes]:
    return [bytes.fromhex(message) for message in messages]


def test_a_chain_that_drops_is_a_built_in_one_of_a_table_that_iptables_knows() -> None:
    assert list(dropping(told(FORWARD_ACCEPTS, INPUT_DROPS, OF_THE_USER, OF_ANOTHER_TABLE))) == [("filter", "INPUT")]


PLACE = f"{FILTER}150002007566772d6265666f72652d696e707574000000000c0003000000000000000005"
COUNTER = "2c0001000c000100636f756e746572001c0002000c00010000000000000000000c0002000000000000000000"
IMMEDIATE = "440001000e000100696d6d656469617465000000300002000800010000000000240002002000020008000100"
TO_THE_USERS = "130002007566772d757365722d696e7075740000"
JUMP, GOTO = f"{IMMEDIATE}fffffffd{TO_THE_USERS}", f"{IMMEDIATE}fffffffc{TO_THE_USERS}"
DROP = "300001000e000100696d6d6564696174650000001c0002000800010000000000100002000c0002000800010000000000"
PORT = (
    "24000100090001006d6574610000000014000200080002000000001008000100000000012c00010008000100636d70002000020008000100"
    "000000010800020000000000"
    "0c0003000500010006000000340001000c0001007061796c6f6164002400020008000100000000010800020000000002080003000000000208"
    "000400000000022c00010008000100636d700020000200080001000000000108000200000000000c0003000600010000160000"
)
CONNTRACK = (
    "d80001000a0001006d61746368000000c80002000e000100636f6e6e747261636b0000000800020000000003ac000300"
    + "00" * 146
    + "0100000008"
    + "00" * 17
)
COMMENT = (
    "2c0101000a0001006d617463680000001c0102000c000100636f6d6d656e740008000200000000000401030"
    "06170706c69616e636520613537346335363561633832" + "00" * 234
)
NFTS_COMMENT = "14000700000e6170706c69616e63652061626300"


def expressions(*found: str) -> str:
    data = "".join(found)
    return (4 + len(data) // 2).to_bytes(2, "little").hex() + "0400" + data


@pytest.mark.parametrize(
    ("message", "jump", "comments"),
    [
        (PLACE + expressions(COUNTER, JUMP), "ufw-user-input", ()),
        (PLACE + expressions(JUMP), "ufw-user-input", ()),
        (PLACE + expressions(COUNTER, GOTO), "", ()),
        (PLACE + expressions(COUNTER, DROP), "", ()),
        (PLACE + expressions(COUNTER), "", ()),
        (PLACE + expressions(PORT, COUNTER, JUMP), "", ()),
        (PLACE + expressions(CONNTRACK, COUNTER, JUMP), "", ()),
        (PLACE + expressions(COMMENT, COUNTER), "", ("appliance a574c565ac82",)),
        (PLACE + expressions(COMMENT, COUNTER, JUMP), "", ("appliance a574c565ac82",)),
        (PLACE + expressions(COUNTER, JUMP) + NFTS_COMMENT, "", ("appliance abc",)),
        (PLACE, "", ()),
    ],
    ids=["jump", "no counter", "goto", "drop", "none", "port", "state", "version", "comment", "nft's comment", "empty"],
)
def test_a_rule(message: str, jump: str, comments: tuple[str, ...]) -> None:
    assert rule(bytes.fromhex(message)) == Rule("filter", "ufw-before-input", jump, comments)


def test_a_version_is_our_chains_last_and_nobodys_copy() -> None:
    def version(*rules: tuple[str, str]) -> str:
        return ruleset((), [Rule("filter", chain, "", (comment,)) for chain, comment in rules]).version

    ours = ("ufw-before-input", "appliance a574")
    assert version(("INPUT", "appliance beef"), ours, ("ufw-user-input", "appliance beef")) == "a574"
    assert version(ours, ("ufw-before-input", "appliance beef")) == "beef"
    assert version(ours, ("ufw-before-input", "an appliance beef"), ("ufw-before-input", "appliance x")) == "a574"
