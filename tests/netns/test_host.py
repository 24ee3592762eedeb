"""What nobody tells of, found by looking again at what was read: kernel settings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from firstboot.host import Host
from firstboot.netlink import Netlink
from tests.netns.namespace import Namespace

SETTING = "net/ipv6/conf/lo/accept_ra"


@pytest.fixture
def netlink(namespace: Namespace) -> Iterator[Netlink]:
    opened = namespace.call(Netlink)
    yield opened
    namespace.call(opened.close)


def test_a_changed_kernel_setting_is_found(namespace: Namespace, netlink: Netlink) -> None:
    host = Host(netlink, bus=None)
    assert namespace.call(lambda: host.sysctl(SETTING)) == "1"
    assert namespace.call(lambda: host.sysctl("net/ipv6/conf/nowhere/accept_ra")) is None
    assert namespace.call(host.is_as_read)
    namespace.program("sysctl", "-q", f"{SETTING.replace('/', '.')}=0")
    assert not namespace.call(host.is_as_read)
    assert namespace.call(lambda: host.sysctl(SETTING)) == "0"
    assert namespace.call(host.is_as_read)


def test_a_pass_begins_with_nothing_read(namespace: Namespace, netlink: Netlink) -> None:
    host = Host(netlink, bus=None)
    namespace.call(lambda: host.sysctl(SETTING))
    namespace.program("sysctl", "-q", f"{SETTING.replace('/', '.')}=0")
    namespace.call(host.begin)
    assert namespace.call(host.is_as_read)


def test_a_look_beside_the_passes_hides_nothing_from_them(namespace: Namespace, netlink: Netlink) -> None:
    """Who asks what differs must not be the reason that nobody puts it right."""
    host = Host(netlink, bus=None)
    namespace.call(lambda: host.sysctl(SETTING))
    namespace.program("sysctl", "-q", f"{SETTING.replace('/', '.')}=0")
    assert namespace.call(lambda: host.aside().sysctl(SETTING)) == "0"
    assert not namespace.call(host.is_as_read)
