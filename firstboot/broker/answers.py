"""What the broker's answers mean: those of the dyndns protocol, and whatever else comes in their place. Pure.

What it says that a tunnel is, `information` reads. An answer is a word and, where it has one, an address; what follows
from it is in `MEANINGS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address

from appliance.he import BrokerTunnel
from appliance.quoting import quoted

UNPINGABLE = IPv4Address("127.0.0.1")
"""What the broker says that it has taken in place of an address that does not answer it."""

ASKS_FROM = IPv4Address("66.220.2.74")
"""From where the broker pings an address before it takes it, as far as its users know."""

_MINUTE_S, _HOUR_S = 60.0, 3600.0


class Word(StrEnum):
    """What came of asking the broker."""

    GOOD = "good"
    UNCHANGED = "nochg"
    UNPINGABLE = "unpingable"
    BAD_ACCOUNT = "badauth"
    NO_TUNNEL = "nohost"
    BAD_PROGRAM = "badagent"
    TOO_OFTEN = "abuse"
    TROUBLE = "911"
    WEB_PAGE = "web page"
    EMPTY = "empty"
    NONSENSE = "nonsense"
    SILENCE = "silence"
    UNTRUSTED = "untrusted"
    NO_NAME = "no name"
    NO_WAY = "no way"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Meaning:
    """What follows from an answer.

    `wait_s`: how long the broker is not asked again; that doubles each time in a row, up to `longest_s`. `elsewhere_s`:
    how long not from another address of ours, where the answer is about this one. `is_final`: it is not asked again
    before somebody has changed something. `setting`: the one of the tunnel's that it is about.
    """

    wait_s: float
    longest_s: float
    told: str = ""
    hint: str = ""
    elsewhere_s: float | None = None
    is_final: bool = False
    setting: str = "broker"


_REFUSALS = {
    **dict.fromkeys(("nohost", "!yours", "notfqdn", "numhost", "!donator", "!active"), Word.NO_TUNNEL),
    **dict.fromkeys(("911", "dnserr"), Word.TROUBLE),
    "badauth": Word.BAD_ACCOUNT,
    "badagent": Word.BAD_PROGRAM,
    "abuse": Word.TOO_OFTEN,
}
_STATUSES = {401: Word.BAD_ACCOUNT, 429: Word.TOO_OFTEN}
_FORBIDDEN = 403
"""Also said by what stands before a server and takes us for somebody else: no final word about an account."""
TAKEN = frozenset({Word.GOOD, Word.UNCHANGED})
_OF_ANOTHER = "is a captive portal, a filter or a proxy in between? The broker's own page must open from this network"

_LATER = "nothing to do: it is asked again later. The broker's own page says whether it has trouble"

MEANINGS = {
    Word.GOOD: Meaning(_MINUTE_S, _MINUTE_S),
    Word.UNCHANGED: Meaning(_MINUTE_S, _MINUTE_S),
    Word.UNPINGABLE: Meaning(
        10 * _MINUTE_S,
        6 * _HOUR_S,
        "the broker refuses our public address, as it does not answer its ping",
        f"let your router answer ping (ICMP echo requests) from {ASKS_FROM} at least; behind carrier-grade NAT, where "
        "many share one address, a tunnel cannot work",
        elsewhere_s=_MINUTE_S,
    ),
    Word.BAD_ACCOUNT: Meaning(
        _MINUTE_S,
        _MINUTE_S,
        "the broker does not accept this user with this update key",
        'user is the name that you log in with, key the "Update Key" of the tunnel\'s tab "Advanced"; then correct '
        "appliance.yaml, or `sudo appliance apply` if it was the broker's page that was wrong",
        is_final=True,
        setting="broker.key",
    ),
    Word.NO_TUNNEL: Meaning(
        _MINUTE_S,
        _MINUTE_S,
        "the broker has no such tunnel of this user",
        'tunnel is the "Tunnel ID" of its page. A tunnel that was not used for long is deleted: is it still there?',
        is_final=True,
        setting="broker.tunnel",
    ),
    Word.BAD_PROGRAM: Meaning(
        _MINUTE_S,
        _MINUTE_S,
        "the broker does not want to be told by this program any more",
        "update the address on its page by hand, and this program to a newer version",
        is_final=True,
    ),
    Word.TOO_OFTEN: Meaning(
        _HOUR_S,
        24 * _HOUR_S,
        "the broker says that it was told too often, and listens no more for a while",
        "does something else tell it as well (your router, ddclient, a second Pi with this tunnel)? Only one may",
    ),
    Word.TROUBLE: Meaning(30 * _MINUTE_S, 6 * _HOUR_S, "the broker has trouble of its own", _LATER),
    Word.WEB_PAGE: Meaning(
        10 * _MINUTE_S, _HOUR_S, "a web page came in place of the broker's answer", _OF_ANOTHER, elsewhere_s=_MINUTE_S
    ),
    Word.EMPTY: Meaning(10 * _MINUTE_S, 6 * _HOUR_S, "the broker's answer is empty", _LATER),
    Word.NONSENSE: Meaning(10 * _MINUTE_S, 6 * _HOUR_S, "the broker's answer is none that is known", _LATER),
    Word.SILENCE: Meaning(_MINUTE_S, _HOUR_S, "the broker does not answer", _LATER, elsewhere_s=_MINUTE_S),
    Word.UNTRUSTED: Meaning(
        10.0,
        10 * _MINUTE_S,
        "who answers for the broker cannot prove to be it",
        f"{_OF_ANOTHER}. A Pi has no clock of its own: until a time server has told it the time, certificates may seem "
        "not to be valid yet",
        elsewhere_s=0.0,
    ),
    Word.NO_NAME: Meaning(
        2.0,
        5 * _MINUTE_S,
        "the broker's address cannot be found",
        "do the DNS servers answer (uplink.dns, or those that the router gives)?",
        elsewhere_s=0.0,
    ),
    Word.NO_WAY: Meaning(
        2.0,
        5 * _MINUTE_S,
        "the broker cannot be reached",
        "does the uplink lead to the Internet?",
        elsewhere_s=0.0,
    ),
    Word.UNKNOWN: Meaning(_MINUTE_S, 6 * _HOUR_S, "what the broker has said is not known", "it is asked again"),
}
"""The shortest waits are those of what has not reached the broker."""


@dataclass(frozen=True)
class Answer:
    """What came of asking. `address`: what the broker has now; `detail`: more about it, where that is of use.

    `tunnel`: what the tunnel is, where that was asked.
    """

    word: Word
    address: IPv4Address | None = None
    detail: str = ""
    tunnel: BrokerTunnel | None = None

    @property
    def meaning(self) -> Meaning:
        """What follows from it."""
        return MEANINGS[self.word]

    @property
    def is_taken(self) -> bool:
        """Whether the broker has our address now."""
        return self.word in TAKEN


def answer_to(status: int, body: str) -> Answer:
    """What an answer means: `status` is HTTP's, `body` the beginning of its text."""
    text = body.strip()
    word, _, rest = text.split("\n", 1)[0].strip().partition(" ")
    return _dyndns(word.lower(), rest.strip()) or of_status(status) or of_text(text)


def refusal(text: str) -> Answer | None:
    """What a text means that is one of the protocol's refusals."""
    word = text.strip().split("\n", 1)[0].partition(" ")[0].lower()
    return Answer(_REFUSALS[word]) if word in _REFUSALS else None


def _dyndns(word: str, rest: str) -> Answer | None:
    if word in (Word.GOOD, Word.UNCHANGED):
        return _taken(Word(word), rest)
    return refusal(word)


def of_status(status: int) -> Answer | None:
    """What HTTP's status means by itself."""
    if 300 <= status < 400:
        return Answer(Word.WEB_PAGE, detail="it leads elsewhere, which is not followed")
    if status >= 500 or status == _FORBIDDEN:
        return Answer(Word.TROUBLE, detail=f"HTTP {status}")
    return Answer(_STATUSES[status]) if status in _STATUSES else None


def of_text(text: str) -> Answer:
    """What a text means that is no answer of the broker's."""
    is_page = re.match(r"<(!doctype|html|\?xml|head|body)", text, re.IGNORECASE)
    if text and not is_page:
        return Answer(Word.NONSENSE, detail=f"it says {quoted(text.splitlines()[0])}")
    return Answer(Word.WEB_PAGE if is_page else Word.EMPTY)


def _taken(word: Word, rest: str) -> Answer:
    try:
        address = IPv4Address(rest.split(" ", 1)[0])
    except AddressValueError:
        return Answer(Word.NONSENSE, detail="it names no address")
    return Answer(Word.UNPINGABLE) if address == UNPINGABLE else Answer(word, address)
