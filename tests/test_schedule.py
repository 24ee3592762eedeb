"""Which tests stay together."""

from __future__ import annotations

import pytest

from tests.schedule import LONGEST_FIRST, group

GROUPS = {
    "tests/vm/test_gadget.py::test_ready": "test_gadget",
    "tests/vm/test_gadget_usb.py::test_descriptors[os string]": "test_gadget",
    "tests/vm/test_gateway.py::TestSecondBoot::test_the_same_machine": "test_gateway.py",
    "tests/vm/test_wifi.py::test_an_open_network": "test_wifi.py",
    "tests/netns/test_broker.py::test_each_new_address_is_told_once": "namespaces",
    "tests/firstboot/test_policy.py::test_order[::1 and more]": "namespaces",
    "tests/image/test_killed.py::test_killed_at_any_moment": "builds",
    "tests/managers/test_uplinks.py::test_the_example_as_it_stands[trixie-netplan]": "builds",
    "tests/test_lint.py::test_types": "builds",
}


@pytest.mark.parametrize("nodeid", GROUPS)
def test_groups(nodeid: str) -> None:
    assert group(nodeid) == GROUPS[nodeid]


def test_what_takes_longest_is_there(request: pytest.FixtureRequest) -> None:
    """A name that no group has any longer would be passed over without a word."""
    files = [
        file.relative_to(request.config.rootpath) for file in (request.config.rootpath / "tests").rglob("test_*.py")
    ]
    assert set(LONGEST_FIRST) <= {group(f"{file}::test") for file in files}
