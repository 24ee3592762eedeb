"""Our interface on a real bus: a dbus-daemon of the test's own, with the policy that the image has, asked by busctl."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import RequestNameReply

from appliance.errors import ApplianceError, ConfigError, InputError, Mark, PermanentError, Problem, TemporaryError
from firstboot import api
from firstboot.api import Api
from firstboot.call import called

pytestmark = pytest.mark.programs

POLICY = Path(__file__).parents[2] / "overlays/base/usr/share/dbus-1/system.d/org.appliance.Appliance1.conf"
CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""
NOBODY = "65534"


class Answers:
    """What the daemon would say."""

    def __init__(self) -> None:
        self.applied = 0
        self.word = "ready"

    async def plan_json(self) -> str:
        return '{"kinds": []}'

    async def plan_for_json(self, text: str) -> str:
        if "gateway" not in text:
            raise ConfigError([Problem(Mark("appliance.yaml", 1, 10), "profile custom is not for this one", "gateway")])
        return json.dumps({"kinds": [], "text": text})

    async def explain_json(self, thing: str) -> str:
        if thing == "later":
            raise TemporaryError("the daemon is still starting")
        if thing == "broken":
            raise PermanentError("a bug in the appliance: (of course)", hint="report it (please)")
        if thing != "tunnel":
            raise InputError(f"nothing here is called {thing!r}", hint="did you mean tunnel?")
        return '{"thing": "tunnel"}'

    async def firewall_json(self) -> str:
        return '{"rules": []}'

    async def test_firewall_json(self, source: str, destination: str, port: str) -> str:
        return json.dumps({"packets": [], "asked": [source, destination, port]})

    def status_json(self) -> str:
        return '{"state": "ready"}'

    def state(self) -> str:
        return self.word

    def apply(self) -> None:
        self.applied += 1

    def confirm(self) -> None:
        raise InputError("no configuration is on trial")


class Bus:
    """A bus with our object on it."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder}/socket"
        config = folder / "bus.conf"
        config.write_text(CONFIG.format(socket=folder / "socket", policy=POLICY))
        argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        self._daemon = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._daemon.stdout is not None
        self._daemon.stdout.readline()
        self.answers = Answers()
        self.api = Api(self.answers)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        reply = asyncio.run_coroutine_threadsafe(self._offer(), self.loop).result(10)
        assert reply is RequestNameReply.PRIMARY_OWNER

    async def _offer(self) -> RequestNameReply:
        self._bus = await MessageBus(bus_address=self.address).connect()
        self._bus.export(api.PATH, self.api)
        return await self._bus.request_name(api.NAME)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._bus.disconnect)
        self._daemon.terminate()
        self._daemon.wait()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def ask(self, verb: str, *words: str, user: str = "0") -> subprocess.CompletedProcess[str]:
        argv = ["busctl", f"--address={self.address}", "--json=short", verb, api.NAME, api.PATH, *words]
        wrapped = ["setpriv", f"--reuid={user}", "--clear-groups", "--inh-caps=-all", *argv] if user != "0" else argv
        return subprocess.run(wrapped, capture_output=True, text=True, check=False, timeout=30)

    def called(self, method: str, *words: str, user: str = "0") -> object:
        finished = self.ask("call", api.INTERFACE, method, *words, user=user)
        assert finished.returncode == 0, finished.stderr
        return json.loads(json.loads(finished.stdout)["data"][0])


@pytest.fixture(scope="module")
def bus() -> Iterator[Bus]:
    if os.geteuid() != 0:
        pytest.skip("on the system bus the name is root's, and who may what is tried as somebody else")
    with TemporaryDirectory() as name:  # pytest's own folders are for nobody else
        folder = Path(name)
        folder.chmod(0o755)
        made = Bus(folder)
        yield made
        made.close()


@pytest.mark.parametrize("user", ["0", NOBODY])
def test_everybody_may_read(bus: Bus, user: str) -> None:
    assert bus.called("Status", user=user) == {"state": "ready"}
    assert bus.called("Plan", user=user) == {"kinds": []}
    assert bus.called("Explain", "s", "tunnel", user=user) == {"thing": "tunnel"}
    state = bus.ask("get-property", api.INTERFACE, "State", user=user)
    assert json.loads(state.stdout)["data"] == "ready"
    introspected = bus.ask("introspect", user=user)
    assert all(word in introspected.stdout for word in ("Plan", "Explain", "Apply", "State", "Repaired"))


def test_only_root_may_have_something_done(bus: Bus) -> None:
    assert bus.ask("call", api.INTERFACE, "Apply", user=NOBODY).returncode != 0
    assert bus.answers.applied == 0
    assert bus.ask("call", api.INTERFACE, "Apply").returncode == 0
    assert bus.answers.applied == 1
    assert bus.ask("call", api.INTERFACE, "Confirm", user=NOBODY).stderr == "Call failed: Access denied\n"


def test_only_root_may_choose_the_configuration_of_a_plan(bus: Bus) -> None:
    words = ("PlanFor", "s", "profile: gateway\n")
    assert bus.called(*words) == {"kinds": [], "text": "profile: gateway\n"}
    assert bus.ask("call", api.INTERFACE, *words, user=NOBODY).stderr == "Call failed: Access denied\n"


def test_an_error_says_what_to_do(bus: Bus) -> None:
    finished = bus.ask("call", api.INTERFACE, "Explain", "s", "tunel")
    assert finished.returncode != 0
    assert "nothing here is called 'tunel'\n  hint: did you mean tunnel?" in finished.stderr


class TestCommands:
    """As the commands ask: by `call`."""

    def called(self, bus: Bus, member: str, *texts: str) -> str:
        path = bus.address.removeprefix("unix:path=")
        return called(api.NAME, api.PATH, api.INTERFACE, member, *texts, bus=path)

    def test_answers(self, bus: Bus) -> None:
        assert self.called(bus, "Status") == '{"state": "ready"}'
        assert self.called(bus, "Explain", "tunnel") == '{"thing": "tunnel"}'
        before = bus.answers.applied
        assert self.called(bus, "Apply") == ""
        assert bus.answers.applied == before + 1

    @pytest.mark.parametrize("length", [*range(9), 127, 128, 100_000])
    def test_a_text_arrives_as_it_is(self, bus: Bus, length: int) -> None:
        """Whatever comes after it in the message."""
        text = "gateway" + "å€\n"[: length % 4] + "x" * length
        assert json.loads(self.called(bus, "PlanFor", text))["text"] == text

    @pytest.mark.parametrize(
        ("thing", "family", "message", "hint"),
        [
            ("tunel", InputError, "nothing here is called 'tunel'", "did you mean tunnel?"),
            ("later", TemporaryError, "the daemon is still starting", ""),
            ("broken", PermanentError, "a bug in the appliance: (of course)", "report it (please)"),
        ],
    )
    def test_an_error_is_of_its_family(
        self, bus: Bus, thing: str, family: type[ApplianceError], message: str, hint: str
    ) -> None:
        with pytest.raises(family) as raised:
            self.called(bus, "Explain", thing)
        assert type(raised.value) is family
        assert (raised.value.message, raised.value.hint) == (message, hint)

    def test_nothing_on_trial_is_the_users_mistake(self, bus: Bus) -> None:
        with pytest.raises(InputError, match="no configuration is on trial"):
            self.called(bus, "Confirm")

    def test_every_mistake_of_a_configuration_is_told(self, bus: Bus) -> None:
        with pytest.raises(InputError) as raised:
            self.called(bus, "PlanFor", "profile: custom")
        assert raised.value.message == "appliance.yaml:1:10: profile custom is not for this one (gateway)"

    def test_who_is_not_there_or_knows_no_such_thing(self, bus: Bus, tmp_path: Path) -> None:
        path = bus.address.removeprefix("unix:path=")
        with pytest.raises(TemporaryError, match="D-Bus: "):
            called("org.appliance.Nobody", api.PATH, api.INTERFACE, "Status", bus=path)
        with pytest.raises(TemporaryError, match="D-Bus: "):
            self.called(bus, "Paint")
        with pytest.raises(TemporaryError, match="the system bus cannot be asked: No such file"):
            called(api.NAME, api.PATH, api.INTERFACE, "Status", bus=str(tmp_path / "none"))


def test_what_happens_is_signalled(bus: Bus) -> None:
    argv = ["dbus-monitor", "--address", bus.address, f"interface='{api.INTERFACE}'", "type='signal'"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout is not None
        _until(monitor, "NameLost")
        bus.loop.call_soon_threadsafe(bus.api.repaired, "routes", "set route 0.0.0.0/0")
        _until(monitor, "member=Repaired")
        _until(monitor, 'string "set route 0.0.0.0/0"')
        bus.answers.word = "waiting"
        bus.loop.call_soon_threadsafe(bus.api.state_changed)
        _until(monitor, "member=PropertiesChanged")
        _until(monitor, 'string "waiting"')
        monitor.terminate()
    bus.answers.word = "ready"


def _until(monitor: subprocess.Popen[str], word: str) -> None:
    assert monitor.stdout is not None
    for line in monitor.stdout:
        if word in line:
            return
    raise AssertionError(f"{word} never came")
