"""The verbs of a lab, by the command and through its door, with a gateway that is not a Pi."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from socket import create_server, socket

import pytest

from appliance import cli, parse
from appliance.errors import InputError, PermanentError
from appliance.model import Appliance
from image.cli.lab import hints
from image.lab.agent import executed
from image.lab.cables import WIRES, ip
from image.lab.computer import Computer
from image.lab.faults import Fault
from image.lab.gateway import Lab
from image.lab.guest import Answer, Guest
from image.lab.home import Home, home_lab
from image.lab.services import PAGE
from image.lab.session import names, places, verbs
from image.lab.session.door import Request, answering
from image.lab.session.gadget_scene import alone, with_laptop
from image.lab.session.gateway_scene import scene_of
from image.lab.session.page import LISTENING
from image.lab.session.play import watch
from image.lab.session.scene import Inside
from image.lab.session.session import STATUS, EndedError, Session
from image.lab.site import NAMED_IPV4, SERVER_NAME
from image.lab.waiting import until
from image.lab.world import SOURCES
from image.recipe import PROJECT
from tests.lab.fake_gateway import PI

pytestmark = pytest.mark.netns
LAPTOP = "laptop"
READY = {"state": "ready", "kinds": [{"kind": "tunnel", "state": "ok", "error": ""}]}


class Machine(Guest):
    """The machine is not there: it knows a few answers, and runs other programs here."""

    listening = ""
    fetched: Mapping[str, str] = {}
    """By its address, what curl prints of it on a computer that is played inside."""

    def __init__(self) -> None:
        super().__init__(socket(), lambda: None, Path())
        self.line.close()

    def ask(self, argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> Answer:
        if argv[-1] in self.fetched:
            assert "curl" in argv and f"--net=/run/netns/{LAPTOP}" in argv
            return Answer(0, self.fetched[argv[-1]])
        known = {
            ("cat", STATUS): Answer(0, json.dumps(READY)),
            ("appliance", "status"): Answer(0, "UP: everything\n"),
            LISTENING: Answer(0, self.listening),
        }
        return known.get(tuple(argv)) or Answer(**executed({"argv": argv, "stdin": stdin, "timeout_s": timeout_s}))


@contextmanager
def pulled(lab: Lab, _: Guest) -> Iterator[None]:
    ip(lab.world, WIRES, "link", "set", PI, "down")
    yield
    ip(lab.world, WIRES, "link", "set", PI, "up")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def session(
    faked: Lab,
    appliance: Appliance,
    told: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Session]:
    """It is looked at all the time, as the command does."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # a socket's path is short
    scene = replace(scene_of(faked, appliance), cables={"uplink": partial(pulled, faked)})
    made = Session(scene, told.append)
    made.guest = Machine()
    thread = threading.Thread(target=looked_at, args=[made])
    answer = partial(verbs.answered, made)
    with places.claimed("fake", told.append) as folder, answering(folder / places.CONTROL, answer), made.mended():
        thread.start()
        yield made
        made.ending.set()
        thread.join()


def looked_at(session: Session) -> None:
    with pytest.raises(EndedError):
        watch(session)


def lab(*words: str) -> int:
    try:
        return cli.main(["lab", *words])
    except SystemExit as end:
        return int(str(end.code))


def page(*words: str) -> str:
    """What a command on the client gets, in a process of its own: ours would become it."""
    command = ["shell", "client", "--", "curl", "-6", "--silent", "--max-time", "3", f"http://{SERVER_NAME}/", *words]
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "lab", *command], cwd=SOURCES, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_a_fault_is_there_until_it_is_mended(
    session: Session, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab("wait", "ready", "--timeout", "60") == 0
    assert page() == PAGE
    assert lab("fault", "proto41") == 0
    assert lab("fault", "proto41") == InputError.exit_code
    capsys.readouterr()
    assert lab("fault", "--list") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in listed if line.startswith("*")] == ["proto41"]
    assert not page()
    until(lambda: lab("wait", "ready", "--timeout", "0"), "the client has noticed", timeout_s=30)
    assert "client, web server over IPv6: not reached" in capsys.readouterr().out
    assert lab("status") == 0
    assert "(in the lab, on purpose: proto41)\n" in capsys.readouterr().out
    assert lab("mend") == 0
    assert lab("wait", "ready", "--timeout", "60") == 0
    assert page() == PAGE
    assert [words for words in told if "proto41" in words] == ["broken: proto41", "mended: proto41"]


def test_a_cable_is_out_until_it_is_plugged_in(session: Session) -> None:
    assert lab("plug", "uplink") == InputError.exit_code
    assert lab("unplug", "uplink") == 0
    assert not page()
    assert lab("plug", "uplink") == 0
    until(lambda: page() == PAGE, "it is back", timeout_s=30)


def test_two_faults_are_mended_one_by_one(session: Session) -> None:
    assert [lab("fault", "dns"), lab("fault", "beyond"), lab("mend", "dns")] == [0, 0, 0]
    assert session.broken == ["beyond"]
    assert lab("mend", "dns") == InputError.exit_code


def test_the_pi_is_asked(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab("status") == 0
    assert capsys.readouterr().out.endswith("UP: everything\n")
    assert lab("shell", "pi", "--", "echo", "it", "runs") == 0
    assert capsys.readouterr().out == "it runs\n"
    assert lab("shell", "pi", "--", "false") == 1
    session.guest = None
    assert lab("shell", "pi", "--", "false") == InputError.exit_code
    assert "it has no power yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fault", "proto42"], "there is: proto41, mtu"),
        (["mend", "proto42"], "there is no fault 'proto42' in this lab\nhint: there is: proto41, mtu"),
        (["mend", "proto41"], "proto41 is not broken\nhint: broken is: nothing"),
        (["plug", "uplink"], "uplink is plugged in\nhint: `appliance lab unplug uplink`"),
        (["unplug", "usb"], "there is: uplink"),
        (["shell", "laptop"], "there is: pi, client"),
    ],
)
def test_what_there_is_not(words: list[str], said: str, session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(*words) == InputError.exit_code
    assert said in capsys.readouterr().err


def test_a_shell_on_a_machine_without_a_terminal_is_refused(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is connected: a board's model has none, and one that boots has none yet."""
    assert lab("shell", "pi") == InputError.exit_code
    assert "hint: appliance lab shell pi -- COMMAND" in capsys.readouterr().err
    session.guest = None
    assert lab("shell", "pi") == InputError.exit_code
    assert "it has no power yet" in capsys.readouterr().err


def served(lab: Lab, folder: Path) -> AbstractContextManager[object]:
    """A page at the gateway's address."""
    argv = [sys.executable, "-m", "http.server", "--bind", str(lab.site.pi_lan.ip), "--directory", str(folder), "80"]
    return lab.world.running(PI, argv, log="fake-page")


@contextmanager
def handed_on(*words: str) -> Iterator[str]:
    """`appliance lab page` in another terminal, which tells where it is: until Ctrl-C, which is no failure."""
    argv = [sys.executable, "-u", "-m", "appliance", "lab", "page", *words]
    with subprocess.Popen(argv, cwd=SOURCES, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child.stdout.readline().split()[0]
        finally:
            child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0


def answer(url: str, host: str = "") -> tuple[int, str, str]:
    """The status code, the Content-Type and the content."""
    asked = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(asked, timeout=30) as found:
            return found.status, found.headers["Content-Type"], found.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_status_page_is_handed_to_a_browser_of_this_computer(session: Session, faked: Lab, tmp_path: Path) -> None:
    shown = "<h1>Everything works</h1>\n<p>…</p>\n"
    (tmp_path / "index.html").write_text(shown)
    (tmp_path / "page.css").write_text("p { }")
    assert isinstance(session.guest, Machine)
    session.guest.listening = f"""\
LISTEN 0 1024 [2001:db8:123d:abc::1]:80 [::]:*
LISTEN 0 1024 {faked.site.pi_lan.ip}:80 0.0.0.0:*
"""
    with handed_on() as url:
        with served(faked, tmp_path):
            until(lambda: answer(url) == (200, "text/html", shown), "it is shown", timeout_s=30)
            assert answer(f"{url}page.css") == (200, "text/css", "p { }")
            assert answer(f"{url}nothing")[0] == 404
            assert answer(f"{url}a%20b")[0] == 403
            assert answer(url, "rebound.example")[0] == 403
        assert answer(url)[0] == 502


def test_of_a_gadget_it_is_what_the_laptop_gets(session: Session) -> None:
    session.scene = replace(session.scene, computers={LAPTOP: Inside("a laptop", partial(Computer, name=LAPTOP))})
    assert isinstance(session.guest, Machine)
    session.guest.listening = "LISTEN 0 1024 10.55.0.1:80 0.0.0.0:*\n"
    session.guest.fetched = {"http://10.55.0.1/metrics": "up 1\n\n200 text/plain"}
    with handed_on() as url:
        assert answer(f"{url}metrics") == (200, "text/plain", "up 1\n")


def test_a_page_that_cannot_be_shown(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab("page") == InputError.exit_code
    assert "the Pi shows no page now" in capsys.readouterr().err
    assert isinstance(session.guest, Machine)
    session.guest.listening = "LISTEN 0 1024 192.168.1.252:80 0.0.0.0:*\n"
    with create_server(("127.0.0.1", 0)) as other:
        assert lab("page", "--port", str(other.getsockname()[1])) == InputError.exit_code
    assert "--port OTHER" in capsys.readouterr().err
    assert lab("page", "--port", "70000") == InputError.exit_code


def test_the_page_ends_with_the_lab(session: Session) -> None:
    """Whoever has begun it finds its prompt again."""
    assert isinstance(session.guest, Machine)
    session.guest.listening = "LISTEN 0 1024 192.168.1.252:80 0.0.0.0:*\n"
    argv = [sys.executable, "-u", "-m", "appliance", "lab", "page"]
    with subprocess.Popen(argv, cwd=SOURCES, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline().startswith("http://127.0.0.1:")
        (places.found(None) / places.CONTROL).unlink()
        assert child.wait(30) == 0


@pytest.mark.parametrize("place", ["pi", "client"])
def test_there_is_no_such_program(place: str, session: Session) -> None:
    argv = [sys.executable, "-m", "appliance", "lab", "shell", place, "--", "nope", "-6"]
    done = subprocess.run(argv, cwd=SOURCES, capture_output=True, text=True, check=False)
    assert done.returncode == 127
    message, hint = (done.stdout + done.stderr).splitlines()
    assert message == f"error: {place} has no program nope"
    assert hint.startswith(f"hint: `appliance lab shell {place}`")


def test_the_places_are_listed(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab("shell") == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["pi", *session.scene.hosts]
    assert "  router     the home router" in listed


def test_it_is_ended(session: Session) -> None:
    assert lab("end") == 0
    assert session.ending.is_set()


def test_what_was_expected_ends_it(faked: Lab, appliance: Appliance) -> None:
    session = Session(scene_of(faked, appliance), lambda _: None)
    session.guest = Machine()
    session.expect("ready", 60)
    watch(session)
    session.expect("waiting", 0)
    with pytest.raises(EndedError):
        watch(session)
    assert session.lacking("waiting") == ["the appliance says ready, not waiting"]


def test_a_home_has_faults_of_its_own(tmp_path: Path) -> None:
    """Each is gone when it is mended. What they do is in `test_home`."""
    with home_lab(tmp_path) as home:
        session = Session(alone(home), lambda _: None)
        for name in session.scene.faults:
            assert verbs.answered(session, Request("fault", (name,))).code == 0
            assert session.broken == [name]
            verbs.answered(session, Request("mend"))
        until(lambda: PAGE in fetched(home), "the Internet is there", timeout_s=15)


def test_the_names_that_shells_complete_are_those_that_there_are(
    faked: Lab, appliance: Appliance, tmp_path: Path
) -> None:
    """Of all labs together; what is played inside a guest is not begun here."""
    gadget = parse.load(PROJECT / "tests/appliance/examples/gadget.yaml").appliance
    assert gadget.uplink is not None and gadget.uplink.wifi is not None
    wired = replace(gadget, uplink=replace(gadget.uplink, wifi=None))
    with home_lab(tmp_path) as home:
        scenes = [scene_of(faked, appliance), *(with_laptop(home, each, tmp_path) for each in (wired, gadget))]
    assert set(names.CABLES) == {name for scene in scenes for name in scene.cables}
    broker = {Fault.BROKER.value}  # of whoever has an account
    assert set(names.FAULTS) == {name for scene in scenes for name in scene.faults} | broker
    assert set(names.PLACES) == {name for scene in scenes for name in verbs.all_places(scene)}


def fetched(home: Home) -> str:
    try:
        return home.neighbour.run("curl", "--silent", "--max-time", "2", f"http://{NAMED_IPV4}/")
    except PermanentError:
        return ""


def test_what_to_type_is_told(faked: Lab, appliance: Appliance) -> None:
    told = hints("one", scene_of(faked, appliance))
    for verb in ("status", "page", "shell pi", "shell client", "unplug uplink", "fault --list", "mend", "end"):
        assert f"appliance lab {verb} --name one\n" in told
