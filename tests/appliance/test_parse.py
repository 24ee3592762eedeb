"""Shapes: what stands where, what is missing, what is unknown, and that all of it is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.firewall import Firewall
from appliance.model import Ssh
from appliance.parse import load
from tests.appliance.conftest import parsed, problem, problems, warnings

CUSTOM = "profile: custom\nrouting: {}\n"
UPLINK = "profile: gadget\ngadget:\nuplink:\n  interface: wlan0\n  wifi:\n    ssid: Home\n    country: NO\n"

WRONG = {
    "one value": ("hostname: [a]", "3:11: hostname: one value is wanted here: a host name"),
    "one value, not a section": ("hostname: {a: b}", "3:11: hostname: one value is wanted here: a host name"),
    "no value": ("hostname:", "3:10: hostname has no value (1 to 63 letters"),
    "empty text is a value": ('hostname: ""', '3:11: hostname: "" is not a host name'),
    "section": ("ssh: x", "3:6: ssh: settings are wanted here, as `name: value` (authorized_keys)"),
    "section, not a list": ("ssh: [x]", "3:6: ssh: settings are wanted here, as `name: value` (authorized_keys)"),
    "unknown": ("hostnme: a", '3:1: unknown setting "hostnme", did you mean "hostname"? (profile, hostname, ssh'),
    "unknown, hyphen": (
        "ssh: {authorized-keys: []}",
        '3:7: ssh: unknown setting "authorized-keys", did you mean "auth',
    ),
    "unknown, other case": ("Hostname: a", '3:1: unknown setting "Hostname", did you mean "hostname"?'),
    "unknown, nothing near": (
        "colour: red",
        '3:1: unknown setting "colour" (profile, hostname, ssh, led, status_page, manager',
    ),
    "further in": ("lease: 1h", '3:1: unknown setting "lease", it belongs to lan.dhcp4 or lan.others.dhcp4 (prof'),
    "further out": ("ssh: {profile: a}", '3:7: ssh: unknown setting "profile", it belongs to the first column (author'),
    "list of pairs": ("uplinks:\n  - eth0", "4:5: uplinks[0]: settings are wanted here, as `name: value` (interface"),
    "missing in a list": ("uplinks:\n  - interface: a", "4:5: uplinks[0].metric is missing: the metric of its routes"),
    "choice": ("manager: networkd2", '3:10: manager: "networkd2" is not one of the choices, did you mean "networkd"?'),
    "comma": (
        "ssh:\n  authorized_keys: a, b",
        "4:20: ssh.authorized_keys[0]: this is not an ssh public key (a list is",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shape(name: str) -> None:
    text, expected = WRONG[name]
    assert problem(CUSTOM + text + "\n").startswith(f"a.yaml:{expected}")


PAIRS = "profile: custom\nrouting:\n  sysctl:\n    - interface: eth*\n      set: "


def test_pairs() -> None:
    assert problem(PAIRS + "x\n") == (
        "a.yaml:5:12: routing.sysctl[0].set: pairs are wanted here, as `name: value` "
        "(a name with dots, e.g. net.ipv4.conf.{interface}.rp_filter)"
    )
    assert problem(PAIRS + "{rp_filter: 2}\n").startswith('a.yaml:5:13: routing.sysctl[0].set: "rp_filter" is not')
    assert problem(PAIRS + '{"net.{interface}.a": [2]}\n').startswith(
        "a.yaml:5:34: routing.sysctl[0].set[net.{interface}.a]: one value is wanted here"
    )
    assert problem(PAIRS + "*pairs\n") == "a.yaml:5:12: a value cannot begin with * (put it in quotes)"
    marks = parsed(PAIRS + '{"net.{interface}.a": 2}\n').marks
    assert (marks["routing.sysctl[0].set[net.{interface}.a]"].line, marks["routing.sysctl[0].set"].column) == (5, 7)


def test_harmless_shapes_are_accepted(gateway: str) -> None:
    meant = parsed(gateway.replace("dns: [1.1.1.1, 8.8.8.8]", "dns: [1.1.1.1]").replace("[80, 443]", "[80]")).appliance
    text = gateway.replace("dns: [1.1.1.1, 8.8.8.8]", "dns: 1.1.1.1")
    text = text.replace("    - to: 2001:db8:123d:abc::2\n  ", "    to: 2001:db8:123d:abc::2\n")
    assert parsed(text.replace("[80, 443]", "80")).appliance == meant


def test_empty_sections_and_lists_are_their_defaults(gateway: str) -> None:
    appliance = parsed(gateway[: gateway.index("firewall:")] + "firewall:\n").appliance
    assert appliance.firewall == Firewall()
    assert parsed(CUSTOM + "ssh:\n  authorized_keys:\n").appliance.ssh == Ssh()


def test_an_empty_section_that_needs_settings(gateway: str) -> None:
    before, after = gateway.split("tunnel:\n")
    text = f"{before}tunnel:\n\n{after[after.index('lan:') :]}"
    assert problems(text)[0] == (
        "a.yaml:15:1: tunnel is empty: fill it in, or take the line out "
        "(it needs server, address, routed, or broker, or kind)"
    )
    assert len(problems(text)) == 1


def test_a_misspelt_name_is_one_problem_not_two(gateway: str) -> None:
    assert "did you mean" in problem(gateway.replace("  server:", "  sevrer:"))
    assert "did you mean" in problem(gateway.replace("tunnel:", "tunel:"))
    assert "did you mean" in problem(gateway.replace("  address: 192", "  adress: 192"))


def test_what_is_in_a_misspelt_section_is_checked(gateway: str) -> None:
    found = problems(gateway.replace("tunnel:", "tunel:").replace("198.51.100.100 ", "198.51.100.300 "))
    assert ["did you mean" in found[0], "tunnel.server" in found[1], len(found)] == [True, True, 2]


def test_placeholders_are_not_filled_in_yet() -> None:
    text = UPLINK + "    passphrase: <the passphrase>\n"
    assert problem(text) == (
        "a.yaml:8:17: uplink.wifi.passphrase is not filled in yet: a passphrase "
        "(8 to 63 printable ASCII characters, or 64 hexadecimal digits)"
    )
    assert not problems(UPLINK + '    passphrase: "<the passphrase>"\n')


def test_a_secret_is_neither_in_messages_nor_in_repr() -> None:
    for wrong in ("hunter2", "hunter2" * 10, "hunter2\tx", "hünter2ü"):
        assert "nter2" not in problem(UPLINK + f"    passphrase: {wrong}\n")
        assert "nter2" not in problem(UPLINK + f"    passphrase: [{wrong}]\n")
        assert "nter2" not in problem(UPLINK + f"    passphrase: {{a: {wrong}}}\n")
    assert "nter2" not in problem(UPLINK + "    passphrase: hunter2: hunter2\n")
    assert "nter2" not in problem(UPLINK + "    passphrase: 'hunter2\n")
    assert "nter2" not in problem(UPLINK + "    passphrase:hunter2\n    open: true\n")
    assert "hunter2" not in repr(parsed(UPLINK + "    passphrase: hunter2hunter2\n"))


def test_an_update_key_is_neither_in_messages_nor_in_repr(gateway: str) -> None:
    def with_key(written: str) -> str:
        broker = f"  broker:\n    user: me\n    tunnel: 123456\n    key: {written}\n"
        return gateway.replace("\nlan:", f"{broker}\nlan:")

    for wrong in ("hunter2 two", "hunter2" * 10, "[hunter2]", "{a: hunter2}", "hunter2: hunter2", "'hunter2"):
        assert not any("nter2" in found for found in problems(with_key(wrong))), wrong
        assert problems(with_key(wrong))
    found = parsed(with_key("hunter2")).appliance.tunnel
    assert found is not None and found.broker is not None
    assert found.broker.key == "hunter2"
    assert "hunter2" not in repr(found)


def test_a_passphrase_with_a_comment_in_it_is_pointed_out() -> None:
    text = UPLINK + "    passphrase: correct horse #battery\n"
    assert warnings(text)[1:] == [
        "a.yaml:8:17: uplink.wifi.passphrase: what follows the # is a comment, not a part of it "
        "(in quotes where it has a # in it)"
    ]
    assert warnings(text.replace("#battery", "# battery"))[1:] == []
    assert warnings(text.replace("correct horse #battery", '"correct horse #battery"'))[1:] == []


def test_warnings_do_not_stop(gateway: str) -> None:
    text = gateway.replace("    - ssh-ed25519", "    # - ssh-ed25519")
    assert warnings(text) == ["a.yaml:5:1: there is no ssh key: nobody can log in (ssh.authorized_keys)"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file") as missing:
        load(tmp_path / "a.yaml")
    assert "appliance init" in missing.value.hint
    with pytest.raises(InputError, match="Is a directory") as folder:
        load(tmp_path)
    assert folder.value.hint == f"give the file in it, such as {tmp_path}/appliance.yaml"


@pytest.mark.parametrize(
    "text", ["root:*:20228:0:99999:7::\ndaemon:*:20228:0:99999:7::\n", "services: {web: {}}\n", "{}"]
)
def test_a_file_of_something_else_is_one_problem(text: str) -> None:
    assert problems(text) == [
        "a.yaml:1:1: this is no appliance.yaml: no setting of one is in it "
        "(`appliance init gateway -o FILE` writes one)"
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("profil: gateway\n", 'did you mean "profile"?'), ("ssid: x\n", "it belongs to")]
)
def test_a_file_with_a_setting_that_somebody_meant_is_read(text: str, said: str) -> None:
    assert any(said in one for one in problems(text))
