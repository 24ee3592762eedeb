"""The network of a namespace, read from the kernel now."""

from __future__ import annotations

from firstboot.facts import Facts
from firstboot.netlink import Netlink
from tests.netns.namespace import Namespace


def network(namespace: Namespace, netlink: Netlink) -> Facts:
    """Its interfaces, their addresses, and the routes."""
    return namespace.call(_read, netlink)


def _read(netlink: Netlink) -> Facts:
    links = {link.name: link for link in netlink.tables.links()}  # by their names the rest is told
    addresses, link_local = netlink.tables.addresses()
    return Facts(links=links, addresses=tuple(addresses), link_local=link_local, routes=tuple(netlink.tables.routes()))
