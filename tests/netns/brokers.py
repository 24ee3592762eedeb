"""A Pi whose uplink leads to a stand-in for the tunnel broker: a public address, or one behind a router's NAT."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from pathlib import Path
from unittest.mock import patch

from appliance.he import BrokerTunnel
from appliance.model import Broker
from firstboot.broker import answers, correspondence, description, memory
from firstboot.broker.answers import Word
from image.lab.broker import HOST, INFORMATION_HOST, WINDOW_S, Desk, serving
from image.lab.certificates import authority, certificate
from tests.firstboot.conftest import EXAMPLES
from tests.netns.gateways import NOT_HERE, give_ufw_files
from tests.netns.living import Living
from tests.netns.namespace import Namespace

ACCOUNT = Broker(user="somebody", key="K3yOfTheTunnel/9", tunnel=123456)
AT = "198.51.100.53"
FAR_END = "2001:db8:123c:abd::1/64"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
MINUTE_S = 1.0
"""A minute of the broker's, here."""
DAY_S = 5 * MINUTE_S
"""And a day, which is long enough for that."""
DESCRIBED = BrokerTunnel(
    IPv4Address("198.51.100.100"),
    IPv6Interface("2001:db8:123c:abd::2/64"),
    IPv6Network("2001:db8:123d:abc::/64"),
    number=ACCOUNT.tunnel,
)

_STATIC = "  address: 192.168.1.252/24\n  gateway: 192.168.1.254\n"
_DHCP4 = "  dhcp4:\n    range: 192.168.1.10-192.168.1.210\n    lease: 12h\n"


def config(account: Broker = ACCOUNT) -> str:
    """The example of a gateway, with an uplink by DHCP and an account at the broker."""
    text = (EXAMPLES / "gateway.yaml").read_text(encoding="utf-8")
    broker = f"  broker: {{user: {account.user}, key: {account.key}, tunnel: {account.tunnel}}}\n"
    for before, after in ((_STATIC, ""), (_DHCP4, ""), ("\nlan:\n", f"{broker}\nlan:\n")):
        assert before in text
        text = text.replace(before, after)
    return text


def alone(account: Broker = ACCOUNT) -> str:
    """The same, with nothing of the tunnel but the account, and nothing that is said of an address inside."""
    text = config(account)
    ends = text[text.index("  server:") : text.index("  broker:")]
    return text.replace(ends, "").partition("\nfirewall:")[0]


@dataclass
class Line:
    """The Pi, what is at the other end of its wire, and the broker. `trusted`: the authority of its certificate."""

    pi: Namespace
    outside: Namespace
    desk: Desk
    trusted: Path

    def furnish(self) -> None:
        """In the Pi's own /etc: how the broker is found, and whom to believe that it is it."""
        self.pi.program("sh", "-c", f"echo {AT} {HOST} {INFORMATION_HOST} > /etc/hosts; cat {self.trusted} > {TRUSTED}")

    def lease(self, address: str, router: str) -> None:
        """As a DHCP client does it."""
        self.pi.program("ip", "-4", "addr", "flush", "dev", "eth0")
        self.pi.program("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        self.pi.program("ip", "route", "replace", "default", "via", router, "dev", "eth0", "metric", "100")

    def told(self) -> list[str]:
        """The addresses that the broker took, one after the other."""
        return [call.answer.split()[1] for call in self.desk.calls if call.answer.startswith(("good", "nochg"))]


@contextmanager
def line(folder: Path) -> Iterator[Line]:
    """The Pi's eth0 leads to 203.0.113.1, and from there to the broker. A wire is the tunnel, whose far end answers."""
    trusted = authority(folder)
    own = certificate(trusted, HOST, INFORMATION_HOST)
    desk = Desk(ACCOUNT.user, ACCOUNT.key, ACCOUNT.tunnel, clock=lambda: time.monotonic() * WINDOW_S / MINUTE_S)
    desk.described = DESCRIBED
    with ExitStack() as stack:
        pi, outside = stack.enter_context(Namespace()), stack.enter_context(Namespace())
        pi.connect("eth0", outside, "far")
        outside.program("ip", "addr", "add", "203.0.113.1/24", "dev", "far")
        outside.program("ip", "addr", "add", f"{AT}/32", "dev", "lo")
        pi.connect("he-ipv6", outside, "far-he-ipv6")
        outside.program("ip", "addr", "add", FAR_END, "dev", "far-he-ipv6", "nodad")
        broker = serving(desk, own, AT)
        outside.call(broker.__enter__)
        stack.callback(broker.__exit__, None, None, None)
        yield Line(pi, outside, desk, trusted)


def started(net: Line, folder: Path, text: str) -> Living:
    """The daemon there with this configuration, not yet entered."""
    made = Living(net.pi, folder, text, without=NOT_HERE)
    give_ufw_files(net.pi)
    net.furnish()
    return made


@contextmanager
def hasty() -> Iterator[None]:
    """The broker's minutes pass in seconds: those after which it may be told again, too."""
    a_while_s = 1.1 * MINUTE_S
    words = (Word.GOOD, Word.UNCHANGED, Word.BAD_ACCOUNT)
    short = {word: replace(answers.MEANINGS[word], wait_s=a_while_s, longest_s=a_while_s) for word in words}
    with (
        patch.dict(answers.MEANINGS, short),
        patch.object(memory, "SHORTEST_S", a_while_s),
        patch.object(description, "SHORTEST_S", a_while_s),
        patch.object(correspondence, "SHORTEST_S", a_while_s),
        patch.object(description, "DAY_S", DAY_S),
    ):
        yield
