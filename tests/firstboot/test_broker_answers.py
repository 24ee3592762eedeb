"""What the broker's answers mean, and what is said of each."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstboot.broker.answers import MEANINGS, UNPINGABLE, Answer, Word, answer_to

ADDRESS = IPv4Address("203.0.113.7")
PORTAL = "\n<!DOCTYPE html>\n<html><title>Welcome to our hotel</title></html>"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, "good 203.0.113.7", Answer(Word.GOOD, ADDRESS)),
        (200, "good 203.0.113.7\r\n", Answer(Word.GOOD, ADDRESS)),
        (200, "GOOD 203.0.113.7 thanks", Answer(Word.GOOD, ADDRESS)),
        (200, "nochg 203.0.113.7\n", Answer(Word.UNCHANGED, ADDRESS)),
        (200, "good 127.0.0.1", Answer(Word.UNPINGABLE)),
        (200, "nochg 127.0.0.1", Answer(Word.UNPINGABLE)),
        (200, "good", Answer(Word.NONSENSE, detail="it names no address")),
        (200, "good 203.0.113.700", Answer(Word.NONSENSE, detail="it names no address")),
        (200, "good 2001:db8::1", Answer(Word.NONSENSE, detail="it names no address")),
        (200, "goodbye 203.0.113.7", Answer(Word.NONSENSE, detail='it says "goodbye 203.0.113.7"')),
        (200, "badauth", Answer(Word.BAD_ACCOUNT)),
        (401, "badauth", Answer(Word.BAD_ACCOUNT)),
        (401, PORTAL, Answer(Word.BAD_ACCOUNT)),
        (403, "badauth", Answer(Word.BAD_ACCOUNT)),
        (403, PORTAL, Answer(Word.TROUBLE, detail="HTTP 403")),
        (200, "nohost", Answer(Word.NO_TUNNEL)),
        (200, "!yours", Answer(Word.NO_TUNNEL)),
        (200, "notfqdn", Answer(Word.NO_TUNNEL)),
        (200, "badagent", Answer(Word.BAD_PROGRAM)),
        (200, "abuse", Answer(Word.TOO_OFTEN)),
        (429, "slow down", Answer(Word.TOO_OFTEN)),
        (200, "911", Answer(Word.TROUBLE)),
        (200, "dnserr", Answer(Word.TROUBLE)),
        (503, PORTAL, Answer(Word.TROUBLE, detail="HTTP 503")),
        (200, PORTAL, Answer(Word.WEB_PAGE)),
        (404, PORTAL, Answer(Word.WEB_PAGE)),
        (302, "", Answer(Word.WEB_PAGE, detail="it leads elsewhere, which is not followed")),
        (302, PORTAL, Answer(Word.WEB_PAGE, detail="it leads elsewhere, which is not followed")),
        (200, "", Answer(Word.EMPTY)),
        (200, " \r\n", Answer(Word.EMPTY)),
        (200, "-ERROR: no\nmore", Answer(Word.NONSENSE, detail='it says "-ERROR: no"')),
        (200, 99 * "all is well ", Answer(Word.NONSENSE, detail='it says "all is well all is well all is well all…"')),
        (200, "\x00\ufffd\x07", Answer(Word.NONSENSE, detail='it says "\\x00\ufffd\\x07"')),
    ],
)
def test_an_answer_means(status: int, body: str, expected: Answer) -> None:
    assert answer_to(status, body) == expected


WORDS = st.sampled_from(
    ["good", "nochg", "abuse", "badauth", "911", "<html>", "HTTP/1.1", " ", "\n", "127.0.0.1", "203.0.113.7"]
)


@given(status=st.integers(0, 999), parts=st.lists(WORDS | st.text()))
def test_whatever_is_answered_means_something(status: int, parts: list[str]) -> None:
    found = answer_to(status, "".join(parts))
    assert found.is_taken == (found.address is not None)
    assert found.address != UNPINGABLE


def test_every_answer_has_a_meaning_in_words_that_one_can_act_on() -> None:
    assert set(MEANINGS) == set(Word)
    for word, meaning in MEANINGS.items():
        assert Answer(word).is_taken != bool(meaning.told and meaning.hint), word
        assert 0 < meaning.wait_s <= meaning.longest_s


def test_what_the_broker_counts_is_not_repeated_within_a_minute() -> None:
    """What comes to nothing before the broker has heard it may be tried again sooner."""
    sooner = {word for word, meaning in MEANINGS.items() if min(meaning.wait_s, meaning.elsewhere_s or 60.0) < 60.0}
    assert sooner == {Word.NO_NAME, Word.NO_WAY, Word.UNTRUSTED}
    assert {word for word, meaning in MEANINGS.items() if meaning.elsewhere_s == 0} == sooner
    assert {word for word, meaning in MEANINGS.items() if meaning.is_final} == {
        Word.BAD_ACCOUNT,
        Word.NO_TUNNEL,
        Word.BAD_PROGRAM,
    }
