"""Where what is known of the machine comes from: what changes together, and is read again together."""

from __future__ import annotations

from enum import Flag, auto


class Source(Flag):
    """A place to look at. Of the first five the facts are made; a kind looks at the others itself."""

    LINKS = auto()
    ADDRESSES = auto()
    ROUTES = auto()
    RULES = auto()
    SURROUNDINGS = auto()
    """The facts that are not of the network: the gadget's interfaces, neighbours, the tunnel's
    health, NetworkManager, ufw's files.
    """
    SETTINGS = auto()
    """The kernel's, /proc/sys."""
    FILES = auto()
    FIREWALL4 = auto()
    """The firewall's rules for IPv4."""
    FIREWALL6 = auto()
    UNITS = auto()
    """systemd's, and whatever is asked of NetworkManager about wired interfaces."""
    RADIO = auto()
    DEVICES = auto()
    """USB: the gadget and the controllers."""
    REACTIONS = auto()
    """What was done about interfaces that came and went."""
    BROKER = auto()
    """What is known of the tunnel broker's record, and of what it says that the tunnel is."""


NOTHING = Source(0)
EVERYTHING = ~NOTHING
FIREWALL = {4: Source.FIREWALL4, 6: Source.FIREWALL6}
"""By family."""
NETWORK = Source.LINKS | Source.ADDRESSES | Source.ROUTES
"""A link that changes takes addresses and routes with it, and the kernel does not tell of all of them."""
