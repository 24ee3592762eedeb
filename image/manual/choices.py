"""What each choice means, where a setting takes one of a few words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from appliance.firewall import Deny, Logged, Verdict, Zone
from appliance.model import Function, Interfaces, LedUse, NetworkConfigurator, Profile, Share, TunnelForm

MEANINGS: Mapping[type[StrEnum], Mapping[StrEnum, str]] = {
    Profile: {
        Profile.GATEWAY: "gives a network IPv6 through a tunnel, and IPv4 addresses if it shall",
        Profile.GADGET: "is a network adapter with a router in it, for the laptop that it is plugged into",
        Profile.CUSTOM: "stays as it is: routing policies and several uplinks alone, on any machine with the package",
    },
    LedUse: {
        LedUse.STATUS: "whether all is well: steady if it is, and what is wrong by how it blinks",
        LedUse.SYSTEM: "what the system has it show: a heartbeat, or that the card is in use",
        LedUse.OFF: "nothing: it is dark",
    },
    NetworkConfigurator: {
        NetworkConfigurator.AUTO: "whichever of them the machine has",
        NetworkConfigurator.NETWORKMANAGER: "NetworkManager",
        NetworkConfigurator.NETPLAN: "netplan, with the one that it writes for",
        NetworkConfigurator.NETWORKD: "systemd-networkd",
        NetworkConfigurator.IFUPDOWN: "ifupdown, with `/etc/network/interfaces`",
    },
    TunnelForm: {
        TunnelForm.SIX_IN_FOUR: "a broker's, to its server",
        TunnelForm.SIX_RD: "the provider's own (RFC 5969), of which its DHCP server tells all the rest (option 212)",
    },
    Share: {
        Share.ROUTE: "the laptop has the Pi's Internet, while the router that it comes from answers",
        Share.LOCAL: "the laptop has the Pi alone; its own Internet is untouched",
        Share.HOST: "the laptop shares its Internet with the Pi",
        Share.AUTO: "as `route`, until the laptop shares its own Internet, and then as `host`",
    },
    Function: {
        Function.ECM: "a network adapter for Linux and macOS",
        Function.RNDIS: "a network adapter for Windows",
        Function.NCM: "a network adapter, in the place of `ecm`",
        Function.ACM: "a serial port to log in by",
    },
    Interfaces: {
        Interfaces.BRIDGED: "one network, whichever adapter the laptop takes",
        Interfaces.SEPARATE: "half of the network for each adapter",
    },
    Zone: {
        Zone.OUTSIDE: "beyond the uplink and the tunnel",
        Zone.INSIDE: "the networks that are served: the LAN, the cable",
        Zone.BOX: "the Pi itself",
        Zone.ANY: "all of these",
    },
    Verdict: {
        Verdict.ALLOW: "the packet passes",
        Verdict.DENY: "it does not: `firewall.deny` says how",
    },
    Deny: {
        Deny.DROP: "nobody is told",
        Deny.REJECT: "the sender is told",
    },
    Logged: {
        Logged.ALL: "those that are denied, and the first one of each connection that is allowed",
        Logged.DROPS: "those that are denied",
        Logged.NONE: "none but those of rules that have `log`",
    },
}


def meanings_of(sort: str) -> Mapping[StrEnum, str]:
    """Those of a sort of value, by the name that `scalars.choice` gives it; none for another sort."""
    return next((found for kind, found in MEANINGS.items() if kind.__name__.lower() == sort), {})
