"""A new configuration in the place of one that works is kept only once it has shown that it works as well."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from appliance.model import Appliance
from firstboot import files
from firstboot.configuration import TRIAL_NAME, Configurations
from firstboot.facts import Address, Facts, Link
from firstboot.management import Connection, NextHop, Routing, Visits
from firstboot.paths import CONFIG_NAME
from firstboot.reconcile import Outcome, State
from firstboot.status import Source
from firstboot.trial import CONFIRM_S, RESUMED_S, Checkpoint, checkpoint

EXAMPLES = Path(__file__).parent.parent / "appliance" / "examples"
OLD = (EXAMPLES / "gateway.yaml").read_bytes()
NEW = OLD.replace(b"ipv6gw", b"newname")
NEWER = OLD.replace(b"ipv6gw", b"newer")
BROKEN = OLD.replace(b"198.51.100.100", b"198.51.100.400")

FINE = (Outcome("links", State.OK), Outcome("reach", State.OK))
WAITS = (Outcome("links", State.OK), Outcome("reach", State.WAITING, error="no answer"))
IN_VAIN = (Outcome("links", State.WAITING, error="there is no eth7", in_vain=True), Outcome("reach", State.OK))

LINKS = {name: Link(name, up=True, carrier=True, index=at) for at, name in enumerate(("eth0", "wlan0"), 1)}
OWN, PEER = IPv4Interface("192.168.1.2/24"), IPv4Address("192.168.1.50")
HERE = Facts(links=LINKS, addresses=(Address("eth0", OWN),))
MOVED = Facts(links=LINKS, addresses=(Address("eth0", IPv4Interface("192.168.1.3/24")),))
UNPLUGGED = Facts(links={"eth0": Link("eth0", up=True)}, addresses=HERE.addresses)
LEASE = "1700000100 b8:27:eb:00:00:01 192.168.1.50 laptop *"
RENEWED = LEASE.replace("100 ", "220 ", 1)


def session(own: str = str(OWN.ip), *, heard_s: float = 900.0) -> tuple[Connection, ...]:
    return (Connection(IPv4Address(own), PEER, 0, heard_s),)


class Site:
    """A card and a daemon: its passes end as told, and who is connected is as told."""

    def __init__(self, folder: Path, *, custom: bool = False) -> None:
        self.custom = custom
        self.card, self.kept = folder / CONFIG_NAME, folder / "state" / "last-good.yaml"
        self.now_s = 1000.0
        self.visits = Visits(HERE)
        self.outcomes: tuple[Outcome, ...] = FINE
        self.start()

    def start(self) -> None:
        """The daemon, for the first time or anew."""
        self.configurations = Configurations(self.card.parent, self.kept, custom=self.custom, clock=lambda: self.now_s)

    def write(self, content: bytes) -> None:
        self.card.write_bytes(content)

    def look(self) -> Appliance:
        """A pass."""
        found = self.configurations.current(HERE, lambda: checkpoint(self.visits, self.outcomes))
        self.configurations.trials.was_applied()
        if self.configurations.judge(self.outcomes, lambda: self.visits):
            found = self.configurations.current(HERE)
        return found.appliance

    def later(self, seconds: float) -> str:
        """Which configuration is in force then."""
        self.now_s += seconds
        return self.look().hostname

    @property
    def is_tried(self) -> bool:
        return self.configurations.trials.under_way

    @property
    def refused(self) -> str:
        return self.configurations.current(HERE).refused


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The old configuration works."""
    made = Site(tmp_path)
    made.write(OLD)
    made.look()
    assert made.kept.read_bytes() == OLD and not made.is_tried
    return made


def test_one_that_works_is_kept_at_once(site: Site) -> None:
    site.write(NEW)
    assert site.later(0) == "newname"
    assert (site.kept.read_bytes(), site.is_tried, site.refused) == (NEW, False, "")


def test_it_is_on_the_card_that_it_is_tried_before_anything_is_changed(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, Checkpoint)
    assert site.is_tried and site.kept.read_bytes() == OLD
    assert site.kept.with_name(TRIAL_NAME).stat().st_mode & 0o777 == 0o600
    assert "on trial for up to 60 s" in site.configurations.trials.told()


def test_one_that_cannot_be_made_true_is_taken_back(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.outcomes = IN_VAIN
    assert site.later(CONFIRM_S - 1) == "newname"
    assert site.later(1) == "ipv6gw"
    assert site.refused == "links: there is no eth7" and site.kept.read_bytes() == OLD

    site.start()
    assert site.later(0) == "ipv6gw" and site.refused, "also after the power was off"
    assert site.configurations.current(HERE).source is Source.LAST_GOOD


def test_what_was_not_right_before_is_not_its_fault(site: Site) -> None:
    site.outcomes = IN_VAIN
    site.write(NEW)
    site.later(0)
    assert site.later(CONFIRM_S) == "newname" and site.kept.read_bytes() == NEW


def vain(*differs: str, state: State = State.WAITING, error: str = "no cable") -> tuple[Outcome, ...]:
    """What one kind did in vain."""
    return (Outcome("uplinks", state, differs=differs, error=error, in_vain=True),)


BEFORE = vain("eth1: missing")


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        (BEFORE, ""),
        (vain("eth1: metric is None, wanted 5"), ""),
        (vain("eth1: missing", "eth0: metric is 10, wanted 20"), "uplinks: eth0: metric is 10, wanted 20"),
        (vain("eth0: missing", error="nobody obeys"), "uplinks: nobody obeys"),
        (vain(state=State.FAILED, error="a bug"), "uplinks: a bug"),
        ((Outcome("links", State.WAITING, differs=("eth1: missing",), error="?", in_vain=True),), "links: ?"),
    ],
)
def test_what_was_not_right_before_excuses_nothing_else(site: Site, now: tuple[Outcome, ...], refused: str) -> None:
    """One uplink without a cable, and then a mistake about another one."""
    site.outcomes = BEFORE
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, BEFORE))
    site.outcomes = now
    site.later(0)
    assert site.later(CONFIRM_S) == ("ipv6gw" if refused else "newname")
    assert site.refused == refused


def test_the_same_trouble_as_before_is_not_its_fault(site: Site) -> None:
    trouble = (Outcome("firewall", State.FAILED, error="iptables-restore: not found"),)
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, trouble))
    site.outcomes = trouble
    site.later(0)
    assert site.later(CONFIRM_S) == "newname" and not site.refused


def test_what_others_must_do_is_not_its_fault(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.outcomes = WAITS
    assert site.later(CONFIRM_S - 1) == "newname" and site.is_tried
    assert site.later(1) == "newname" and site.kept.read_bytes() == NEW


@pytest.mark.parametrize("facts", [MOVED, UNPLUGGED, Facts()])
def test_the_ssh_connection_that_was_cut_brings_the_last_good_one_back(site: Site, facts: Facts) -> None:
    site.visits = Visits(HERE, connections=session())
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(facts)
    site.later(0)
    assert site.later(CONFIRM_S) == "ipv6gw"
    assert site.refused == "nobody reached this machine by ssh over eth0 any more"


def test_an_ssh_connection_over_the_same_link_is_enough(site: Site) -> None:
    site.visits = Visits(HERE, connections=session())
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(MOVED, connections=session("192.168.1.3"))
    assert site.later(0) == "newname" and site.later(20) == "newname" and site.is_tried, "not heard since"
    site.visits = Visits(MOVED, connections=session("192.168.1.3", heard_s=1))
    assert site.later(1) == "newname" and not site.is_tried and site.kept.read_bytes() == NEW


def test_nobody_needs_to_be_heard_where_nothing_became_another(site: Site) -> None:
    """Who copied the file here has gone."""
    site.visits = Visits(HERE, connections=session(), leases=(LEASE,))
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(HERE, leases=(LEASE,))
    assert site.later(0) == "newname" and not site.is_tried


OFFER = "dhcp-range=192.168.1.100,192.168.1.200,255.255.255.0,7200"
RULE = "-A ufw-before-input -i eth0 -s 192.168.1.0/24 -p tcp --dport 22 -j ACCEPT"


def by(index: int, gateway: str = "") -> Routing:
    """A kernel that sends all replies there."""
    hop = NextHop(index, IPv4Address(gateway) if gateway else None)
    return lambda own, peer, index: hop


@pytest.mark.parametrize(
    ("rules", "next_hop"),
    [
        ((), by(1)),
        ((RULE,), by(1, "192.168.1.1")),
        ((RULE,), by(2)),
        ((RULE,), lambda own, peer, index: None),
    ],
    ids=["shut", "by a router", "by another uplink", "no way"],
)
def test_a_connection_whose_rules_or_way_back_changed_must_be_heard(
    site: Site, rules: tuple[str, ...], next_hop: Routing
) -> None:
    site.visits = Visits(HERE, connections=session(), input_rules=(RULE,), next_hop=by(1))
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(HERE, connections=session(), input_rules=rules, next_hop=next_hop)
    assert site.later(0) == "newname" and site.is_tried
    assert site.later(CONFIRM_S) == "ipv6gw"


def test_a_way_back_that_is_the_same_stands(site: Site) -> None:
    """Also where it is another's interface that replies have always left by."""
    site.visits = Visits(HERE, connections=session(), next_hop=by(2, "10.0.0.1"))
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    renumbered = {name: replace(link, index=link.index + 5) for name, link in LINKS.items()}
    site.visits = Visits(Facts(links=renumbered, addresses=HERE.addresses), next_hop=by(7, "10.0.0.1"))
    assert site.later(0) == "newname" and not site.is_tried


def test_who_was_served_must_be_served_again(site: Site) -> None:
    site.visits = Visits(HERE, leases=(LEASE,))
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(MOVED, leases=(LEASE,))
    assert site.later(0) == "newname" and site.is_tried
    site.visits = Visits(MOVED, leases=(RENEWED,))
    assert site.later(1) == "newname" and not site.is_tried


@pytest.mark.parametrize(
    ("offer", "is_tried"), [("dhcp-range=192.168.1.9,192.168.1.99,255.255.255.0,7200", False), ("", True)]
)
def test_who_was_served_keeps_its_lease_while_there_is_somebody_to_ask(site: Site, offer: str, is_tried: bool) -> None:
    site.visits = Visits(HERE, leases=(LEASE,), offer=f"\n# --- eth0\n{OFFER}\n")
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(HERE, leases=(LEASE,), offer=f"\n# --- eth0\n{offer}\n")
    assert site.later(0) == "newname" and site.is_tried == is_tried


def test_somebody_may_say_that_all_is_well(site: Site) -> None:
    assert not site.configurations.trials.confirm()
    site.visits = Visits(HERE, connections=session())
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits, site.outcomes = Visits(MOVED), IN_VAIN
    site.later(0)
    assert site.configurations.trials.confirm()
    assert site.later(1) == "newname" and not site.is_tried
    assert site.later(CONFIRM_S) == "newname" and site.kept.read_bytes() == NEW


def test_what_was_taken_back_is_tried_again_when_asked_for(site: Site) -> None:
    site.outcomes = IN_VAIN
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.later(0)
    assert site.later(CONFIRM_S) == "ipv6gw"
    site.outcomes = FINE
    site.configurations.try_again()
    assert site.later(0) == "newname" and site.kept.read_bytes() == NEW


def test_the_old_one_written_again_ends_the_trial(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.outcomes = IN_VAIN
    site.later(0)
    site.write(OLD)
    assert site.later(1) == "ipv6gw" and not site.is_tried and not site.refused


def test_another_one_in_a_trial_has_to_reach_who_was_there_before_both(site: Site) -> None:
    site.visits = Visits(HERE, connections=session())
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.visits = Visits(MOVED)
    site.later(10)
    site.write(NEWER)
    assert site.later(10) == "newer" and site.is_tried
    assert site.later(CONFIRM_S) == "ipv6gw" and "ssh over eth0" in site.refused


def test_mistakes_written_in_a_trial_change_nothing(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.outcomes = WAITS
    site.later(1)
    site.write(BROKEN)
    assert site.later(1) == "newname" and site.is_tried
    site.outcomes = FINE
    assert site.later(1) == "newname" and site.kept.read_bytes() == NEW
    assert site.configurations.current(HERE).problems


def test_a_card_edited_elsewhere_is_no_trial(site: Site) -> None:
    """Who has it in the hand needs no way back, and nobody is connected to a machine without power."""
    site.write(NEW)
    site.start()
    site.outcomes = IN_VAIN
    assert site.later(0) == "newname" and not site.is_tried
    assert site.later(2 * RESUMED_S) == "newname"


def test_a_trial_in_which_the_machine_went_down_goes_on_and_not_for_ever(site: Site) -> None:
    site.write(NEW)
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    site.outcomes = IN_VAIN
    site.start()
    assert site.later(CONFIRM_S) == "newname" and site.is_tried, "a start takes its time"
    site.start()
    assert site.later(0) == "ipv6gw" and site.refused == "the machine went down 2 times while it was tried"


FIRST = b"profile: custom\nrouting: {tables: [{lookup: 2-9, ensure: default-route}]}\n"
SECOND = FIRST.replace(b"2-9", b"2-99")


class TestWhereNobodyHasTheCardInTheHand:
    """A machine that is its owner's, and far away."""

    @pytest.fixture
    def far(self, tmp_path: Path) -> Site:
        return Site(tmp_path, custom=True)

    @pytest.fixture
    def kept(self, far: Site) -> Site:
        """The first one was kept."""
        far.write(FIRST)
        far.look()
        assert far.kept.read_bytes() == FIRST and not far.is_tried
        return far

    def in_force(self, site: Site) -> Source:
        return site.configurations.current(HERE).source

    def test_the_first_one_replaces_an_empty_one(self, far: Site) -> None:
        far.visits = Visits(HERE, connections=session())
        far.write(FIRST)
        far.configurations.current(HERE, lambda: checkpoint(far.visits, ()))
        assert far.is_tried
        far.visits = Visits(MOVED)
        far.later(0)
        far.later(CONFIRM_S)
        assert self.in_force(far) is Source.NOTHING and far.refused and not far.kept.exists()
        far.start()
        far.later(0)
        assert self.in_force(far) is Source.NOTHING and far.refused, "also after a restart"
        far.configurations.try_again()
        far.visits = Visits(HERE)
        far.later(0)
        assert self.in_force(far) is Source.FILE and far.kept.read_bytes() == FIRST

    def test_the_first_one_after_a_boot_is_kept_when_everything_is_right(self, far: Site) -> None:
        """Nobody is connected, and nobody has to be."""
        far.write(FIRST)
        far.outcomes = WAITS
        far.later(0)
        assert far.is_tried and not far.kept.exists()
        far.outcomes = FINE
        far.later(1)
        assert not far.is_tried and far.kept.read_bytes() == FIRST

    def test_a_boot_takes_its_time(self, far: Site) -> None:
        far.write(FIRST)
        far.configurations.current(HERE, lambda: checkpoint(far.visits, ()))
        far.outcomes = IN_VAIN
        far.later(0)
        far.later(RESUMED_S - 1)
        assert self.in_force(far) is Source.FILE and far.is_tried
        far.later(1)
        assert self.in_force(far) is Source.NOTHING

    def test_one_that_was_corrected_is_a_first_one_too(self, far: Site) -> None:
        far.write(FIRST + b"]: {")
        far.later(0)
        assert self.in_force(far) is Source.NOTHING
        far.write(FIRST)
        far.configurations.current(HERE, Checkpoint)
        assert far.is_tried

    def test_one_that_was_edited_while_the_daemon_was_stopped_is_on_trial(self, kept: Site) -> None:
        kept.write(SECOND)
        kept.start()
        kept.visits = Visits(HERE, connections=session())
        kept.configurations.current(HERE, lambda: checkpoint(kept.visits, ()))
        assert kept.is_tried and kept.kept.read_bytes() == FIRST
        kept.visits = Visits(MOVED)
        kept.later(0)
        kept.later(CONFIRM_S)
        assert self.in_force(kept) is Source.LAST_GOOD and "ssh over eth0" in kept.refused

    def test_one_that_was_not_edited_is_on_no_trial(self, kept: Site) -> None:
        kept.start()
        kept.outcomes = IN_VAIN
        kept.later(0)
        assert not kept.is_tried
        kept.later(RESUMED_S)
        assert self.in_force(kept) is Source.FILE

    @pytest.mark.parametrize("edited_while", ["running", "stopped"])
    @pytest.mark.parametrize("before", [b"", FIRST], ids=["the first one", "another one"])
    def test_a_reboot_in_the_middle_ends_in_one_of_the_two(self, far: Site, before: bytes, edited_while: str) -> None:
        if before:
            far.write(before)
            far.look()
        if edited_while == "stopped":
            far.start()
        far.outcomes = IN_VAIN
        far.write(SECOND)
        far.configurations.current(HERE, lambda: checkpoint(far.visits, ()))
        assert far.is_tried
        far.start()
        far.later(0)
        assert self.in_force(far) is Source.FILE and far.is_tried, "it goes on"
        far.start()
        far.later(0)
        assert self.in_force(far) is (Source.LAST_GOOD if before else Source.NOTHING)
        assert far.refused == "the machine went down 2 times while it was tried"

    def test_another_edit_across_a_restart_has_to_reach_who_was_there_before_both(self, kept: Site) -> None:
        kept.visits = Visits(HERE, connections=session())
        kept.write(SECOND)
        kept.configurations.current(HERE, lambda: checkpoint(kept.visits, FINE))
        kept.visits = Visits(MOVED)
        kept.later(0)
        kept.write(SECOND + b"# again\n")
        kept.start()
        kept.later(0)
        assert kept.is_tried
        kept.later(CONFIRM_S)
        assert self.in_force(kept) is Source.LAST_GOOD and "ssh over eth0" in kept.refused


class PowerCutError(Exception):
    """Nothing after it is done."""


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> list[str]:
    """The power goes when so many files have been changed; the names of those that were."""
    done: list[str] = []

    def spend(path: Path) -> None:
        if len(done) == writes:
            raise PowerCutError
        done.append(path.name)

    def replacing(path: Path, content: bytes, mode: int = 0o644) -> None:
        spend(path)
        replace(path, content, mode)

    def removing(path: Path, missing_ok: bool = False) -> None:
        if path.name == TRIAL_NAME:
            spend(path)
        unlink(path, missing_ok=missing_ok)

    replace, unlink = files.replace, Path.unlink
    monkeypatch.setattr(files, "replace", replacing)
    monkeypatch.setattr(Path, "unlink", removing)
    return done


@pytest.mark.parametrize("works", [True, False], ids=["it works", "it does not"])
@pytest.mark.parametrize("writes", range(4))
def test_a_power_cut_leaves_either_of_the_two(
    site: Site, monkeypatch: pytest.MonkeyPatch, writes: int, works: bool
) -> None:
    site.write(NEW)
    with monkeypatch.context() as patch:
        done = cut_after(patch, writes)
        was_cut = False
        try:
            tried(site, works)
        except PowerCutError:
            was_cut = True
        assert was_cut == (writes < (3 if works else 2)), done
    site.start()
    tried(site, works)
    assert not site.is_tried
    is_kept = works or writes == 0  # before anybody knew of it: a card that was edited elsewhere looks the same
    in_force = site.later(0)
    assert (in_force, site.kept.read_bytes()) == (("newname", NEW) if is_kept else ("ipv6gw", OLD))
    assert bool(site.refused) != is_kept


def tried(site: Site, works: bool) -> None:
    """A trial from its beginning to its end."""
    site.outcomes = FINE
    site.configurations.current(HERE, lambda: checkpoint(site.visits, FINE))
    for _ in range(4):
        is_new = site.configurations.current(HERE).source is Source.FILE
        site.outcomes = IN_VAIN if is_new and not works else FINE
        site.later(RESUMED_S)
