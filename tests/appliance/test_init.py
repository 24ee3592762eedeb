"""`appliance init`: what it writes says what is missing, and works once that is filled in."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.errors import InputError
from appliance.he import BrokerTunnel, read_stanza, read_tunnel
from appliance.model import Profile
from appliance.starting import starting_config
from tests.appliance.conftest import parsed, problems, warnings

# What "Example Configurations", "Debian/Ubuntu" shows (with documentation addresses).
STANZA = """\
auto he-ipv6
iface he-ipv6 inet6 v4tunnel
        address 2001:db8:1f0a:abc::2
        netmask 64
        endpoint 198.51.100.26
        local 203.0.113.7
        ttl 255
        gateway 2001:db8:1f0a:abc::1
"""
FILLED = {
    "<the line of your .pub file, such as ssh-ed25519 AAAA… you@laptop>": (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"
    ),
    "<Server IPv4 Address>": "198.51.100.26",
    "<Client IPv6 Address>": "2001:db8:1f0a:abc::2/64",
    "<Routed /64>": "2001:db8:123d:abc::/64",
    "<user name>": "me",
    "<Update Key>": "A1b2C3d4E5f6G7h8",
    "<Tunnel ID>": "123456",
    "<the network's name>": "Home",
    "<the network's passphrase>": "correct horse",
    "<two letters, such as NO>": "NO",
}


def filled(text: str) -> str:
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    return text


@pytest.mark.parametrize(
    ("profile", "paths"),
    [
        (Profile.GATEWAY, ["ssh.authorized_keys[0]", "tunnel.server", "tunnel.address", "tunnel.routed"]),
        (
            Profile.GADGET,
            ["ssh.authorized_keys[0]", "uplink.wifi.ssid", "uplink.wifi.passphrase", "uplink.wifi.country"],
        ),
    ],
)
def test_what_is_to_fill_in_is_reported_and_nothing_else(profile: Profile, paths: list[str]) -> None:
    text = starting_config(profile, {})
    found = problems(text)
    assert [re.sub(r"a.yaml:\d+:\d+: (.*) is not filled in yet: .*", r"\1", one) for one in found] == paths
    for one in found:
        line, column = (int(number) for number in one.split(":")[1:3])
        assert text.splitlines()[line - 1][column - 1] == "<"


@pytest.mark.parametrize("profile", [Profile.GATEWAY, Profile.GADGET])
def test_filled_in_it_is_right(profile: Profile) -> None:
    text = filled(starting_config(profile, {}))
    assert parsed(text).appliance.profile is profile
    assert warnings(text) == []


def test_all_that_is_offered_works_too() -> None:
    text = filled(starting_config(Profile.GATEWAY, {}))
    header, body = text.split("profile:", 1)
    offered = header + "profile:" + re.sub(r"^( *)#", r"\1", body, flags=re.MULTILINE)
    assert len(re.findall(r"^ *#", body, flags=re.MULTILINE)) == 23
    appliance = parsed(offered).appliance
    assert appliance.lan is not None and appliance.lan.dhcp4 is not None and appliance.uplink is not None
    assert str(appliance.uplink.address) == "192.168.1.252/24"
    assert str(appliance.lan.dhcp4.range) == "192.168.1.10-192.168.1.210"
    assert appliance.tunnel is not None and appliance.tunnel.broker is not None
    assert appliance.tunnel.broker.tunnel == 123456
    assert len(appliance.firewall.allow_in) == 1


def test_choices_are_shown() -> None:
    assert "# who gives whom the Internet: route, local, host, auto\n" in starting_config(Profile.GADGET, {})


def test_the_first_line_is_for_editors() -> None:
    assert starting_config(Profile.GATEWAY, {}).splitlines()[0] == (
        "# yaml-language-server: $schema=appliance.schema.json"
    )


def test_init_writes_the_file_and_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "a.yaml"
    assert main(["init", "gateway", "-o", str(target)]) == 0
    assert target.read_text() == starting_config(Profile.GATEWAY, {})
    assert json.loads((tmp_path / "appliance.schema.json").read_text())["title"] == "appliance.yaml"
    out, err = capsys.readouterr()
    assert out == f"wrote {target}, and appliance.schema.json for editors\n"
    assert f"appliance check {target}" in err


def test_the_default_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "gadget"]) == 0
    assert (tmp_path / "appliance.yaml").read_text() == starting_config(Profile.GADGET, {})


def test_a_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "a.yaml"
    target.write_text("mine")
    assert main(["init", "gateway", "-o", str(target)]) == 2
    assert target.read_text() == "mine"
    assert "--force overwrites it" in capsys.readouterr().err
    assert main(["init", "gateway", "-o", str(target), "--force"]) == 0
    assert target.read_text() != "mine"


@pytest.mark.parametrize("words", [(), ("--force",)])
def test_a_full_disk_leaves_what_was_there(words: tuple[str, ...], tmp_path: Path) -> None:
    target = tmp_path / "a.yaml"
    if words:
        target.write_text("mine")
    before = {file: file.read_text() for file in tmp_path.iterdir()}
    with largest_file(1000):
        assert main(["init", "gateway", "-o", str(target), *words]) == 1
    assert {file: file.read_text() for file in tmp_path.iterdir()} == before


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    """Whatever is written beyond that fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_where_files_have_one_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a card's FAT."""

    def no_links(_: Path, __: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    target = tmp_path / "a.yaml"
    assert main(["init", "gateway", "-o", str(target)]) == 0
    target.write_text("mine")
    assert main(["init", "gateway", "-o", str(target)]) == 2
    assert target.read_text() == "mine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.yaml", "appliance.schema.json"]


def test_a_file_behind_a_link_is_overwritten_and_keeps_its_rights(tmp_path: Path) -> None:
    link, target = tmp_path / "a.yaml", tmp_path / "mine/b.yaml"
    target.parent.mkdir()
    target.write_text("mine")
    target.chmod(0o600)
    link.symlink_to(target)
    assert main(["init", "gateway", "-o", str(link), "--force"]) == 0
    assert link.is_symlink()
    assert target.read_text() == starting_config(Profile.GATEWAY, {})
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "a.yaml"
    os.mkfifo(pipe)
    assert main(["init", "gateway", "-o", str(pipe), "--force"]) == 2
    assert "is no file" in capsys.readouterr().err
    assert pipe.is_fifo()


def test_to_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "gateway", "-o", "-"]) == 0
    assert capsys.readouterr().out == starting_config(Profile.GATEWAY, {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "gateway", "-o", str(tmp_path / "no" / "a.yaml")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_from_the_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, target = tmp_path / "debian.txt", tmp_path / "a.yaml"
    page.write_text(STANZA)
    assert main(["init", "gateway", "--from-he", str(page), "-o", str(target)]) == 0
    text = target.read_text()
    assert [one.split()[1] for one in problems(text)] == ["ssh.authorized_keys[0]", "tunnel.routed"]
    tunnel = parsed(filled(text)).appliance.tunnel
    assert tunnel is not None
    assert (tunnel.server, tunnel.address) == (IPv4Address("198.51.100.26"), IPv6Interface("2001:db8:1f0a:abc::2/64"))
    assert '"Routed /64"' in capsys.readouterr().err


def test_from_the_broker_to_a_gadget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "gadget", "--from-he", str(tmp_path / "x"), "-o", "-"]) == 2
    assert "--from-he is about a tunnel" in capsys.readouterr().err


TUNNEL = BrokerTunnel(IPv4Address("198.51.100.26"), IPv6Interface("2001:db8:1f0a:abc::2/64"))


@pytest.mark.parametrize(
    "text",
    [
        STANZA,
        STANZA.replace("\n", "\r\n"),
        STANZA.replace("        ", "\u00a0\u00a0\t"),
        STANZA.replace("abc::2\n", "abc::2/64\n").replace("        netmask 64\n", ""),
        "auto eth0\niface eth0 inet static\n  address 10.0.0.1\n\n# mine\n" + STANZA + "iface lo inet loopback\n",
        STANZA.replace("endpoint", "# endpoint 192.0.2.1\n   endpoint"),
        STANZA + "iface other inet6 v4tunnel\n  endpoint 192.0.2.1\n",
    ],
)
def test_stanza(text: str) -> None:
    assert read_stanza(text, "f") == TUNNEL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: there is no `iface … inet6 v4tunnel` in it"),
        ("iface eth0 inet dhcp\n", "f: there is no `iface … inet6 v4tunnel` in it"),
        ("iface he inet6 v4tunnel\n", "f: the stanza has no address and no endpoint"),
        (STANZA.replace("endpoint", "remote"), "f: the stanza has no endpoint"),
        (STANZA.replace("198.51.100.26", "198.51.100"), 'f: "198.51.100" is not an IPv4 address'),
        (STANZA.replace("netmask 64", "netmask ffff::"), "f: "),
    ],
)
def test_what_is_no_stanza(text: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_stanza(text, "f")
    assert refusal.value.message.startswith(message)
    assert "Example Configurations" in refusal.value.hint


def test_a_broker_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "gateway", "--from-he", str(tmp_path / "x"), "-o", "-"]) == 2
    assert "No such file" in capsys.readouterr().err


INFORMATION = """\
<?xml version="1.0" encoding="UTF-8"?>
<tunnels>
  <tunnel id="123456">
    <description>home</description>
    <serverv4>198.51.100.26</serverv4>
    <clientv4>203.0.113.7</clientv4>
    <serverv6>2001:db8:1f0a:abc::1/64</serverv6>
    <clientv6>2001:db8:1f0a:abc::2/64</clientv6>
    <routed64>2001:db8:123d:abc::/64</routed64>
    <routed48></routed48>
  </tunnel>
</tunnels>
"""
INFORMED = BrokerTunnel(TUNNEL.server, TUNNEL.address, IPv6Network("2001:db8:123d:abc::/64"), 123456)


@pytest.mark.parametrize(
    ("text", "tunnel"),
    [
        (STANZA, TUNNEL),
        (INFORMATION, INFORMED),
        ("\ufeff\r\n" + INFORMATION.replace("\n", "\r\n"), INFORMED),
        (INFORMATION.replace("abc::2/64", "abc::2").replace("\n", ""), INFORMED),
        (INFORMATION.replace("<routed64>2001:db8:123d:abc::/64", "<routed64> "), replace(INFORMED, routed=None)),
    ],
)
def test_a_tunnel(text: str, tunnel: BrokerTunnel) -> None:
    assert read_tunnel(text, "f") == tunnel


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html>please log in</html>", "f: there is no tunnel in it, not one"),
        ("<tunnels></tunnels>", "f: there is no tunnel in it, not one"),
        (2 * INFORMATION, "f: there are 2 tunnels in it, not one"),
        (INFORMATION.replace("serverv4", "server"), "f: the tunnel has no serverv4"),
        (INFORMATION.replace("v4", "").replace("clientv6", "x"), "f: the tunnel has no serverv4 and no clientv6"),
        (INFORMATION.replace("198.51.100.26", "198.51.100"), 'f: "198.51.100" is not an IPv4 address'),
        (INFORMATION.replace("abc::/64", "abc::1/64"), "f: "),
    ],
)  # fmt: skip
def test_what_is_no_information(text: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_tunnel(text, "f")
    assert refusal.value.message.startswith(message)
    assert "tunnelInfo.php" in refusal.value.hint


def test_from_the_brokers_information(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, target = tmp_path / "tunnel.xml", tmp_path / "a.yaml"
    page.write_text(INFORMATION)
    assert main(["init", "gateway", "--from-he", str(page), "-o", str(target)]) == 0
    text = target.read_text()
    assert [one.split()[1] for one in problems(text)] == ["ssh.authorized_keys[0]"]
    assert "tunnel.routed" not in capsys.readouterr().err
    offered = re.sub(r"^  #(  )?(?=broker|  (user|key|tunnel):)", r"  \1", text, flags=re.MULTILINE)
    tunnel = parsed(filled(offered)).appliance.tunnel
    assert tunnel is not None and tunnel.broker is not None
    assert (tunnel.server, tunnel.address, tunnel.routed) == (INFORMED.server, INFORMED.address, INFORMED.routed)
    assert tunnel.broker.tunnel == 123456
