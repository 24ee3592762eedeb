"""Every sort of value: what it reads, what it refuses and why; and that the JSON Schema agrees."""

from __future__ import annotations

import base64
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from appliance import scalars
from appliance.countries import COUNTRIES
from appliance.model import Function, Share
from appliance.ranges import AddressRange, PortRange, TableRange
from appliance.scalars import Scalar


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(len(field).to_bytes(4, "big") + field for field in fields)).decode()


ED25519 = blob(b"ssh-ed25519", bytes(range(32)))
RSA = blob(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xaa" * 256)
ECDSA = blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\x04" + b"\xbb" * 64)
SK = blob(b"sk-ssh-ed25519@openssh.com", bytes(range(32)), b"ssh:")

SHARE = scalars.choice(Share)
READ: list[tuple[Scalar[Any], str, Any]] = [
    (SHARE, "host", Share.HOST),
    (scalars.BOOLEAN, "true", True),
    (scalars.BOOLEAN, "Yes", True),
    (scalars.BOOLEAN, "ON", True),
    (scalars.BOOLEAN, "oFF", False),
    (scalars.BOOLEAN, "no", False),
    (scalars.INTERFACE, "eth0", "eth0"),
    (scalars.INTERFACE, "enx001122334455", "enx001122334455"),
    (scalars.INTERFACE, "eth0.10", "eth0.10"),
    (scalars.INTERFACE, "7", "7"),
    (scalars.INTERFACE_PATTERN, "eth*", "eth*"),
    (scalars.HOSTNAME, "ipv6gw", "ipv6gw"),
    (scalars.HOSTNAME, "3com", "3com"),
    (scalars.HOSTNAME, "42", "42"),
    (scalars.HOSTNAME, "a" * 63, "a" * 63),
    (scalars.DOMAIN, "home.arpa", "home.arpa"),
    (scalars.DOMAIN, "lan", "lan"),
    (scalars.SSID, "Michael’s iPhone", "Michael’s iPhone"),
    (scalars.SSID, "12345", "12345"),
    (scalars.SSID, "é" * 16, "é" * 16),
    (scalars.WPA_PASSPHRASE, "12345678", "12345678"),
    (scalars.WPA_PASSPHRASE, " ~" * 31 + "x", " ~" * 31 + "x"),
    (scalars.WPA_PASSPHRASE, "0aF" * 21 + "1", "0aF" * 21 + "1"),
    (scalars.COUNTRY, "NO", "NO"),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519 {ED25519}", f"ssh-ed25519 {ED25519}"),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519   {ED25519}  me at home ", f"ssh-ed25519 {ED25519} me at home"),
    (scalars.SSH_PUBLIC_KEY, f"ssh-rsa {RSA} a@b", f"ssh-rsa {RSA} a@b"),
    (scalars.SSH_PUBLIC_KEY, f"ecdsa-sha2-nistp256 {ECDSA}", f"ecdsa-sha2-nistp256 {ECDSA}"),
    (scalars.SSH_PUBLIC_KEY, f"sk-ssh-ed25519@openssh.com {SK} é", f"sk-ssh-ed25519@openssh.com {SK} é"),
    (scalars.IPV4_ADDRESS, "192.168.1.254", IPv4Address("192.168.1.254")),
    (scalars.IPV6_ADDRESS, "2001:db8::2", IPv6Address("2001:db8::2")),
    (scalars.IP_ADDRESS, "::1", IPv6Address("::1")),
    (scalars.IP_ADDRESS, "1.1.1.1", IPv4Address("1.1.1.1")),
    (scalars.IPV4_INTERFACE, "192.168.1.252/24", IPv4Interface("192.168.1.252/24")),
    (scalars.IPV4_INTERFACE, "10.0.0.0/31", IPv4Interface("10.0.0.0/31")),
    (scalars.IPV6_INTERFACE, "2001:db8::2/64", IPv6Interface("2001:db8::2/64")),
    (scalars.IPV4_NETWORK, "10.0.2.0/24", IPv4Network("10.0.2.0/24")),
    (scalars.IPV6_NETWORK, "2001:db8::/64", IPv6Network("2001:db8::/64")),
    (scalars.IPV4_RANGE, "10.0.0.1-10.0.0.9", AddressRange(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.9"))),
    (scalars.IPV4_RANGE, "10.0.0.1 - 10.0.0.1", AddressRange(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.1"))),
    (scalars.GADGET_NETWORK, "auto", None),
    (scalars.GADGET_NETWORK, "10.55.0.1/30", IPv4Interface("10.55.0.1/30")),
    (scalars.MTU, "1280", 1280),
    (scalars.MTU, "9000", 9000),
    (scalars.TUNNEL_MTU, "1480", 1480),
    (scalars.BROKER_USER, "me@example.org", "me@example.org"),
    (scalars.UPDATE_KEY, "A1b2#C3d4:E5f6", "A1b2#C3d4:E5f6"),
    (scalars.TUNNEL_ID, "123456", 123456),
    (scalars.METRIC, "0", 0),
    (scalars.DURATION, "12h", 43200),
    (scalars.DURATION, "3s", 3),
    (scalars.DURATION, "90m", 5400),
    (scalars.DURATION, "365d", 31536000),
    (scalars.PORTS, "80", PortRange(80, 80)),
    (scalars.PORTS, "8000-8010", PortRange(8000, 8010)),
    (scalars.TABLES, "2-252", TableRange(2, 252)),
    (scalars.TABLES, "2", TableRange(2, 2)),
    (scalars.TABLE_ENSURE, "default-route", "default-route"),
    (scalars.SYSCTL, "net.ipv4.conf.{interface}.rp_filter", "net.ipv4.conf.{interface}.rp_filter"),
    (scalars.WORD, "4096 87380 6291456", "4096 87380 6291456"),
    (scalars.WORD, "2", "2"),
    (scalars.UNIT, "kube-proxy.service", "kube-proxy.service"),
    (scalars.MAC, "B8:27:eb:01:02:03", "b8:27:eb:01:02:03"),
    (scalars.DRIVER_PATTERN, "virtio_*", "virtio_*"),
    (scalars.KIND, "vlan", "vlan"),
    (scalars.ARGUMENT, "--all of it", "--all of it"),
    (scalars.UNIT, "getty@tty1.service", "getty@tty1.service"),
]

# Sort, text, what the message says, whether the JSON Schema refuses it too.
REFUSED: list[tuple[Scalar[Any], str, str, bool]] = [
    (SHARE, "rout", '"rout" is not one of the choices, did you mean "route"?', True),
    (SHARE, "ROUTE", '"ROUTE" is not one of the choices, did you mean "route"?', True),
    (scalars.choice(Function), "modem", '"modem" is not one of the choices', True),
    (scalars.BOOLEAN, "y", '"y" is neither true nor false', True),
    (scalars.BOOLEAN, "of", '"of" is neither true nor false', True),
    (scalars.BOOLEAN, "1", '"1" is neither true nor false', True),
    (
        scalars.INTERFACE,
        "enx0011223344556",
        '"enx0011223344556" is too long: the kernel\'s limit is 15 characters',
        True,
    ),
    (scalars.INTERFACE, "eth 0", '"eth 0" is not the name of a network interface', True),
    (scalars.INTERFACE, "a/b", '"a/b" is not the name of a network interface', True),
    (scalars.INTERFACE, "..", '".." is not the name of a network interface', True),
    (scalars.INTERFACE, "eth0:1", '"eth0:1" is not the name of a network interface', True),
    (scalars.INTERFACE, "usb%d", '"usb%d" is not the name of a network interface', True),
    (scalars.INTERFACE, "eth0\n", '"eth0\\n" is not the name of a network interface', False),
    (scalars.INTERFACE_PATTERN, "/eth", '"/eth" is not a name of interfaces', True),
    (scalars.HOSTNAME, "-a", '"-a" is not a host name', True),
    (scalars.HOSTNAME, "a_b", '"a_b" is not a host name', True),
    (scalars.HOSTNAME, "a" * 64, f'"{"a" * 39}…" is not a host name', True),
    (scalars.HOSTNAME, "a.lan", '"a.lan" has a domain in it; here only the first part is wanted', True),
    (scalars.HOSTNAME, "localhost", '"localhost" is every machine\'s name for itself', False),
    (scalars.DOMAIN, "a..b", '"a..b" is not a domain name', True),
    (scalars.DOMAIN, ".lan", '".lan" is not a domain name', True),
    (scalars.DOMAIN, "a." * 126 + "aa", f'"{("a." * 20)[:39]}…" is not a domain name', True),
    (scalars.SSID, "é" * 17, '"ééééééééééééééééé" is too long: 34 bytes, and a network\'s name has at most 32', False),
    (scalars.WPA_PASSPHRASE, "1234567", "a passphrase has at least 8 characters, this one has 7", True),
    (scalars.WPA_PASSPHRASE, "x" * 65, "a passphrase has at most 63 characters, this one has 65", True),
    (scalars.WPA_PASSPHRASE, "x" * 64, "a passphrase of 64 characters is a key, and those have only hexadecimal", True),
    (
        scalars.WPA_PASSPHRASE,
        "pässwörter",
        "a passphrase has only letters, digits, spaces and signs of a US keybo",
        True,
    ),
    (scalars.COUNTRY, "no", '"no" is not a country code, did you mean "NO"?', True),
    (scalars.COUNTRY, "UK", '"UK" is not a country code, did you mean "GB"?', True),
    (scalars.COUNTRY, "XX", '"XX" is not a country code', True),
    (scalars.COUNTRY, "Norway", '"Norway" is not a country code', True),
    (scalars.SSH_PUBLIC_KEY, f"ssh-dss {ED25519}", "DSA keys are no longer accepted by ssh", True),
    (scalars.SSH_PUBLIC_KEY, "ssh-ed25519", 'after "ssh-ed25519" the key itself is missing', True),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519 {ED25519[:-8]}", "this ssh-ed25519 key is damaged or cut off", False),
    (
        scalars.SSH_PUBLIC_KEY,
        f"ssh-ed25519 {blob(b'ssh-ed25519', bytes(31))}",
        "this ssh-ed25519 key is damaged",
        False,
    ),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519 {ED25519[:-1]}", "this ssh-ed25519 key is damaged or cut off", False),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519 {ED25519[:20]} {ED25519[20:]}", "this ssh-ed25519 key is damaged", False),
    (scalars.SSH_PUBLIC_KEY, f"ssh-rsa {RSA[:200]}", "this ssh-rsa key is damaged or cut off", False),
    (scalars.SSH_PUBLIC_KEY, f"ssh-rsa {ED25519}", 'the key says that it is of another type than "ssh-rsa"', False),
    (scalars.SSH_PUBLIC_KEY, f"ssh-rsa {blob(b'ssh-rsa')}", "this ssh-rsa key is damaged or cut off", False),
    (scalars.SSH_PUBLIC_KEY, f"ssh-ed25519 {ED25519} a\nssh-rsa", "a public key is one line", True),
    (scalars.SSH_PUBLIC_KEY, f'from="*" ssh-ed25519 {ED25519}', "options before the key are not supported", True),
    (scalars.SSH_PUBLIC_KEY, ED25519, "the key's type is missing before it", True),
    (scalars.SSH_PUBLIC_KEY, "my key", "this is not an ssh public key", True),
    (scalars.SSH_PUBLIC_KEY, "SHA256:abc", "this is a key's fingerprint, not the key", True),
    (
        scalars.SSH_PUBLIC_KEY,
        "~/.ssh/id_ed25519.pub",
        "this is a file's name: the line inside that file is wanted",
        True,
    ),
    (scalars.SSH_PUBLIC_KEY, "-----BEGIN OPENSSH PRIVATE KEY----- b3Blbn", "this is a PRIVATE key: remove it", True),
    (scalars.IPV4_ADDRESS, "192.168.1.300", '"192.168.1.300" is not an IPv4 address', False),
    (scalars.IPV4_ADDRESS, "192.168.001.1", '"192.168.001.1" is not an IPv4 address', False),
    (scalars.IPV4_ADDRESS, "192.168.1", '"192.168.1" is not an IPv4 address', True),
    (scalars.IPV4_ADDRESS, "10.0.0.1/8", '"10.0.0.1/8" has a prefix length; here only the address is wanted', True),
    (scalars.IPV6_ADDRESS, "2001:db8::2::3", '"2001:db8::2::3" is not an IPv6 address', False),
    (scalars.IPV6_ADDRESS, "fe80::1%eth0", '"fe80::1%eth0" names an interface; leave out the "%"', True),
    (scalars.IP_ADDRESS, "dns.example", '"dns.example" is not an IP address', True),
    (scalars.IP_ADDRESS, "1.1.1", '"1.1.1" is not an IP address', False),
    (scalars.IP_ADDRESS, "2001:db8::/64", '"2001:db8::/64" has a prefix length; here only the address is wanted', True),
    (scalars.IPV4_INTERFACE, "192.168.1.252", '"192.168.1.252" has no prefix length; many networks are /24', True),
    (scalars.IPV4_INTERFACE, "192.168.1.2/255.255.255.0", "the prefix length after / is a number, such as 24", True),
    (scalars.IPV4_INTERFACE, "192.168.1.2/33", "/33 is not a prefix length of IPv4, which is at most 32", False),
    (
        scalars.IPV4_INTERFACE,
        "192.168.1.0/24",
        "the network itself, not an address in it; the first one is 192.168.1.1/24",
        False,
    ),
    (
        scalars.IPV4_INTERFACE,
        "192.168.1.255/24",
        "is the broadcast address of its network; the first usable one is",
        False,
    ),
    (scalars.IPV6_INTERFACE, "2001:db8::2", '"2001:db8::2" has no prefix length; many networks are /64', True),
    (scalars.IPV6_INTERFACE, "2001:db8::2/129", "/129 is not a prefix length of IPv6, which is at most 128", False),
    (scalars.IPV4_NETWORK, "10.0.2.1/24", "is an address in a network; the network is 10.0.2.0/24", False),
    (scalars.IPV4_NETWORK, "10.0.2.0/99", '"10.0.2.0/99" is not a network', False),
    (scalars.IPV6_NETWORK, "2001:db8::1/64", "is an address in a network; the network is 2001:db8::/64", False),
    (scalars.IPV4_RANGE, "10.0.0.1", '"10.0.0.1" is not a range of addresses', True),
    (scalars.IPV4_RANGE, "10.0.0.1-99", '"10.0.0.1-99": write the last address in full', True),
    (scalars.IPV4_RANGE, "10.0.0.9-10.0.0.1", "is the wrong way round: the first address is after the last", False),
    (scalars.GADGET_NETWORK, "10.55.0.0/31", '"10.55.0.0/31" is too small: there is no address for the laptop', False),
    (scalars.GADGET_NETWORK, "10.55.0.1/32", '"10.55.0.1/32" is too small: there is no address for the laptop', False),
    (scalars.GADGET_NETWORK, "automatic", '"automatic" has no prefix length', True),
    (scalars.MTU, "1279", "1279 is too small", False),
    (scalars.MTU, "9001", "9001 is too large", False),
    (scalars.MTU, "1_500", '"1_500" is not a number', True),
    (scalars.MTU, "٣٠٠٠", '"٣٠٠٠" is not a number', True),
    (scalars.MTU, "-1500", '"-1500" is not a number', True),
    (scalars.TUNNEL_MTU, "1481", "1481 is too large", False),
    (scalars.BROKER_USER, "me:her", '"me:her" is not the name of an account', True),
    (scalars.BROKER_USER, "my self", '"my self" is not the name of an account', True),
    (scalars.UPDATE_KEY, "two words", "an update key has 1 to 64 letters, digits and signs of a US keyboard", True),
    (scalars.UPDATE_KEY, "x" * 65, "an update key has 1 to 64 letters, digits and signs of a US keyboard", True),
    (scalars.TUNNEL_ID, "0", "0 is too small", False),
    (scalars.TUNNEL_ID, "tserv", '"tserv" is not a number', True),
    (scalars.METRIC, "4294967296", "4294967296 is too large", False),
    (scalars.DURATION, "3600", '"3600" has no unit: s, m, h or d', True),
    (scalars.DURATION, "infinite", '"infinite" is not a length of time', True),
    (scalars.DURATION, "12 h", '"12 h" is not a length of time', True),
    (scalars.DURATION, "1.5h", '"1.5h" is not a length of time', True),
    (scalars.DURATION, "366d", '"366d" is longer than a year', False),
    (scalars.PORTS, "0", '"0" is not between 1 and 65535', False),
    (scalars.PORTS, "80-70000", '"80-70000" is not between 1 and 65535', False),
    (scalars.PORTS, "90-80", '"90-80" is the wrong way round', False),
    (scalars.PORTS, "http", '"http" is neither a number nor FIRST-LAST', True),
    (scalars.TABLES, "main", '"main" is neither a number nor FIRST-LAST', True),
    (scalars.TABLE_ENSURE, "route", '"route" is not known here', True),
    (scalars.SYSCTL, "rp_filter", '"rp_filter" is not the name of a kernel setting', True),
    (scalars.SYSCTL, "net..x", '"net..x" is not the name of a kernel setting', True),
    (scalars.SYSCTL, "net.ipv4/../../etc", '"net.ipv4/../../etc" is not the name of a kernel setting', True),
    (scalars.WORD, "a\nb", '"a\\nb" is not a value of one line', False),
    (scalars.MAC, "b8-27-eb-01-02-03", '"b8-27-eb-01-02-03" is not a hardware address', True),
    (scalars.DRIVER_PATTERN, "a b", '"a b" is not a name of drivers', True),
    (scalars.KIND, "VLAN!", '"VLAN!" is not a kind of interfaces', True),
    (scalars.ARGUMENT, "a\x00b", "is not a value of one line", False),
    (scalars.UNIT, "kube-proxy", '"kube-proxy" has no type, did you mean "kube-proxy.service"?', True),
    (scalars.UNIT, "../x.service", '"../x.service" is not the name of a systemd unit', True),
    (scalars.UNIT, "--now.service x", '"--now.service x" is not the name of a systemd unit', True),
]


def as_an_editor_reads(text: str) -> list[Any]:
    """Give what a YAML 1.2 parser may make of it: quoted, and as it stands where that is another type there."""
    values: list[Any] = [text]
    if text in ("true", "false", "True", "False", "TRUE", "FALSE"):
        values.append(text.lower() == "true")
    if text.isascii() and text.isdigit():
        values.append(int(text))
    return values


@pytest.mark.parametrize(("scalar", "text", "value"), READ)
def test_read(scalar: Scalar[Any], text: str, value: Any) -> None:
    assert scalar.parse(text) == value


@pytest.mark.parametrize(("scalar", "text", "value"), READ)
def test_the_schema_never_refuses_what_is_read(scalar: Scalar[Any], text: str, value: Any) -> None:
    for given in as_an_editor_reads(text):
        assert Draft202012Validator(scalar.schema).is_valid(given), given


@pytest.mark.parametrize(("scalar", "text", "value"), READ)
def test_what_is_shown_is_read_again(scalar: Scalar[Any], text: str, value: Any) -> None:
    assert scalar.parse(scalar.show(value)) == value


@pytest.mark.parametrize(("scalar", "text", "message", "by_schema"), REFUSED)
def test_refused(scalar: Scalar[Any], text: str, message: str, by_schema: bool) -> None:
    with pytest.raises(ValueError) as refusal:
        scalar.parse(text)
    assert message in str(refusal.value)
    assert Draft202012Validator(scalar.schema).is_valid(text) is not by_schema


def test_numbers_out_of_range_are_refused_by_the_schema_as_numbers() -> None:
    for scalar, number in ((scalars.MTU, 1279), (scalars.PORTS, 0), (scalars.PORTS, 65536), (scalars.METRIC, -1)):
        assert not Draft202012Validator(scalar.schema).is_valid(number)


def test_every_schema_is_one() -> None:
    for scalar in {id(scalar): scalar for scalar, *_ in READ}.values():
        Draft202012Validator.check_schema(scalar.schema)
        assert r"\-" not in str(scalar.schema.get("pattern"))  # an error to editors, whose patterns are ECMA-262's


def test_every_scalar_is_tested() -> None:
    named = {name for name, value in vars(scalars).items() if isinstance(value, Scalar)}
    for table in (READ, REFUSED):
        tested = {id(row[0]) for row in table}
        assert {name for name in named if id(getattr(scalars, name)) not in tested} == set()


@pytest.mark.parametrize("text", ["hunter", "x" * 65, "correct\thorse", "pässwort1"])
def test_a_passphrase_is_never_echoed(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        scalars.WPA_PASSPHRASE.parse(text)
    assert text not in str(refusal.value)


@pytest.mark.parametrize("text", ["two words", "x" * 65, "päss", "tab\tkey"])
def test_an_update_key_is_never_echoed(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        scalars.UPDATE_KEY.parse(text)
    assert text not in str(refusal.value)


def test_a_private_key_is_never_echoed() -> None:
    with pytest.raises(ValueError) as refusal:
        scalars.SSH_PUBLIC_KEY.parse("-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXk")
    assert "b3Blbn" not in str(refusal.value)


def test_the_countries_are_those_of_the_standard() -> None:
    assert len(COUNTRIES) == 249
    assert yaml.safe_load("NO") is False  # why scalars are text until the model types them
