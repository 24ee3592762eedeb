"""What must hold between settings, in words: `appliance.checks` refuses what it does not hold for.

A test has, for each of these sentences, a file that is refused because of it.
"""

from __future__ import annotations

CONDITIONS: dict[str, tuple[str, ...]] = {
    "uplink": (
        "A fixed `address` needs `gateway`, the router's in the same network. Without `address` there is no `gateway`.",
        "An interface whose name begins with `wl` needs `wifi`.",
    ),
    "uplink.wifi": ("A network has either `passphrase` or `open: true`.", "No two networks have the same `ssid`."),
    "uplinks[]": (
        "Each says which interface it means by one of `interface`, `mac` and `carrying`.",
        "No two have the same `interface`, `mac`, `carrying` or `metric`.",
    ),
    "tunnel": (
        "Without `broker`, `server`, `address` and `routed` are required. With it, the broker says what is left out.",
        "With `kind: 6rd` the provider says them, and there is no `broker` either.",
        "`server` is an address on the Internet, not a private one.",
        "`address` is in a /64, and is not the network itself.",
        "`routed` is a /64 or larger, of global addresses, and not the network of `address`.",
        "`mtu` is less than `uplink.mtu` by 20 or more.",
        "`ipv4_only` has no domain of the LAN's own.",
        "The tunnel needs an uplink, with profile `gadget` as well.",
    ),
    "tunnel.fallback": (
        "What holds of the section `tunnel` holds of this one.",
        "`server`, `interface`, `broker.tunnel`, `routed` and the network of `address` are others than the tunnel's.",
        "Only one of the two has `kind: 6rd`.",
        "There is a /64 of `tunnel.fallback.routed` for each network of the LAN as well.",
    ),
    "lan": (
        "On another interface than the uplink's it needs `address`, in a network that no other one overlaps; on the "
        "uplink's own, leave it out.",
        "Each of several networks has an interface of its own, which is not the uplink's.",
        "There is a /64 of `tunnel.routed` for each network.",
    ),
    "lan.dhcp4": (
        "`range` is in the network of the Pi's address there, without that address and the router's.",
        "On the uplink's interface it needs `uplink.address`.",
        "`lease` is 120 s or more.",
    ),
    "gadget": (
        "`functions` has a network adapter, nothing twice, and not both `ecm` and `ncm`.",
        "`network` does not overlap that of `uplink.address`.",
        "`interfaces: separate` with several adapters needs a `network` of /29 or larger.",
    ),
    "firewall.management": ("`ssh_from` has no network as large as a /7 of IPv4 or a /15 of IPv6.",),
    "firewall.allow_in[]": (
        "It has `tcp`, `udp` or both.",
        "`to` is a machine inside, and not the Pi. It is an IPv4 address only where IPv4 goes through the Pi.",
        "`to` is a name only where the Pi gives out addresses by DHCP.",
        "`nat_port` is for one port.",
    ),
    "firewall.port_forwards[]": (
        "IPv4 goes through the Pi: the LAN is not on the uplink's interface.",
        "`to_port` is for one port.",
        "One port leads one sender to one machine.",
    ),
    "firewall.rules[]": (
        "A rule can match, and no other one before it, written or standing, decides about all that it could match.",
        "None opens ssh, DNS or DHCP of the Pi to the outside; for ssh there is `firewall.management.ssh_from`.",
        "`nat` is for what is allowed from `inside` to `outside` by IPv4.",
    ),
    "routing.tables[]": ("`lookup` has none of the kernel's own tables, 253 to 255.",),
    "routing.sysctl[]": (
        "It has one or more of `interface`, `driver`, `mac` and `kind`.",
        "`set` sets something.",
    ),
    "routing.on_interface_change[]": (
        "It has one or more of `interface`, `driver`, `mac` and `kind`, all of which must fit.",
        "It has either `restart` or `run`; the first word of `run` is the whole path of a program.",
    ),
}
"""By the path of the section, as `settings.sections` has it."""
