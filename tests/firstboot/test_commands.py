"""`appliance plan`, `explain` and `firewall`, as a person has them: asked is a daemon in memory."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest

from appliance.cli import main
from appliance.errors import ApplianceError, TemporaryError
from firstboot.bus_names import error_name, error_of
from firstboot.cli import denied, explain, firewall, logs, plan, status
from tests.firstboot.test_answers import CUSTOM, GATEWAY, Asked


class Shell:
    """Runs commands; what they print is in `capsys`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, config: str = GATEWAY) -> None:
        self.asked = Asked(folder, config, custom=config is CUSTOM)
        self.calls: list[str] = []
        for module in (plan, explain, firewall):
            monkeypatch.setattr(module, "asked", self._answer)
        self._monkeypatch = monkeypatch
        self.be(0)

    def be(self, user: int) -> None:
        self._monkeypatch.setattr("os.geteuid", lambda: user)

    def _answer(self, method: str, *texts: str) -> dict[str, Any]:
        self.calls.append(method)
        answers = self.asked.answers
        asks: dict[str, Any] = {
            "Plan": answers.plan_json,
            "PlanFor": answers.plan_for_json,
            "Explain": answers.explain_json,
            "Firewall": answers.firewall_json,
            "TestFirewall": answers.test_firewall_json,
        }
        try:
            return dict(json.loads(asyncio.run(asks[method](*texts))))
        except ApplianceError as error:
            raise error_of(error_name(error), str(error)) from None


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A configuration that is not in force."""
    file = tmp_path / "new.yaml"
    file.write_text(GATEWAY.replace("198.51.100.100", "198.51.100.101"))
    return file


def test_a_plan_for_a_file_names_its_lines(shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(new)]) == 0
    line = next(at for at, text in enumerate(new.read_text().splitlines(), 1) if "198.51.100.101" in text)
    told = capsys.readouterr().out
    assert f"  differs: 198.51.100.101/32 metric 97: missing (new.yaml line {line} tunnel.server, " in told
    assert "\n  would: set route 198.51.100.101/32 via 192.168.1.254 on eth0" in told
    assert shell.calls == ["PlanFor"]
    assert shell.asked.machine.log == []


def test_of_many_settings_the_new_ones_are_told_first(
    shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new.write_text(GATEWAY.replace("lease: 12h", "lease: 1h"))
    assert main(["plan", str(new)]) == 0
    line = shell.asked.line("    lease:")
    told = capsys.readouterr().out.splitlines()
    assert told[1].startswith("  differs: /etc/appliance/dnsmasq.conf: content differs (new.yaml line ")
    assert f"line {line} lan.dhcp4.lease, " in told[1]


def test_a_plan_for_what_is_in_force_is_empty(shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new.write_bytes(b"\xef\xbb\xbf" + GATEWAY.replace("\n", "\r\n").encode() + b"# \xe4\n")
    assert main(["plan", str(new)]) == 0
    told = capsys.readouterr()
    assert told.out == "Nothing differs, nothing would be done.\n"
    assert "new.yaml:31:3: warning: this comment is not UTF-8" in told.err, "as `appliance check` says it"


def test_mistakes_are_told_as_by_check(shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new.write_text(GATEWAY.replace("198.51.100.100", "198.51.100.1000"))
    codes = {command: main([command, str(new)]) for command in ("plan", "check")}
    assert codes == {"plan": 2, "check": 2}
    said = capsys.readouterr().err.splitlines()
    assert said[: len(said) // 2] == said[len(said) // 2 :]
    assert said[0].startswith(f"{new}:16:11: tunnel.server: ")
    assert shell.calls == [], "the daemon is not asked about what is not right"


def test_what_only_the_daemon_knows_to_be_wrong_has_its_place_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Shell(tmp_path, monkeypatch, CUSTOM)
    assert main(["plan", str(new)]) == 2
    assert f"{new}:2:10: profile gateway needs the package appliance-gateway" in capsys.readouterr().err


def test_others_than_root_may_have_a_file_checked(shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell.be(1000)
    assert main(["plan", str(new)]) == 2
    said = capsys.readouterr().err
    assert "only root may have a plan made for another configuration" in said
    assert f"sudo appliance plan {new}" in said
    assert main(["plan"]) == 0
    assert shell.calls == ["Plan"]


def test_a_file_that_is_not_there(shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: No such file or directory" in capsys.readouterr().err


def test_json_is_what_the_daemon_answers(shell: Shell, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", str(new)]) == 0
    kinds = {kind["kind"]: kind for kind in json.loads(capsys.readouterr().out)["kinds"]}
    assert kinds["tunnel"]["difference"] == ["he-ipv6: remote is 198.51.100.100, wanted 198.51.100.101"]
    assert main(["explain", "--json", "::/0"]) == 0
    assert [kind["kind"] for kind in json.loads(capsys.readouterr().out)["kinds"]] == ["routes"]


def test_explain_tells_a_section_as_a_whole(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tunnel"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"tunnel: appliance.yaml line {shell.asked.line('tunnel:')}\n")
    server, address = shell.asked.line("  server:"), shell.asked.line("  address: 192")
    for words in (
        "tunnel: ok\n  as wanted:\n    he-ipv6: local 192.168.1.252, remote 198.51.100.100, mtu 1480, ",
        f" (appliance.yaml line {address} uplink.address, {server} tunnel.server)\n",
        "\naddresses: ok\n",
        "\nroutes: ok\n",
        "\ntunnel-sysctls: ok\n",
        "\nreach: ok\n",
        "    /etc/ufw/before6.rules: mode 0640 (appliance.yaml line ",
        "\nlately (UTC):\n",
        " tunnel: make tunnel he-ipv6 from 192.168.1.252 to 198.51.100.100\n",
        " addresses: add address 2001:db8:123c:abd::2/64 to he-ipv6\n",
    ):
        assert words in told, told
    assert "set the host name" not in told
    assert "differs" not in told


def test_explain_tells_what_differs(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.asked.machine.routes = []
    assert main(["explain", "::/0"]) == 0
    told = capsys.readouterr().out
    assert "  wanted:\n    ::/0 from 2001:db8:123c:abd::/64 metric 512: destination ::/0, interface he-ipv6, " in told
    assert "  there is: nothing\n  differs:\n    ::/0 from 2001:db8:123c:abd::/64 metric 512: missing\n" in told
    assert "  would be done:\n    set route ::/0 from 2001:db8:123c:abd::/64 on he-ipv6\n" in told


def test_explain_tells_the_first_few_lines_of_many(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "/etc/appliance/dnsmasq.conf"]) == 0
    assert " uplink.gateway, 7 more)\n" in capsys.readouterr().out


def test_explain_tells_what_is_meant(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tunel"]) == 2
    said = capsys.readouterr().err
    assert "nothing here is called 'tunel'" in said
    assert "did you mean tunnel" in said
    assert main(["explain", "profile"]) == 0
    assert capsys.readouterr().out == "profile: appliance.yaml line 2\nNothing is kept because of it alone.\n"


LOGGED = """\
2026-11-24T08:00:00+0000 ipv6gw kernel: [UFW BLOCK] IN=he-ipv6 OUT=eth0 MAC=45:00 \
SRC=2001:0db8:ffff:0000:0000:0000:0000:0080 DST=2001:0db8:123d:0abc:0000:0000:0000:0002 LEN=60 TC=0 \
PROTO=TCP SPT=1025 DPT=22 WINDOW=1024 SYN URGP=0
2026-11-24T08:00:01+0000 ipv6gw kernel: [UFW BLOCK] IN=eth0 OUT= MAC=b8:27 \
SRC=198.51.100.66 DST=192.168.1.252 LEN=124 PROTO=41
of another form
"""


def test_the_firewall_is_told_as_a_table(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(denied, "run_program", lambda _: LOGGED)
    assert main(["firewall", "explain"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["IP", "from", "to", "port", "action", "packets", "line", "note"]
    [allowed] = [line for line in told if " inside 2001:db8:123d:abc::2 " in line and "tcp/80" in line]
    assert re.search(rf" allow +7 +{shell.asked.line('    - to:')} *$", allowed), allowed
    assert told[-4:] == [
        "last drops:",
        "  2026-11-24T08:00:00+0000  2001:db8:ffff::80 by he-ipv6 to 2001:db8:123d:abc::2: tcp/22",
        "  2026-11-24T08:00:01+0000  198.51.100.66 by eth0 to 192.168.1.252: protocol 41",
        "  of another form",
    ]


def test_a_rule_about_a_machine_without_an_address_is_told_as_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Shell(tmp_path, monkeypatch, GATEWAY.replace("- to: 2001:db8:123d:abc::2", "- to: nas"))
    monkeypatch.setattr(denied, "run_program", lambda _: "")
    assert main(["firewall", "explain"]) == 0
    [told] = [line for line in capsys.readouterr().out.splitlines() if "inside nobody now" in line and "tcp/80" in line]
    assert " allow, not in force " in told


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.usefixtures("shell")
def test_the_firewalls_table_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(denied, "run_program", lambda _: "")
    monkeypatch.setattr(firewall, "get_terminal_size", lambda: os.terminal_size((width, 24)))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["firewall", "explain"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert max(map(len, told)) <= width
    assert "      the tunnel" in told


def test_tables_of_the_legacy_iptables_are_told_of(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(denied, "run_program", lambda _: "")
    assert main(["firewall", "explain"]) == 0
    assert "legacy" not in capsys.readouterr().out
    shell.asked.machine.legacy = {4: ("nat", "filter"), 6: ("filter",)}
    assert main(["firewall", "explain"]) == 0
    told = capsys.readouterr().out
    assert "The legacy iptables has tables as well (IPv4 nat, IPv4 filter, IPv6 filter)" in told


def test_counters_are_left_out_where_the_kernel_has_other_rules(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(denied, "run_program", lambda _: "")
    shell.asked.machine.kernel_rules[6] = ""
    assert main(["firewall", "explain"]) == 0
    told = capsys.readouterr().out
    assert "The counters leave out IPv6: the rules in the kernel are others just now." in told
    assert "last drops: none" in told


def test_the_rule_that_decides_is_named_with_its_line(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["firewall", "test", "--from", "outside", "--to", "2001:db8:123d:abc::2", "--port"]
    assert main([*asked, "tcp/80"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "IPv6: 2001:db8:ffff::1 to 2001:db8:123d:abc::2 port 80: allow"
    assert f"(inbound, appliance.yaml line {shell.asked.line('    - to:')} firewall.allow_in[0])" in told[1]
    assert main([*asked, "tcp/81"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("port 81: deny")
    assert told[1].startswith("  by no rule (the rest)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--from", "fridge", "--to", "box", "--port", "icmp"),
            "'fridge' is no zone, no address, and no machine inside",
        ),
        (("--from", "outside", "--to", "box", "--port", "443"), "does not say whether it is tcp or udp"),
        (("--from", "192.0.2.1", "--to", "2001:db8::1", "--port", "icmp"), "no addresses of one family"),
    ],
)
def test_a_question_that_cannot_be_understood(
    shell: Shell, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["firewall", "test", *words]) == 2
    assert said in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STATUS = """ipv6gw (gateway)
UP: everything is as appliance.yaml wants it.

  LAN  --- ipv6gw -X- router -?- Internet

WAITING tunnel: nothing ok
  hint: is the cable in?
BROKEN files: the disk is full
3 other parts: ok

All parts:
  links: ok
  tunnel: waiting
  files: failed
"""


def test_what_is_well_and_what_is_not_is_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    told = status.coloured(STATUS, Terminal())
    painted = re.findall("\x1b\\[(\\d+)m(.*?)\x1b\\[0m", told)
    green, yellow, red = "32", "33", "31"
    assert sorted(painted) == sorted([
        (green, "UP: everything is as appliance.yaml wants it."),
        (green, " ---"),
        (red, " -X-"),
        (yellow, " -?-"),
        (yellow, "WAITING tunnel: nothing ok"),
        (red, "BROKEN files: the disk is full"),
        (green, "ok"),
        (green, "ok"),
        (yellow, "waiting"),
        (red, "failed"),
    ])  # fmt: skip
    assert re.sub("\x1b\\[\\d+m", "", told) == STATUS
    assert status.coloured(STATUS, io.StringIO()) == STATUS


@pytest.mark.parametrize(("words", "lists"), [([], False), (["--all"], True), (["--json"], False)])
def test_all_parts_are_listed_where_that_is_asked_for(
    words: list[str], lists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "require_daemon", lambda: None)
    for name, text in {"STATUS": '{"state": "waiting"}', "STATUS_TEXT": "NOT UP YET\n", "PART_LIST": "All:\n"}.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(status, name, tmp_path / name)
    assert main(["status", *words]) == 1
    told = capsys.readouterr().out
    assert told == ("NOT UP YET\n" + "\nAll:\n" * lists if words != ["--json"] else '{"state": "waiting"}')


OF_ITS_OWN = ("journalctl", "--quiet", "--lines=1", "--unit=appliance*")
ALWAYS = ("journalctl", "--no-hostname", "--quiet")
DAEMON, SERVICES = ("--unit=appliance.service", "--unit=appliance-run-*"), ("--unit=appliance*", "--unit=ufw.service")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], [*DAEMON, "--lines=100"]),
        (["-n", "5", "--follow"], [*DAEMON, "--lines=5", "--follow"]),
        (["--since", "yesterday"], [*DAEMON, "--since=yesterday"]),
        (["--since", "yesterday", "-n", "5"], [*DAEMON, "--lines=5", "--since=yesterday"]),
        (["--all"], [*SERVICES, "--lines=100"]),
        (["--all", "--follow"], [*SERVICES, "--lines=100", "--follow"]),
    ],
)
def test_logs_are_the_journals(monkeypatch: pytest.MonkeyPatch, options: list[str], shown: list[str]) -> None:
    became: list[list[str]] = []

    def become(argv: list[str]) -> NoReturn:
        became.append(argv)
        raise SystemExit(0)

    monkeypatch.setattr(logs, "become", become)
    monkeypatch.setattr(logs, "run_program", lambda argv: {OF_ITS_OWN: "a line\n"}[tuple(argv)])
    with pytest.raises(SystemExit):
        main(["logs", *options])
    assert became == [[*ALWAYS, *shown]]


@pytest.mark.parametrize("code", [0, 1])
def test_logs_of_nothing_are_on_another_machine(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What journalctl says of services that have written nothing depends on whether others have."""

    def journalctl(argv: list[str]) -> str:
        if code:
            raise TemporaryError(f"{argv[0]} failed with exit code {code}")
        return ""

    monkeypatch.setattr(logs, "run_program", journalctl)
    monkeypatch.setattr(logs, "become", pytest.fail)
    assert main(["logs", "--follow"]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: nothing of the appliance is in the journal here, or not for you to see"
    assert "ssh pi@NAME.local" in hint


def test_what_was_denied_is_told_in_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[list[str]] = []

    def run_program(argv: list[str]) -> str:
        asked.append(argv)
        return LOGGED

    monkeypatch.setattr(denied, "run_program", run_program)
    assert main(["logs", "--denied", "-n", "7"]) == 0
    assert asked[0][-1] == "--lines=7"
    assert capsys.readouterr().out.splitlines() == [denied.in_words(line) for line in LOGGED.splitlines()]
    monkeypatch.setattr(denied, "run_program", lambda _: "")
    assert main(["logs", "--denied"]) == 0
    assert capsys.readouterr().out.startswith("none, or")


def test_a_number_of_lines_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "-n", "many"]) == 2
    assert "'many' is not a number of lines" in capsys.readouterr().err
