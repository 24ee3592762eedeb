"""The kernel's network tables, by rtnetlink: the only module that knows pyroute2.

Made for the 0.7 that Debian ships and for 0.9 alike; each call opens no more than one socket, which
lives as long as the `Netlink` object.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from errno import EADDRNOTAVAIL, EEXIST, ENODEV, ENOENT, EOPNOTSUPP, ESRCH
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any

from appliance.errors import PermanentError, TemporaryError
from firstboot.facts import OURS, Address, Interface, Link, Network, Route


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

IFF_UP = 1
IFA_F_DADFAILED = 0x08
IFA_F_TENTATIVE = 0x40
RTN_UNICAST = 1
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
_RTM_F_CLONED = 0x200
_ANY = {socket.AF_INET: ip_network("0.0.0.0/0"), socket.AF_INET6: ip_network("::/0")}


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

    def close(self) -> None:
        """Close the socket."""
        self._ip.close()

    def look(self) -> tuple[list[Link], list[Address], list[Route]]:
        """All interfaces, their addresses, and the routes through them, from one dump each."""
        with _explained("looking at the network"):
            links = list(self._ip.get_links())
            names = {message["index"]: message.get_attr("IFLA_IFNAME") for message in links}
            addresses = list(self._ip.get_addr())
            found = list(_links(links, names, _link_local(addresses)))
            return found, list(_addresses(addresses, names)), list(self._routes(names))

    def _routes(self, names: Mapping[int, str]) -> Iterator[Route]:
        """All unicast routes with one next hop."""
        for family in (socket.AF_INET, socket.AF_INET6):
            for message in self._ip.get_routes(family=family):
                index = message.get_attr("RTA_OIF")
                if message["type"] != RTN_UNICAST or index not in names or message["flags"] & _RTM_F_CLONED:
                    continue
                destination = message.get_attr("RTA_DST")
                gateway = message.get_attr("RTA_GATEWAY")
                yield Route(
                    destination=_network(destination, message["dst_len"], family),
                    interface=names[index],
                    gateway=ip_address(gateway) if gateway else None,
                    metric=message.get_attr("RTA_PRIORITY") or 0,
                    table=message.get_attr("RTA_TABLE") or message["table"],
                    protocol=message["proto"],
                )

    def add_tunnel(self, *, name: str, local: IPv4Address, remote: IPv4Address, ttl: int, mtu: int) -> None:
        """Make a 6in4 tunnel's interface, marked as ours in the same message."""
        tunnel = {"sit_local": str(local), "sit_remote": str(remote), "sit_ttl": ttl, "sit_pmtudisc": 1}
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

    def add_address(self, address: Address) -> None:
        """Put an address on an interface; that it is there already is fine."""
        with _explained(f"adding {address.address} to {address.interface}", accept=(EEXIST,)):
            self._ip.addr("add", index=self._index(address.interface), proto=OURS, **_address(address.address))

    def remove_address(self, address: Address) -> None:
        """Take an address off an interface; that it is gone already is fine."""
        gone = (ENODEV, EADDRNOTAVAIL)
        with _explained(f"removing {address.address} from {address.interface}", accept=gone):
            self._ip.addr("del", index=self._index(address.interface), **_address(address.address))

    def set_route(self, route: Route) -> None:
        """Add a route, or replace the one of the same destination, metric and table."""
        with _explained(f"setting the route to {route.destination}"):
            self._ip.route("replace", **self._route(route))

    def remove_route(self, route: Route) -> None:
        """Remove a route; that it is gone already is fine."""
        with _explained(f"removing the route to {route.destination}", accept=(ESRCH, ENODEV, ENOENT)):
            self._ip.route("del", **self._route(route))

    def _route(self, route: Route) -> dict[str, Any]:
        return {
            "family": socket.AF_INET6 if isinstance(route.destination, IPv6Network) else socket.AF_INET,
            "dst": str(route.destination),
            "oif": self._index(route.interface),
            "proto": OURS,
            "table": route.table,
            "priority": route.metric,
            **(
                {"gateway": str(route.gateway)}
                if route.gateway
                else {"scope": RT_SCOPE_LINK if route.destination.version == 4 else RT_SCOPE_UNIVERSE}
            ),
        }

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


def _links(
    messages: Iterable[Any], names: Mapping[int, str], link_local: Mapping[int, tuple[IPv6Address, ...]]
) -> Iterator[Link]:
    for message in messages:
        info = message.get_attr("IFLA_LINKINFO")
        kind = (info.get_attr("IFLA_INFO_KIND") if info else None) or ""
        data = info.get_attr("IFLA_INFO_DATA") if info and kind == "sit" else None
        yield Link(
            name=message.get_attr("IFLA_IFNAME"),
            kind=kind,
            up=bool(message["flags"] & IFF_UP),
            carrier=bool(message.get_attr("IFLA_CARRIER")),
            mtu=message.get_attr("IFLA_MTU") or 0,
            group=message.get_attr("IFLA_GROUP") or 0,
            mac=message.get_attr("IFLA_ADDRESS") or "" if kind in ("", "bridge") else "",
            local=_ipv4(data.get_attr("IFLA_SIT_LOCAL")) if data else None,
            remote=_ipv4(data.get_attr("IFLA_SIT_REMOTE")) if data else None,
            ttl=(data.get_attr("IFLA_SIT_TTL") or 0) if data else 0,
            master=names.get(message.get_attr("IFLA_MASTER") or 0, ""),
            link_local=link_local.get(message["index"], ()),
        )


def _addresses(messages: Iterable[Any], names: Mapping[int, str]) -> Iterator[Address]:
    """All addresses of global scope."""
    for message in messages:
        # On a point-to-point link IFA_ADDRESS is the peer's.
        value = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if message["scope"] != RT_SCOPE_UNIVERSE or value is None or message["index"] not in names:
            continue
        flags = message.get_attr("IFA_FLAGS") or message["flags"]
        yield Address(
            interface=names[message["index"]],
            address=ip_interface(f"{value}/{message['prefixlen']}"),
            protocol=message.get_attr("IFA_PROTO") or 0,
            tentative=bool(flags & IFA_F_TENTATIVE),
            duplicate=bool(flags & IFA_F_DADFAILED),
        )


def _link_local(messages: Iterable[Any]) -> Mapping[int, tuple[IPv6Address, ...]]:
    """The IPv6 addresses of link scope, by interface."""
    found: dict[int, tuple[IPv6Address, ...]] = {}
    for message in messages:
        if message["family"] == socket.AF_INET6 and message["scope"] == RT_SCOPE_LINK:
            address = IPv6Address(message.get_attr("IFA_ADDRESS"))
            found[message["index"]] = (*found.get(message["index"], ()), address)
    return found


def _address(address: Interface) -> dict[str, Any]:
    return {"address": str(address.ip), "prefixlen": address.network.prefixlen}


def _ipv4(text: str | None) -> IPv4Address | None:
    return IPv4Address(text) if text else None


def _network(address: str | None, length: int, family: int) -> Network:
    return ip_network(f"{address}/{length}") if address else _ANY[socket.AddressFamily(family)]
