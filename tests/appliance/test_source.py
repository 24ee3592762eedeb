"""What people's editors and the web do to a file."""

from __future__ import annotations

import pytest

from tests.appliance.conftest import parsed, problem, problems, warnings

START = "profile: custom\n"
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
POLICY = """\
routing:
  tables:
    - lookup: 2-252
      ensure: default-route
"""


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace(": ", ":\t").encode(),
        lambda text: text.replace("\n", "\t\n").encode(),
        lambda text: text.replace("\n", "\t# comment\n").encode(),
        lambda text: text.replace("\n", "\n\t\n").encode(),
        lambda text: text.replace("\n", "\n\t# comment\n").encode(),
        lambda text: ("---\n" + text + "...\n").encode(),
    ],
)
def test_what_editors_leave_behind_is_accepted(encode, gateway) -> None:  # type: ignore[no-untyped-def]
    assert parsed(encode(gateway)).appliance == parsed(gateway).appliance


def test_lines_and_columns_count_as_editors_do() -> None:
    text = "profile: custom\r\nhostname: a.b\r\n" + POLICY
    assert problem(b"\xef\xbb\xbf" + text.encode()).startswith("a.yaml:2:11: ")
    assert problem(b"\xff\xfe" + text.encode("utf-16-le")).startswith("a.yaml:2:11: ")
    assert problem("# é\nhostname: a.b # é\nprofile: custom\n" + POLICY).startswith("a.yaml:2:11: ")


def test_every_scalar_is_text() -> None:
    wifi = "profile: gadget\ngadget:\nuplink:\n  interface: wlan0\n  wifi: {ssid: 12:34:56, country: NO, open: yes}\n"
    uplink = parsed(wifi).appliance.uplink
    assert uplink is not None and uplink.wifi is not None
    assert (uplink.wifi.ssid, uplink.wifi.country, uplink.wifi.open) == ("12:34:56", "NO", True)
    for ssid in ("on", "null", "~", "1e3", "0x10", "2026-01-01", "1_000", "Michael’s iPhone", "=", "<<"):
        uplink = parsed(wifi.replace("12:34:56", f'"{ssid}"')).appliance.uplink
        assert uplink is not None and uplink.wifi is not None and uplink.wifi.ssid == ssid


def test_tabs_in_a_value_are_white_space() -> None:
    text = START + POLICY + "ssh:\n  authorized_keys: ssh-ed25519\t" + KEY + "\tme\t\n"
    assert parsed(text).appliance.ssh.authorized_keys == (f"ssh-ed25519 {KEY} me",)
    assert 'hostname: "a b" is not a host name' in problem(START + POLICY + "hostname: a\t\n  b\t\t\n")


FATAL = {
    "empty": ("", "1:1: the file is empty (`appliance init gateway` writes one to start from)"),
    "blank": (" \n\n", "1:1: the file is empty (`appliance init gateway` writes one to start from)"),
    "comments": ("# nothing\n", "1:1: the file says nothing (profile: gateway, gadget or custom)"),
    "marker": ("---\n", "1:1: the file says nothing (profile: gateway, gadget or custom)"),
    "word": ("hello\n", "1:1: this is not a list of settings (name: value)"),
    "list": ("- profile: custom\n", "1:1: this is not a list of settings (name: value)"),
    "binary": ("profile: custom\n\x00", "2:1: character U+0000 cannot be in a text file (plain text, saved as UTF-8)"),
    "line separator": ("profile: custom\u2028", "1:16: character U+2028 cannot be in a text file"),
    "two documents": (f"{START}{POLICY}---\nprofile: custom\n", "6:1: a second document begins here (one file has one"),
    "quote": ('profile: custom\nhostname: "pi\nmanager: "auto"\n', "2:11: the quote that opens here is not closed on"),
    "quote at the end": (
        "profile: custom\nhostname: 'pi",
        "2:11: the quote that opens here is not closed on this line",
    ),
    "after a quote": ('profile: "custom" x\n', "1:19: this line fits nothing above it"),
    "backslash": ('profile: custom\nhostname: "C:\\pi"\n', "2:15: a backslash in double quotes has a special meaning"),
    "nonsense escape": ('profile: "\\UFFFFFFFF"\n', "a backslash in double quotes has a special meaning (use single"),
    "short escape": ('profile: "\\x1"\n', "a backslash in double quotes has a special meaning (use single quotes)"),
    "at sign": ("profile: custom\nhostname: @pi\n", "2:11: a value cannot begin with this sign"),
    "asterisk alone": ("profile: *\n", "1:11: a value cannot begin with this sign"),
    "no colon": ("profile: custom\nhostname pi\nmanager: auto\n", "2:1: there is no ': ' after the name on this line"),
    "no space": ("profile: custom\nhostname:pi\nmanager: auto\n", "2:1: there is no ': ' after the name on this line"),
    "two colons": ("profile: custom\nhostname: a: b\n", "2:12: a ':' where none is expected"),
    "too deep": ("profile: custom\n  hostname: pi\n", "2:11: a ':' where none is expected"),
    "between": ("profile: custom\nlan:\n    domain: a\n  interface: b\n", "4:3: this line fits nothing above it"),
    "open list": (
        "profile: custom\nuplink:\n  dns: [1.1.1.1, 8.8.8.8\n  mtu: 1500\n",
        "3:8: the list that '[' opens here is",
    ),
    "open braces": ("profile: custom\nlan: {domain: a\nuplink:\n", "2:6: what '{' opens here is not closed"),
    "directive": ("%YAML 1.1\n---\nprofile: custom\n", "1:1: a line that begins with % (leave it out)"),
    "huge directive": ("%YAML 1." + "9" * 5000, "1:1: a line that begins with % (leave it out)"),
    "deep": ("a: " + "[" * 5000, "1:20: sections are nested too deeply (at most 16)"),
    "private key": (
        "ssh:\n  authorized_keys:\n    - -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\nAAAA\n",
        "4:1: a PRIVATE key does not belong in this file (the line of a .pub file)",
    ),
    "no-break space after a colon": (
        "profile:\u00a0custom\nhostname: a\n",
        "1:9: there is an invisible character here (no-b",
    ),
}


@pytest.mark.parametrize("name", FATAL)
def test_what_is_not_yaml_is_explained(name: str) -> None:
    text, expected = FATAL[name]
    assert problem(text).startswith("a.yaml:") and expected in problem(text)


PARTIAL = {
    "twice": ("hostname: a\nhostname: b\n", '3:1: "hostname" is here twice (once; the first is on line 2)'),
    "alias": ("hostname: *pi\n", "2:11: a value cannot begin with * (put it in quotes)"),
    "alias for a section": ("ssh: *pi\n", "2:6: a value cannot begin with * (put it in quotes)"),
    "anchor": ("hostname: &pi a\n", "2:11: a value cannot begin with & (put it in quotes)"),
    "tag": ("hostname: !pi a\n", "2:11: a value cannot begin with ! (put it in quotes)"),
    "name": ("[a, b]: c\n", "2:1: a name is wanted before ':' (name: value)"),
    "curly quotes": (
        "hostname: “pi”\n",
        "2:11: a typographic quotation mark quotes nothing (straight quotes: \" or ')",
    ),
    "no-break space": (
        "hostname: pi\u00a0\n",
        "2:13: there is an invisible character here (no-break space) (replace it",
    ),
    "no-break space before": ("\u00a0hostname: pi\n", "2:1: there is an invisible character here (no-break space)"),
    "zero width": ("hostname: p\u200bi\n", "2:12: there is an invisible character here (zero width space)"),
    "surrogate": ('hostname: "\\ud800"\n', "2:11: half a character: a \\u escape of a surrogate"),
}


@pytest.mark.parametrize("name", PARTIAL)
def test_a_bad_part_leaves_the_rest_to_be_checked(name: str) -> None:
    text, expected = PARTIAL[name]
    found = problems(START + text + POLICY + "    - lookup: 2-252\n")
    assert expected in found[0]
    line = 8 if name == "twice" else 7
    assert found[1:] == [f"a.yaml:{line}:7: routing.tables[1].ensure is missing: what each must have (default-route)"]


def test_every_tab_that_indents_is_reported() -> None:
    text = "profile: custom\nrouting:\n\ttables:\n\t  - lookup: 2\n \tensure: x\t# fine\nhostname:\tpi\n\t\n\t# fine\n"
    assert problems(text) == [
        f"a.yaml:{line}:{column}: a tab indents this line (spaces only)" for line, column in [(3, 1), (4, 1), (5, 2)]
    ]


def test_a_tab_that_indents_a_continued_value() -> None:
    assert "2:2: a tab indents this line" in problem("profile: custom\n \thostname: pi\n")


def test_latin_1_in_a_comment_is_a_warning() -> None:
    text = ("# Café\n" + START + POLICY).encode("latin-1")
    assert warnings(text) == ["a.yaml:1:6: this comment is not UTF-8 (save the file as UTF-8 to keep it legible)"]


def test_latin_1_in_a_value_is_an_error_at_the_character() -> None:
    text = (START + POLICY + "hostname: café\n").encode("latin-1")
    assert problem(text) == "a.yaml:6:14: this character is not UTF-8 (save the file as UTF-8)"


def test_a_file_that_is_too_large() -> None:
    assert problem("#" * 131072) == "a.yaml:1:1: the file says nothing (profile: gateway, gadget or custom)"
    assert problem("#" * 131073) == "a.yaml:1:1: the file is too large (at most 131072 bytes)"


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    text = "profile: gateway\na: &a [x]\n"
    for name, earlier in zip("bcdefghij", "abcdefghi", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{earlier}'] * 9)}]\n"
    found = problems(text)
    assert sum("cannot begin with &" in one for one in found) == 10
    assert sum("cannot begin with *" in one for one in found) == 9 * 9
