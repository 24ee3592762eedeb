"""What packets are for: a protocol and, of the protocols that have them, ports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from appliance.quoting import quoted
from appliance.ranges import PortRange

PATTERN = r"^(any|icmp|(tcp|udp)(/[0-9]{1,5}( *- *[0-9]{1,5})?)?)$"


class Protocol(StrEnum):
    """What is told apart; `icmp` is that of either family."""

    ANY = "any"
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, order=True)
class Service:
    """A protocol and the ports that are meant; None: all of them. `str()` gives the notation of `appliance.yaml`."""

    protocol: Protocol
    ports: PortRange | None = None

    def covers(self, other: Service) -> bool:
        """Whether every packet that is for the other is for this one, too."""
        if self.protocol is Protocol.ANY:
            return True
        if self.protocol is not other.protocol:
            return False
        return self.ports is None or (other.ports is not None and self.ports.covers(other.ports))

    def overlaps(self, other: Service) -> bool:
        """Whether a packet may be for both."""
        if Protocol.ANY in (self.protocol, other.protocol):
            return True
        if self.protocol is not other.protocol:
            return False
        return self.ports is None or other.ports is None or self.ports.overlaps(other.ports)

    def __str__(self) -> str:
        return self.protocol if self.ports is None else f"{self.protocol}/{self.ports}"


ANY = Service(Protocol.ANY)
SSH = Service(Protocol.TCP, PortRange(22, 22))


def service(text: str) -> Service:
    """Read `tcp/443`, `udp/8000-8010`, `tcp`, `icmp` or `any`; raises ValueError with a sentence."""
    name, slash, numbers = (part.strip() for part in text.partition("/"))
    if re.fullmatch(r"[0-9 -]+", text):
        raise ValueError(f"{quoted(text)} does not say whether it is tcp or udp")
    if name not in tuple(Protocol):
        raise ValueError(f"{quoted(text)} is not the name of a service")
    if not slash:
        return Service(Protocol(name))
    if name not in (Protocol.TCP, Protocol.UDP):
        raise ValueError(f"{quoted(text)}: {name} has no ports")
    found = re.fullmatch(r"([0-9]{1,5})(?: *- *([0-9]{1,5}))?", numbers)
    if not found:
        raise ValueError(f"{quoted(text)}: a port is a number, or FIRST-LAST")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"{quoted(text)}: ports are 1 to 65535, the first before the last")
    return Service(Protocol(name), PortRange(first, last))
