"""Changes of the kernel's network tables, by rtnetlink: the only module that knows pyroute2.

Made for the 0.7 that Debian ships and for 0.9 alike; each call opens no more than one socket, which
lives as long as the `Netlink` object.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, EOPNOTSUPP, ESRCH
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

from appliance.errors import PermanentError, TemporaryError
from firstboot.facts import OURS, Address, Interface, Route
from firstboot.tables import Tables


def _skip_init(package: str) -> None:
    """Let a package's modules be imported without what its `__init__` does.

    pyroute2's imports its databases, its console and its test tools, none of which is used here: two thirds of
    the time (5 s on a Pi Zero) and 9 MiB of the memory that importing `IPRoute` takes.
    """
    spec = importlib.util.find_spec(package)
    if spec is not None and package not in sys.modules:
        sys.modules[package] = importlib.util.module_from_spec(spec)


_skip_init("pyroute2")

from pyroute2.iproute.linux import IPRoute  # noqa: E402
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg  # noqa: E402

RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253


def _know_address_protocols() -> None:
    """Teach a pyroute2 older than Linux 5.18 the attributes up to IFA_PROTO (linux/if_addr.h)."""
    known = {name for name, _ in ifaddrmsg.nla_map}
    later = (("IFA_RT_PRIORITY", "uint32"), ("IFA_TARGET_NETNSID", "uint32"), ("IFA_PROTO", "uint8"))
    ifaddrmsg.nla_map = (*ifaddrmsg.nla_map, *(entry for entry in later if entry[0] not in known))


_know_address_protocols()


class Netlink:
    """Links, addresses and routes of the network namespace in which the object was made."""

    def __init__(self) -> None:
        self._ip = IPRoute()
        with socket.socket(fileno=os.dup(self._ip.fileno())) as same:
            same.bind((0, 0))  # with its first message it would be
            self.port: int = same.getsockname()[0]
            """By what the kernel tells that a change is this object's."""
        self.tables = Tables()

    def close(self) -> None:
        """Close the sockets."""
        self._ip.close()
        self.tables.close()

    def add_tunnel(
        self,
        *,
        name: str,
        local: IPv4Address,
        remote: IPv4Address | None,
        ttl: int,
        mtu: int,
        six_rd: tuple[IPv6Network, IPv4Network] | None = None,
    ) -> None:
        """Make a tunnel's interface, marked as ours in the same message.

        `six_rd`: the prefix in whose addresses is to whom a packet goes, and the IPv4 addresses of all of them.
        """
        tunnel: dict[str, Any] = {"sit_local": str(local), "sit_ttl": ttl, "sit_pmtudisc": 1}
        if remote is not None:
            tunnel |= {"sit_remote": str(remote)}
        if six_rd is not None:
            prefix, customers = six_rd
            tunnel |= {"sit_6rd_prefix": str(prefix.network_address), "sit_6rd_prefixlen": prefix.prefixlen}
            tunnel |= {"sit_6rd_relay_prefix": str(customers.network_address)}
            tunnel |= {"sit_6rd_relay_prefixlen": customers.prefixlen}
        with _explained(f"making {name}", "the kernel needs the module sit"):
            self._ip.link("add", ifname=name, kind="sit", group=OURS, **tunnel)
        self.set_link(name, mtu=mtu)

    def add_bridge(self, *, name: str, mac: str) -> None:
        """Make a bridge, marked as ours in the same message; it is not up yet.

        It floods multicast: snooping needs a querier, and there is nothing to be spared on one cable.
        """
        with _explained(f"making {name}", "the kernel needs the module bridge"):
            self._ip.link("add", ifname=name, kind="bridge", group=OURS, address=mac, br_mcast_snooping=0)

    def set_master(self, name: str, master: str) -> None:
        """Make an interface a port of a bridge, or ("") of none."""
        with _explained(f"making {name} a port of {master or 'none'}"):
            self._ip.link("set", index=self._index(name), master=self._index(master) if master else 0)

    def set_mac(self, name: str, mac: str) -> None:
        """Give an interface another MAC address."""
        with _explained(f"giving {name} the address {mac}"):
            self._ip.link("set", index=self._index(name), address=mac)

    def remove_link(self, name: str) -> None:
        """Remove an interface; that it is gone already is fine."""
        with _explained(f"removing {name}", accept=(ENODEV,)):
            self._ip.link("del", index=self._index(name))

    def set_link(self, name: str, *, mtu: int | None) -> None:
        """Set an interface up and its MTU in bytes (None: leave it)."""
        with _explained(f"setting {name} up"):
            self._ip.link("set", index=self._index(name), state="up", **({"mtu": mtu} if mtu else {}))

    def set_link_down(self, name: str) -> None:
        """Set an interface down."""
        with _explained(f"setting {name} down"):
            self._ip.link("set", index=self._index(name), state="down")

    def add_address(self, address: Address, *, replaces: bool = False) -> None:
        """Put an address on an interface; that it is there already is fine.

        `replaces`: that one becomes ours, and is deprecated or not as is wanted.
        """
        with _explained(f"adding {address.address} to {address.interface}", accept=(EEXIST,)):
            self._ip.addr(
                "replace" if replaces else "add",
                index=self._index(address.interface),
                proto=OURS,
                **(_DEPRECATED if address.deprecated else {}),
                **_address(address.address),
            )

    def remove_address(self, address: Address) -> None:
        """Take an address off an interface; that it is gone already is fine."""
        gone = (ENODEV, EADDRNOTAVAIL)
        with _explained(f"removing {address.address} from {address.interface}", accept=gone):
            self._ip.addr("del", index=self._index(address.interface), **_address(address.address))

    def set_route(self, route: Route, *, replaces: bool = False) -> None:
        """Add a route; `replaces`: in place of the one of the same destination, metric and table, if there is one."""
        with _explained(f"setting the route to {route.destination}"):
            self._ip.route("replace" if replaces else "add", **self._route(route))

    def remove_route(self, route: Route) -> None:
        """Remove a route; that it is gone already is fine."""
        with _explained(f"removing the route to {route.destination}", accept=(ESRCH, ENODEV, ENOENT)):
            self._ip.route("del", **self._route(route))

    def _route(self, route: Route) -> dict[str, Any]:
        return {
            "family": socket.AF_INET6 if isinstance(route.destination, IPv6Network) else socket.AF_INET,
            "dst": str(route.destination),
            "proto": OURS,
            "table": route.table,
            "priority": route.metric,
            **({"src": str(route.source.network_address), "src_len": route.source.prefixlen} if route.source else {}),
            **(self._way(route) if route.interface else {"type": "unreachable"}),
        }

    def _way(self, route: Route) -> dict[str, Any]:
        scope = RT_SCOPE_LINK if route.destination.version == 4 else RT_SCOPE_UNIVERSE
        by = {"gateway": str(route.gateway)} if route.gateway else {"scope": scope}
        return {"oif": self._index(route.interface), **by}

    def _index(self, name: str) -> int:
        try:
            return socket.if_nametoindex(name)
        except OSError as error:
            raise TemporaryError(
                f"there is no interface {name}", hint="`ip link` lists those that there are; is the adapter plugged in?"
            ) from error


@contextmanager
def _explained(what: str, hint: str = "", *, accept: tuple[int, ...] = ()) -> Iterator[None]:
    """Turn the kernel's refusal into an error that says what was attempted; `accept`: errno that are fine."""
    try:
        yield
    except NetlinkError as error:
        if error.code not in accept:
            family = PermanentError if error.code == EOPNOTSUPP else TemporaryError
            raise family(f"{what}: the kernel refused: {error.args[-1]}", hint=hint) from error


_FOREVER = 0xFFFFFFFF
_LIFETIMES = {"preferred": 0, "valid": _FOREVER}
_DEPRECATED = {**_LIFETIMES, "cacheinfo": _LIFETIMES}
"""Twice and in this order: pyroute2 0.7 heeds them in `cacheinfo` alone, 0.9 beside it alone."""


def _address(address: Interface) -> dict[str, Any]:
    return {"address": str(address.ip), "prefixlen": address.network.prefixlen}
