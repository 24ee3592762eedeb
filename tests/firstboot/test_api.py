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

from appliance.errors import InputError
from firstboot import api
from firstboot.api import Api

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

    async def explain_json(self, kind: str) -> str:
        if kind != "tunnel":
            raise InputError(f"there is no part called {kind!r}", hint="there are: tunnel")
        return '{"kind": "tunnel"}'

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
    assert bus.called("Explain", "s", "tunnel", user=user) == {"kind": "tunnel"}
    state = bus.ask("get-property", api.INTERFACE, "State", user=user)
    assert json.loads(state.stdout)["data"] == "ready"
    introspected = bus.ask("introspect", user=user)
    assert all(word in introspected.stdout for word in ("Plan", "Explain", "Apply", "State", "Repaired"))


def test_only_root_may_have_something_done(bus: Bus) -> None:
    assert bus.ask("call", api.INTERFACE, "Apply", user=NOBODY).returncode != 0
    assert bus.answers.applied == 0
    assert bus.ask("call", api.INTERFACE, "Apply").returncode == 0
    assert bus.answers.applied == 1


def test_an_error_says_what_to_do(bus: Bus) -> None:
    finished = bus.ask("call", api.INTERFACE, "Explain", "s", "tunel")
    assert finished.returncode != 0
    assert "there is no part called 'tunel' (there are: tunnel)" in finished.stderr


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
