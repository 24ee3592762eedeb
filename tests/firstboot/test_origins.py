"""Which setting something is wanted because of: tried out with every setting of every example."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.model import Appliance, Share
from appliance.parse import Parsed, load
from firstboot.kinds import KINDS
from firstboot.origins import ERROR, Origins
from firstboot.reconcile import Reconciler
from firstboot.variation import other, parts_of, value_at, without
from tests.firstboot.conftest import EXAMPLES
from tests.firstboot.memory import MemoryMachine

NAMES = ["gateway", "gadget", "gadget-offline", "policies", "uplinks"]


def example(name: str) -> Parsed:
    return load(EXAMPLES / f"{name}.yaml")


def machine_of(appliance: Appliance) -> MemoryMachine:
    machine = MemoryMachine("eth0", "wlan0")
    machine.device_controllers = ["dwc2"]
    Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
    return machine


def origins(name: str, appliance: Appliance) -> Origins:
    kind = next(kind for kind in KINDS if kind.name == name)
    return Origins(kind, appliance, machine_of(appliance).facts())


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_can_be_another(name: str) -> None:
    parsed = example(name)
    for path in filter(None, parsed.marks):
        found = value_at(parsed.appliance, path)
        if found is None:
            assert path == "gadget.network"  # auto
            continue
        assert value_at(without(parsed.appliance, path), path) != found
        assert value_at(parsed.appliance, path) == found, "what was varied was a copy"


@pytest.mark.parametrize("name", NAMES)
def test_the_parts_of_a_file_are_what_the_parser_marked(name: str) -> None:
    """But for what is not in the file and has a default."""

    def all_in(path: str) -> set[str]:
        parts = parts_of(appliance, path)
        return set(parts).union(*map(all_in, parts))

    parsed = example(name)
    appliance = parsed.appliance
    assert set(parsed.marks) - all_in("") <= {"", "gadget.network"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "tunnel.",
        "tunnel..server",
        "tunnel.colour",
        "tunnel[0]",
        "uplink.dns[2]",
        "uplink.dns[-1]",
        "uplink.dns[x]",
        "lan.dhcp4.range.first",
        "no",
    ],
)
def test_what_is_no_setting_is_none(path: str) -> None:
    assert value_at(example("gateway").appliance, path) is None


def test_another_value_is_of_the_same_type() -> None:
    def values(found: Any) -> list[Any]:
        inner = [value_at(appliance, part) for part in parts_of(appliance, found)]
        parts = [value for part in parts_of(appliance, found) for value in values(part)]
        return [*(value for value in inner if not hasattr(value, "__dataclass_fields__")), *parts]

    for name in NAMES:
        appliance = example(name).appliance
        for value in values(""):
            if not isinstance(value, (tuple, dict)):
                assert other(value) != value
                assert type(other(value)) is type(value)


@pytest.mark.parametrize(
    ("kind", "path", "keys"),
    [
        ("tunnel", "tunnel", {"he-ipv6"}),
        ("tunnel", "tunnel.server", {"he-ipv6"}),
        ("tunnel", "uplink.address", {"he-ipv6"}),
        ("tunnel", "tunnel.routed", set()),
        ("addresses", "tunnel.routed", {"2001:db8:123d:abc::1/64 on eth0"}),
        ("addresses", "tunnel", {"2001:db8:123c:abd::2/64 on he-ipv6", "2001:db8:123d:abc::1/64 on eth0"}),
        ("addresses", "uplink.mtu", set()),
        ("links", "uplink.mtu", {"eth0"}),
        ("routes", "tunnel.server", {"198.51.100.100/32 metric 97"}),
        ("sysctls", "tunnel.server", set()),
        ("firewall", "firewall.allow_in[0]", {"IPv6 rules"}),
        ("firewall", "firewall.allow_in[0].tcp[1]", {"IPv6 rules"}),
        ("files", "ssh", {"/etc/ssh/appliance_authorized_keys/pi"}),
        ("units", "ssh.authorized_keys[0]", {"ssh.service"}),
        ("routes", "hostname", set()),
        ("routes", "profile", set()),
    ],
)
def test_what_is_wanted_because_of_a_setting(kind: str, path: str, keys: set[str]) -> None:
    assert origins(kind, example("gateway").appliance).keys_of(path) == keys


def test_where_there_can_be_nothing_without_a_section_its_settings_say_what_depends_on_it() -> None:
    """No rules can be rendered for a gateway without an uplink; but the ssh keys have nothing to do with it."""
    found = origins("files", example("gateway").appliance).keys_of("uplink")
    assert "/etc/ufw/before.rules" in found
    assert "/etc/ssh/appliance_authorized_keys/pi" not in found


def test_what_cannot_be_said_yet_has_its_reasons_as_well() -> None:
    appliance = example("gateway").appliance
    assert appliance.uplink is not None
    by_lease = replace(appliance, uplink=replace(appliance.uplink, address=None, gateway=None))
    found = Origins(next(kind for kind in KINDS if kind.name == "tunnel"), by_lease, MemoryMachine().facts())
    assert found.keys_of("tunnel") == {ERROR}
    assert found.keys_of("uplink") == {ERROR}
    assert found.keys_of("lan") == frozenset()


@pytest.mark.parametrize(
    ("kind", "key", "settings"),
    [
        ("tunnel", "he-ipv6", ("uplink.address", "tunnel.server")),
        ("routes", "198.51.100.100/32 metric 97", ("uplink.interface", "uplink.gateway", "tunnel.server")),
        ("routes", "::/0 from 2001:db8:123c:abd::/64 metric 512", ("uplink", "tunnel.address")),
        ("routes", "::/0 from 2001:db8:123d:abc::/64 metric 512", ("uplink", "tunnel.routed")),
        ("units", "ssh.service", ("ssh.authorized_keys[0]",)),
        ("sysctls", "net/ipv6/conf/eth0/accept_ra", ("tunnel", "lan.interface")),
    ],
)
def test_the_innermost_settings_are_told(kind: str, key: str, settings: tuple[str, ...]) -> None:
    parsed = example("gateway")
    assert origins(kind, parsed.appliance).settings_of(key, parsed.marks) == settings


def test_a_setting_that_is_not_in_the_file_is_not_told() -> None:
    parsed = example("gateway")
    assert "links" in {kind.name for kind in KINDS}
    assert origins("links", parsed.appliance).settings_of("eth0", parsed.marks) == ("uplink.interface",)
    marks = {**parsed.marks, "uplink.mtu": parsed.marks["uplink"]}
    assert origins("links", parsed.appliance).settings_of("eth0", marks) == ("uplink.interface", "uplink.mtu")


def test_each_policy_is_told_from_the_others() -> None:
    parsed = example("policies")
    assert [path for path in parsed.marks if path.startswith("routing.sysctl[")]
    machine = MemoryMachine("eni1")
    machine.sysctls["net/ipv4/conf/eni1/rp_filter"] = "0"
    kind = next(kind for kind in KINDS if kind.name == "policy-sysctls")
    found = Origins(kind, parsed.appliance, machine.facts())
    key = "net/ipv4/conf/eni1/rp_filter"
    assert found.keys_of("routing") == {key}
    (setting,) = found.settings_of(key, {path: mark for path, mark in parsed.marks.items() if "]." not in path})
    assert setting.startswith("routing.sysctl[")


def test_who_shares_with_whom_is_told() -> None:
    parsed = example("gadget")
    assert parsed.appliance.gadget is not None
    assert other(Share.AUTO) is Share.ROUTE
    assert "appliance-dhcpcd.service" in origins("dhcpcd", parsed.appliance).keys_of("gadget.share")
