"""The tunnel's provider: what the broker is told is in force for the tunnel server, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from appliance.errors import PermanentError
from appliance.model import Appliance, Broker
from image.lab import desk
from image.lab import site as places
from image.lab.broker import HOST, PATH
from image.lab.cables import NIC, ip
from image.lab.desk import RegisteredDesk
from image.lab.gateway import Lab, gateway_lab
from image.lab.register import Register
from image.lab.topology import CLIENT, ISP, ROUTER, give_public_address
from image.lab.waiting import until

ACCOUNT = Broker(user="somebody", key="K3yOfTheTunnel/9", tunnel=123456)
HOME, STRANGER = places.WAN_ROUTER.ip, places.STRANGER
BASIC = f"Basic {base64.b64encode(f'{ACCOUNT.user}:{ACCOUNT.key}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [(HOME, f"nochg {HOME}", HOME), (STRANGER, f"good {HOME}", HOME), (None, "nohost", None)],
)
def test_what_it_is_told_is_in_the_register(
    before: IPv4Address | None,
    answer: str,
    after: IPv4Address | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register = Register(tmp_path / "register")
    register.enter(before)
    told = RegisteredDesk(ACCOUNT, register)
    told.pingable = lambda _: True
    assert told.update(BASIC, f"hostname={ACCOUNT.tunnel}", HOME) == answer
    assert register.endpoint() == after
    [call] = desk.calls(capsys.readouterr().out)
    assert call == told.calls[0]


@pytest.fixture(scope="module")
def lab(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose appliance has an account, and in place of the Pi a host of ours."""
    assert appliance.tunnel is not None
    told = replace(appliance, tunnel=replace(appliance.tunnel, broker=ACCOUNT))
    with gateway_lab(told, tmp_path_factory.mktemp("lab")) as made:
        ip(made.world, CLIENT, "address", "replace", str(made.site.pi_uplink), "dev", NIC)
        ip(made.world, CLIENT, "route", "replace", "default", "via", str(made.site.router))
        counting = f'type filter hook forward priority filter; iifname "to-{ISP}" ip protocol 41 counter'
        made.world.run(ROUTER, ["nft", "-f", "-"], stdin=f"table ip counted {{\nchain forward {{ {counting}; }}\n}}\n")
        yield made


def tell(lab: Lab, *trusting: str) -> str:
    """What the broker answers to somebody at home."""
    resolve = partial(lab.client.resolve, HOST, "A", server=str(lab.site.resolvers[0]))
    [address] = until(resolve, "the broker has an address", timeout_s=10)
    account = f"{ACCOUNT.user}:{ACCOUNT.key}"
    words = ("--resolve", f"{HOST}:443:{address}", "--user", account, *trusting)
    return lab.client.run("curl", "-sS", *words, f"https://{HOST}{PATH}?hostname={ACCOUNT.tunnel}")


@pytest.mark.netns
@pytest.mark.usefixtures("lab")
def test_no_process_has_the_key_among_its_words() -> None:
    """Everybody on the machine sees those, and the account may be a real one."""
    words = [told for path in Path("/proc").glob("[0-9]*/cmdline") if (told := read(path))]
    assert any(b"image.lab.desk" in told for told in words)
    assert not [told for told in words if ACCOUNT.key.encode() in told]


def read(path: Path) -> bytes:
    """What a process's file says; nothing once it has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.netns
def test_nobody_trusts_it_unasked(lab: Lab) -> None:
    with pytest.raises(PermanentError, match="certificate"):
        tell(lab)
    assert not lab.provider.calls()


@pytest.mark.netns
def test_an_address_that_it_does_not_know_means_silence(lab: Lab) -> None:
    """In both directions, until the broker is told of it."""
    give_public_address(lab.world, places.WAN_ROUTER_LATER)
    before, answered = lab.outside.refused()["outer-source"], answers(lab)
    ask(lab)
    until(lambda: lab.outside.refused()["outer-source"] == before + 1, "it is refused", timeout_s=5)
    assert answers(lab) == answered
    assert tell(lab, "--cacert", str(lab.provider.authority)) == f"good {places.WAN_ROUTER_LATER.ip}"
    assert lab.provider.register.endpoint() == places.WAN_ROUTER_LATER.ip
    ask(lab)
    until(lambda: answers(lab) > answered, "an answer goes into the tunnel", timeout_s=5)
    assert [call.peer for call in lab.provider.calls()] == [places.WAN_ROUTER_LATER.ip]


@pytest.mark.netns
def test_a_tunnel_that_is_deleted_is_nobodys(lab: Lab) -> None:
    lab.provider.register.enter(None)
    refused = lab.outside.refused()["outer-source"]
    ask(lab)
    until(lambda: lab.outside.refused()["outer-source"] == refused + 1, "it is refused", timeout_s=5)


def ask(lab: Lab) -> None:
    """One packet from the home into the tunnel, which the server beyond answers."""
    lab.outside.forge(
        namespace=CLIENT,
        outer_source=lab.site.pi_uplink.ip,
        outer_target=lab.site.tunnel_server,
        source=lab.site.web_host.ip,
        target=places.SERVER.ip,
    )


def answers(lab: Lab) -> int:
    """How many of the tunnel's packets have come home."""
    shown = lab.world.run(ROUTER, ["nft", "-j", "list", "chain", "ip", "counted", "forward"])
    [counter] = [
        entry["counter"]
        for rule in json.loads(shown)["nftables"]
        for entry in rule.get("rule", {}).get("expr", [])
        if "counter" in entry
    ]
    return int(counter["packets"])
