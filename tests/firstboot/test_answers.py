"""What the daemon answers: about a configuration and a machine in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.completion import completion
from appliance.errors import ConfigError, InputError, TemporaryError
from appliance.he import BrokerTunnel
from appliance.parse import parse_text
from firstboot.answers import FRESH_S, Answers
from firstboot.configuration import Configuration, Configurations
from firstboot.history import History
from firstboot.kinds import KINDS
from firstboot.reconcile import Outcome, Reconciler, State
from firstboot.status import Source
from tests.appliance.test_completion import SAID, text
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine

GATEWAY = (EXAMPLES / "gateway.yaml").read_text()
CUSTOM = (EXAMPLES / "policies.yaml").read_text()
THROUGH_TUNNEL = ("::/0 from 2001:db8:123c:abd::/64 metric 512", "::/0 from 2001:db8:123d:abc::/64 metric 512")


class Asked:
    """Whom one asks: what has been put right by a pass over `config`."""

    def __init__(
        self, folder: Path, config: str = GATEWAY, *, custom: bool = False, said: BrokerTunnel | None = None
    ) -> None:
        parsed = parse_text(config.encode(), "appliance.yaml")
        self.config, self.appliance = config, completion(parsed.appliance, said).appliance
        self.machine, self.history = MemoryMachine(), History()
        self.history.note(Reconciler(KINDS, sleep=lambda _: None).reconcile(self.appliance, self.machine))
        self.machine.log.clear()
        self.passes = SimpleNamespace(
            in_force=Configuration(self.appliance, Source.FILE, parsed.marks),
            configurations=Configurations(folder, folder / "last-good.yaml", custom=custom),
        )
        self.now_s, self.looks = 1000.0, 0
        self.answers = Answers(
            KINDS, self.history, self._in_worker, lambda: None, lambda: False, clock=lambda: self.now_s
        )

    async def _in_worker(self, look: Callable[[Any, Any], Any], /) -> Any:
        self.looks += 1
        return look(self.passes, SimpleNamespace(aside=lambda: self.machine))

    def line(self, start: str) -> int:
        return next(at for at, text in enumerate(self.config.splitlines(), 1) if text.startswith(start))

    def explained(self, thing: str) -> dict[str, Any]:
        self.now_s += 2 * FRESH_S
        return dict(json.loads(asyncio.run(self.answers.explain_json(thing))))

    def specs(self, thing: str) -> dict[str, set[str]]:
        """The keys of what is wanted, by kind."""
        kinds = self.explained(thing)["kinds"]
        return {kind["kind"]: set(kind["wanted_by"]) for kind in kinds}

    def plan(self) -> list[dict[str, Any]]:
        self.now_s += 2 * FRESH_S
        return list(json.loads(asyncio.run(self.answers.plan_json()))["kinds"])

    def plan_for(self, text: str) -> list[dict[str, Any]]:
        return list(json.loads(asyncio.run(self.answers.plan_for_json(text)))["kinds"])


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_a_section_is_all_that_is_kept_because_of_it(asked: Asked) -> None:
    found = asked.specs("tunnel")
    assert found["tunnel"] == {"he-ipv6"}
    assert found["addresses"] == {"2001:db8:123c:abd::2/64 on he-ipv6", "2001:db8:123d:abc::1/64 on eth0"}
    assert found["routes"] == {*THROUGH_TUNNEL, "198.51.100.100/32 metric 97"}
    assert {"net/ipv6/conf/all/forwarding", "net/ipv6/conf/eth0/accept_ra"} <= found["sysctls"]
    assert found["tunnel-sysctls"] == {
        f"net/ipv6/conf/he-ipv6/{name}" for name in ("forwarding", "disable_ipv6", "accept_ra")
    }
    assert found["reach"] == {"tunnel's other end 2001:db8:123c:abd::1"}
    assert {"/etc/ufw/before.rules", "/etc/ufw/before6.rules", "/etc/appliance/dnsmasq.conf"} <= found["files"]
    assert found["firewall"] == {"IPv4 rules", "IPv6 rules"}
    assert "hostname" not in found
    explained = asked.explained("tunnel")
    assert (explained["thing"], explained["setting"], explained["line"]) == ("tunnel", "tunnel", asked.line("tunnel:"))


def test_a_setting_is_what_depends_on_its_value(asked: Asked) -> None:
    assert asked.specs("tunnel.server") == {
        "files": {"/etc/ufw/before.rules"},
        "firewall": {"IPv4 rules"},
        "tunnel": {"he-ipv6"},
        "routes": {"198.51.100.100/32 metric 97"},
    }
    assert asked.specs("firewall.allow_in[0]") == {"files": {"/etc/ufw/before6.rules"}, "firewall": {"IPv6 rules"}}
    assert asked.explained("uplink.mtu")["line"] == asked.line("uplink:"), "by default: the section's"
    assert set(asked.specs("uplink.mtu")) == {"files", "firewall", "links", "tunnel"}


def test_one_of_several_uplinks_is_told_from_the_others(tmp_path: Path) -> None:
    asked = Asked(tmp_path, (EXAMPLES / "uplinks.yaml").read_text(), custom=True)
    (uplinks,) = asked.explained("uplinks[1]")["kinds"]
    assert uplinks["error"] == "no program was found that configures networks"
    asked.machine.managers = ("networkd",)
    (keys,) = asked.specs("uplinks[1]").values()
    assert keys
    assert all("enp0s9" in key for key in keys)
    (uplinks,) = asked.explained("uplinks[1]")["kinds"]
    told = [wanting["setting"] for found in uplinks["wanted_by"].values() for wanting in found]
    assert set(told) <= {"manager", *(f"uplinks[1].{name}" for name in ("interface", "dhcp", "metric", "optional"))}


@pytest.mark.parametrize(
    ("thing", "kinds"),
    [
        (
            "eth0",
            {
                "withdrawal",
                "sysctls",
                "networkmanager",
                "links",
                "uplink",
                "addresses",
                "routes",
                "cable",
                "other-managers",
            },
        ),
        ("he-ipv6", {"networkmanager", "tunnel", "tunnel-sysctls", "addresses", "routes"}),
        ("192.168.1.252", {"tunnel", "addresses"}),
        ("192.168.1.252/24", {"addresses"}),
        ("192.168.1.252/24 on eth0", {"addresses"}),
        ("2001:DB8:123c:0abd::2", {"addresses"}),
        ("198.51.100.100", {"tunnel"}),
        ("198.51.100.100/32", {"routes"}),
        ("::/0", {"routes"}),
        ("default", {"routes"}),
        ("192.168.1.254", {"routes"}),
        ("/etc/ufw/before6.rules", {"files"}),
        ("net/ipv6/conf/all/forwarding", {"sysctls"}),
        ("net.ipv6.conf.all.forwarding", {"sysctls"}),
        ("ssh.service", {"units"}),
        ("routes", {"routes"}),
    ],
)
def test_a_thing_of_the_machine_is_found_in_every_kind(asked: Asked, thing: str, kinds: set[str]) -> None:
    assert set(asked.specs(thing)) == kinds


def test_a_kind_is_all_of_it(asked: Asked) -> None:
    routes = {"0.0.0.0/0 metric 97", *THROUGH_TUNNEL, "198.51.100.100/32 metric 97"}
    assert asked.specs("routes")["routes"] == routes


def test_each_spec_has_its_lines_and_what_was_done_for_it(asked: Asked) -> None:
    (routes,) = asked.explained("198.51.100.100/32")["kinds"]
    (wanting,) = routes["wanted_by"].values()
    assert {"setting": "tunnel.server", "line": asked.line("  server:")} in wanting
    assert routes["state"] == "ok"
    assert [entry[20:] for entry in routes["history"]] == ["set route 198.51.100.100/32 via 192.168.1.254 on eth0"]
    assert len(routes["desired"]) == len(routes["observed"]) == 1
    assert len(asked.explained("routes")["kinds"][0]["history"]) == 4


def test_what_differs_of_a_thing_is_told_alone(asked: Asked) -> None:
    asked.machine.routes = []
    (routes,) = asked.explained("::/0")["kinds"]
    assert routes["difference"] == [f"{key}: missing" for key in THROUGH_TUNNEL]
    assert routes["actions"][0] == "set route ::/0 from 2001:db8:123c:abd::/64 on he-ipv6"
    assert asked.machine.log == []


def test_what_is_there_and_not_wanted_is_found_too(asked: Asked) -> None:
    without = asked.config.replace("198.51.100.100", "198.51.100.101")
    asked.passes.in_force = Configuration(
        (parsed := parse_text(without.encode(), "appliance.yaml")).appliance, Source.FILE, parsed.marks
    )
    found = {kind["kind"]: kind for kind in asked.explained("198.51.100.100/32")["kinds"]}
    assert found["routes"]["difference"] == ["198.51.100.100/32 metric 97: not wanted"]


@pytest.mark.parametrize(
    ("thing", "meant"),
    [
        ("tunel", "tunnel"),
        ("tunnel.sever", "tunnel.server"),
        ("eht0", "eth0"),
        ("/etc/resolve.conf", "/etc/resolv.conf"),
    ],
)
def test_close_matches_are_told(asked: Asked, thing: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"nothing here is called '{thing}'") as raised:
        asked.explained(thing)
    assert raised.value.hint.startswith("did you mean ")
    assert meant in raised.value.hint


def test_where_nothing_is_close_it_is_said_what_can_be_asked_for(asked: Asked) -> None:
    with pytest.raises(InputError) as raised:
        asked.explained("Wohnzimmerlampe")
    assert "a setting of appliance.yaml" in raised.value.hint


def test_a_setting_because_of_which_nothing_is_kept_is_no_mistake(asked: Asked) -> None:
    assert asked.explained("profile") == {"thing": "profile", "setting": "profile", "line": 2, "kinds": []}


def test_before_the_first_pass_nothing_can_be_said(asked: Asked) -> None:
    asked.passes.in_force = None
    with pytest.raises(TemporaryError, match="still starting"):
        asked.plan()


class TestPlan:
    def test_nothing_differs_after_a_pass(self, asked: Asked) -> None:
        assert asked.plan() == []
        assert asked.plan_for(asked.config) == []

    def test_what_is_gone_has_its_lines(self, asked: Asked) -> None:
        asked.machine.routes = [route for route in asked.machine.routes if route.destination.prefixlen == 32]
        (routes,) = asked.plan()
        gone = ("0.0.0.0/0 metric 97", *THROUGH_TUNNEL)
        assert routes["difference"] == [f"{key}: missing" for key in gone]
        assert set(routes["wanted_by"]) == set(gone)

    def test_another_configuration_is_what_a_pass_would_do_then(self, asked: Asked) -> None:
        other = asked.config.replace("198.51.100.100", "198.51.100.101")
        told = {kind["kind"]: kind["actions"] for kind in asked.plan_for(other)}
        assert told["routes"][-1] == "set route 198.51.100.101/32 via 192.168.1.254 on eth0"
        assert asked.machine.log == []
        appliance = parse_text(other.encode(), "appliance.yaml").appliance
        done = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, asked.machine)
        by_kind = {outcome.kind: outcome.done for outcome in done if outcome.done}
        for kind, actions in told.items():  # a pass also puts back what its own actions take with them
            assert set(actions) <= set(by_kind[kind])

    def test_it_is_not_in_force_and_not_on_trial(self, asked: Asked, tmp_path: Path) -> None:
        before = asked.passes.in_force
        asked.plan_for(asked.config.replace("198.51.100.100", "198.51.100.101"))
        assert asked.passes.in_force is before
        assert not asked.passes.configurations.trials.under_way
        assert list(tmp_path.iterdir()) == []
        assert asked.plan() == []

    def test_every_mistake_is_told_with_its_place(self, asked: Asked) -> None:
        with pytest.raises(ConfigError, match=r"appliance.yaml:\d+:\d+: tunnel.server"):
            asked.plan_for(asked.config.replace("198.51.100.100", "198.51.100.1000"))

    def test_on_a_machine_that_is_not_an_image_the_profile_is_custom(self, tmp_path: Path) -> None:
        asked = Asked(tmp_path, CUSTOM, custom=True)
        assert {kind["kind"] for kind in asked.plan_for(CUSTOM)} <= {"reactions"}
        with pytest.raises(
            ConfigError, match=r"appliance\.yaml:2:10: profile gateway needs the package appliance-gateway"
        ):
            asked.plan_for(GATEWAY)

    def test_a_bug_in_one_kind_hides_no_other(self, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
        kind = next(kind for kind in KINDS if kind.name == "links")
        monkeypatch.setattr(type(kind), "observe", lambda *_: 1 / 0)
        asked.machine.routes = []
        found = {kind["kind"]: kind for kind in asked.plan()}
        assert found["links"]["error"] == "a bug in the appliance: ZeroDivisionError: division by zero"
        assert found["routes"]["difference"]


class Signals:
    def __init__(self) -> None:
        self.repairs: list[tuple[str, str]] = []
        self.states = 0

    def repaired(self, kind: str, what: str) -> None:
        self.repairs.append((kind, what))

    def state_changed(self) -> None:
        self.states += 1


def test_only_what_this_pass_put_right_is_signalled(asked: Asked) -> None:
    signals: Any = Signals()
    right = Outcome("routes", State.OK, ("set route ::/0",))
    passes: list[tuple[Outcome, ...]] = [(right,), (), (Outcome("reactions", State.OK),)]
    for outcomes in passes:  # the second one did not come so far as to have any
        if outcomes:
            asked.history.note(outcomes)
        asked.answers.signal(signals, outcomes, asked.answers.state())
    assert signals.repairs == [("routes", "set route ::/0")]
    assert signals.states == 0


def test_they_are_looked_at_one_after_the_other(asked: Asked) -> None:
    """So a pass waits for one of them at most, however many ask."""
    under_way, most = 0, 0

    async def slow(look: Callable[[Any, Any], Any], /) -> Any:
        nonlocal under_way, most
        under_way, most = under_way + 1, max(most, under_way + 1)
        await asyncio.sleep(0)
        under_way -= 1
        return await asked._in_worker(look)

    async def many() -> None:
        asked.answers._in_worker = slow
        await asyncio.gather(*(asked.answers.plan_for_json(GATEWAY) for _ in range(5)))

    asyncio.run(many())
    assert most == 1


def test_one_look_answers_all_who_ask_within_a_second(asked: Asked) -> None:
    async def many() -> str:
        plans = [asked.answers.plan_json() for _ in range(5)]
        return (await asyncio.gather(*plans, *(asked.answers.explain_json("eth0") for _ in range(5))))[0]

    async def twice() -> None:
        assert not json.loads(await many())["kinds"]
        assert asked.looks == 1
        asked.machine.routes = []
        asked.now_s += FRESH_S
        assert json.loads(await many())["kinds"]
        assert asked.looks == 2

    asyncio.run(twice())


def test_after_a_pass_it_is_looked_again(asked: Asked) -> None:
    asyncio.run(asked.answers.plan_json())
    asked.machine.routes = []
    asked.answers.note(SimpleNamespace(overall="ready"), "{}")  # type: ignore[arg-type]
    assert json.loads(asyncio.run(asked.answers.plan_json()))["kinds"]
    assert asked.looks == 2


class TestAccountAlone:
    """The tunnel is the broker's to say; who asks sees what a pass does."""

    def test_a_plan_for_it_has_the_tunnel_that_is_known(self, tmp_path: Path) -> None:
        asked = Asked(tmp_path)
        assert "tunnel-information" in [kind["kind"] for kind in asked.plan_for(text())]
        asked.machine.broker_tunnel = SAID
        differ = [kind["kind"] for kind in asked.plan_for(text())]
        assert differ == ["tunnel-information", "broker"], "both are asked; the tunnel is the one that is there"

    def test_the_account_explains_the_tunnel(self, tmp_path: Path) -> None:
        asked = Asked(tmp_path, text(), said=SAID)
        specs = asked.specs("tunnel.broker")
        assert specs["tunnel"] == {"he-ipv6"} and set(THROUGH_TUNNEL) <= specs["routes"]
        [tunnel] = [kind for kind in asked.explained("he-ipv6")["kinds"] if kind["kind"] == "tunnel"]
        assert ("tunnel.broker", asked.line("  broker:")) in [
            (wanting["setting"], wanting["line"]) for wanting in tunnel["wanted_by"]["he-ipv6"]
        ]
