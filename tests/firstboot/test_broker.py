"""The kind `broker`: when the broker is told, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest

from appliance.errors import ApplianceError, PermanentError, TemporaryError
from appliance.model import Appliance, Broker, Uplink
from firstboot.actions import Action, NoteInterruption, TellBroker
from firstboot.broker.answers import MEANINGS, Answer, Word
from firstboot.broker.memory import KnownRecord, Memory, digest
from firstboot.facts import Address, Facts, Link, Route
from firstboot.health.diagnosis import Health, diagnosis
from firstboot.health.evidence import Evidence
from firstboot.intent import intent, seen
from firstboot.origins import Origins
from firstboot.reconcile import Reconciler, State, look
from firstboot.resources.broker import BrokerRecord
from tests.firstboot.memory import MemoryMachine

ACCOUNT = Broker(user="me", key="A1b2C3d4E5f6G7h8", tunnel=123456)
PRIVATE, PUBLIC, NEW = (IPv4Address(text) for text in ("192.168.1.5", "203.0.113.7", "203.0.113.8"))
KIND = BrokerRecord()


@pytest.fixture
def appliance(gateway: Appliance) -> Appliance:
    assert gateway.tunnel is not None
    return replace(gateway, uplink=Uplink(interface="eth0"), tunnel=replace(gateway.tunnel, broker=ACCOUNT))


class Pi(MemoryMachine):
    """Its uplink has an address by DHCP, or none."""

    def __init__(self, local: IPv4Address | None = PUBLIC, memory: Memory | None = None, now_s: float = 0.0) -> None:
        super().__init__()
        self.lease(local)
        self.entry = KnownRecord(memory or Memory(), now_s)

    def lease(self, local: IPv4Address | None) -> None:
        self.addresses = [Address("eth0", IPv4Interface((local, 24)))] if local is not None else []
        router = Route(IPv4Network("0.0.0.0/0"), "eth0", IPv4Address("203.0.113.1"))
        self.routes = [router] if local is not None else []

    def pull_the_cable(self) -> None:
        self.links["eth0"] = replace(self.links["eth0"], carrier=False)

    def todo(self, appliance: Appliance) -> list[Action]:
        return [action for change in look(appliance, KIND, self).changes for action in KIND.actions(change)]

    def said(self, appliance: Appliance) -> ApplianceError | None:
        changes = look(appliance, KIND, self).changes
        return KIND.explain(changes[0]) if changes else None


def taken(told_by: IPv4Address, address: IPv4Address, **more: object) -> Memory:
    """The broker took an address an hour ago."""
    memory = Memory(ACCOUNT.tunnel, asked_by=told_by, asked_s=-3600.0, account=digest(ACCOUNT))
    return replace(memory.with_answer(Answer(Word.GOOD, address)), **more)  # type: ignore[arg-type]


TELL_PUBLIC, TELL_PRIVATE = TellBroker(ACCOUNT, PUBLIC), TellBroker(ACCOUNT, PRIVATE)


@pytest.mark.parametrize(
    ("what", "pi", "todo"),
    [
        ("never told", Pi(), [TELL_PUBLIC]),
        ("never told, behind NAT", Pi(PRIVATE), [TELL_PRIVATE]),
        ("told", Pi(memory=taken(PUBLIC, PUBLIC)), []),
        ("told, behind NAT", Pi(PRIVATE, taken(PRIVATE, PUBLIC)), []),
        ("another lease", Pi(PUBLIC, taken(NEW, NEW)), [TELL_PUBLIC]),
        ("another lease behind NAT", Pi(PRIVATE, taken(IPv4Address("192.168.1.9"), PUBLIC)), [TELL_PRIVATE]),
        ("behind NAT by now", Pi(PRIVATE, taken(PUBLIC, PUBLIC)), [TELL_PRIVATE]),
        ("no address", Pi(None), []),
        ("of another tunnel", Pi(memory=replace(taken(PUBLIC, PUBLIC), tunnel=7)), [TELL_PUBLIC]),
        ("the cable was out", Pi(memory=taken(PUBLIC, PUBLIC, is_interrupted=True)), []),
        ("it was, behind NAT", Pi(PRIVATE, taken(PRIVATE, PUBLIC, is_interrupted=True)), [TELL_PRIVATE]),
        ("it seems wrong", Pi(memory=taken(PUBLIC, PUBLIC, is_suspected=True)), [TELL_PUBLIC]),
        ("a minute is not over", Pi(NEW, taken(PUBLIC, PUBLIC, asked_s=-59.0)), []),
        ("a minute is over", Pi(NEW, taken(PUBLIC, PUBLIC, asked_s=-60.0)), [TellBroker(ACCOUNT, NEW)]),
    ],
)
def test_when_it_is_told(what: str, pi: Pi, todo: list[Action], appliance: Appliance) -> None:
    assert pi.todo(appliance) == todo, what


def test_without_an_account_there_is_nothing_to_tell(gateway: Appliance) -> None:
    assert gateway.tunnel is not None and gateway.tunnel.broker is None
    assert not KIND.desired(gateway, Facts()) and not KIND.observe(Pi(), ())
    assert not KIND.desired(replace(gateway, tunnel=None), Facts())


def test_it_is_told_once_there_is_a_router(appliance: Appliance) -> None:
    pi = Pi(NEW, taken(PUBLIC, PUBLIC))
    pi.routes = []
    with pytest.raises(TemporaryError, match="eth0 has no default route yet"):
        pi.todo(appliance)
    pi.lease(NEW)
    assert pi.todo(appliance) == [TellBroker(ACCOUNT, NEW)]


def test_a_cable_that_was_out_behind_nat_is_remembered(appliance: Appliance) -> None:
    pi = Pi(PRIVATE, taken(PRIVATE, PUBLIC))
    pi.pull_the_cable()
    assert pi.todo(appliance) == [NoteInterruption()]
    pi.execute(NoteInterruption())
    assert pi.todo(appliance) == [] and pi.said(appliance) is None
    pi.links["eth0"] = Link("eth0", carrier=True)
    assert pi.todo(appliance) == [TELL_PRIVATE]


def test_a_silent_tunnel_is_a_reason_to_tell_it_once_more(appliance: Appliance) -> None:
    """The router may have another address: nobody here can know."""
    memory = taken(PRIVATE, PUBLIC)
    pi = Pi(PRIVATE, memory)
    assert pi.todo(appliance) == []
    seen = Evidence(far_end=False, beyond=False, address=PRIVATE, has_route=True, server=True)
    pi.health = Health(carries=False, diagnosis=diagnosis(seen))
    assert pi.todo(appliance) == [TELL_PRIVATE]
    pi.entry = replace(pi.entry, memory=replace(memory, unfounded=6))
    assert pi.todo(appliance) == [], "not for another three minutes"
    pi.entry = replace(pi.entry, now_s=240.0)
    assert pi.todo(appliance) == [TELL_PRIVATE]


FAILED = {word: meaning for word, meaning in MEANINGS.items() if meaning.told}


@pytest.mark.parametrize("word", FAILED)
def test_what_went_wrong_is_said_and_what_to_do(word: Word, appliance: Appliance) -> None:
    memory = Memory(ACCOUNT.tunnel, asked_by=PUBLIC, asked_s=-1.0, account=digest(ACCOUNT))
    pi = Pi(memory=memory.with_answer(Answer(word, detail="what it said")))
    (outcome,) = Reconciler([KIND]).reconcile(appliance, pi)
    assert FAILED[word].told in outcome.error and "what it said" in outcome.error
    assert (outcome.hint, outcome.setting) == (FAILED[word].hint, f"tunnel.{FAILED[word].setting}")
    assert outcome.state is (State.FAILED if FAILED[word].is_final else State.WAITING)
    assert not outcome.in_vain, "no configuration is taken back for it"
    assert outcome.done == () and ACCOUNT.key not in repr(outcome)


def test_what_was_final_is_said_of_that_account_alone(appliance: Appliance) -> None:
    memory = Memory(ACCOUNT.tunnel, asked_by=PUBLIC, account=digest(ACCOUNT)).with_answer(Answer(Word.BAD_ACCOUNT))
    assert isinstance(Pi(memory=memory).said(appliance), PermanentError)
    assert appliance.tunnel is not None
    corrected = replace(appliance, tunnel=replace(appliance.tunnel, broker=replace(ACCOUNT, key="another")))
    assert Pi(memory=memory).todo(corrected) == [TellBroker(replace(ACCOUNT, key="another"), PUBLIC)]
    assert isinstance(Pi(memory=replace(memory, asked_s=0.0)).said(corrected), TemporaryError)


@pytest.mark.parametrize(
    ("pi", "said"),
    [
        (Pi(None), "the broker is told once the uplink leads somewhere"),
        (
            Pi(NEW, taken(PUBLIC, PUBLIC, asked_s=0.0)),
            "the broker is told of 203.0.113.8 soon: more than once",
        ),
        (
            Pi(PRIVATE, taken(PRIVATE, PUBLIC, is_interrupted=True, asked_s=0.0)),
            "the broker is told of the router's address (from 192.168.1.5) soon: more than once",
        ),
        (
            Pi(PRIVATE, taken(PRIVATE, PUBLIC, is_interrupted=True, asked_s=0.0, unfounded=7)),
            "the broker had 203.0.113.7 each time that it was told without need; it is told again 128 min after",
        ),
        (Pi(memory=taken(PUBLIC, NEW)), "the broker has 203.0.113.8 for this tunnel, and not 203.0.113.7"),
        (
            Pi(memory=Memory(ACCOUNT.tunnel, asked_by=PUBLIC, asked_s=0.0, word=Word.TROUBLE, repeats=2)),
            "the broker has trouble of its own; it is asked again after 2 h",
        ),
        (
            Pi(memory=Memory(ACCOUNT.tunnel, asked_by=PUBLIC, asked_s=0.0, word=Word.UNPINGABLE)),
            "as it does not answer its ping; it is asked again after 10 min",
        ),
    ],
)
def test_what_is_waited_for_is_said(pi: Pi, said: str, appliance: Appliance) -> None:
    told = pi.said(appliance)
    assert isinstance(told, TemporaryError) and said in told.message


@pytest.mark.parametrize(
    ("address", "said"), [(PUBLIC, "203.0.113.7"), (PRIVATE, "the router's address (from 192.168.1.5)")]
)
def test_while_it_is_being_told_that_is_said(appliance: Appliance, address: IPv4Address, said: str) -> None:
    pi = Pi(address)
    pi.entry = replace(pi.entry, under_way=True)
    told = pi.said(appliance)
    assert told is not None and told.message == f"the broker is being told of {said}"


@pytest.mark.parametrize(
    ("pi", "wanted", "found"),
    [
        (Pi(), "it has 203.0.113.7", "not known what it has"),
        (Pi(None), "told again once the uplink leads somewhere", "not known what it has"),
        (
            Pi(PRIVATE, taken(PRIVATE, PUBLIC)),
            "told from 192.168.1.5; what it sees is the router's address",
            "it has 203.0.113.7, told from 192.168.1.5",
        ),
        (
            Pi(PRIVATE, taken(PRIVATE, PUBLIC, is_interrupted=True, is_suspected=True)),
            "told from 192.168.1.5; what it sees is the router's address",
            "it has 203.0.113.7, told from 192.168.1.5, which seems wrong, and the uplink was away",
        ),
    ],
)
def test_what_it_has_is_told_in_words(pi: Pi, wanted: str, found: str, appliance: Appliance) -> None:
    look = seen(appliance, KIND, pi)
    key = "tunnel 123456 at the broker: "
    told = intent(look, Origins(KIND, appliance, look.facts), {})
    assert (told.desired, told.observed) == ((key + wanted,), (key + found,))
    assert set(told.difference) <= {f"{key}{found} (wanted: {wanted})"}


def test_the_daemon_tells_it_and_all_is_right(appliance: Appliance) -> None:
    pi, reconciler = Pi(), Reconciler([KIND])
    (outcome,) = reconciler.reconcile(appliance, pi)
    assert (outcome.state, outcome.done) == (State.OK, ("tell the broker of tunnel 123456, from 203.0.113.7",))
    assert reconciler.is_settled([replace(outcome, state=State.WAITING)]), "whoever has its answer wakes the daemon"


def test_each_setting_of_the_account_is_why_and_the_key_is_not_shown(appliance: Appliance) -> None:
    pi = Pi(memory=taken(PUBLIC, PUBLIC))
    found = seen(appliance, KIND, pi)
    origins = Origins(KIND, appliance, found.facts)
    for setting in ("user", "key", "tunnel"):
        assert origins.keys_of(f"tunnel.broker.{setting}") == {"tunnel 123456 at the broker"}
    told = intent(found, origins, {})
    assert told.observed == ("tunnel 123456 at the broker: it has 203.0.113.7",)
    everything = [told, pi.entry, found.want, found.have, TELL_PUBLIC, str(TELL_PUBLIC), look(appliance, KIND, Pi())]
    assert ACCOUNT.key not in "".join(map(repr, everything))
