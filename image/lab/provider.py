"""The tunnel's provider: a broker that can be told, and a server that heeds at once what the broker has."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.model import Broker
from image import run as door
from image.lab import desk
from image.lab import site as places
from image.lab.broker import HOST, Call
from image.lab.certificates import authority, certificate
from image.lab.register import Register
from image.lab.site import Site
from image.lab.topology import INTERNET, PROVIDER, TUNNEL_DEVICE
from image.lab.tunnel_server import SERVING
from image.lab.waiting import until
from image.lab.world import World

TUNNEL_LOG, DESK_LOG = "tunnel-server", "broker"


@dataclass(frozen=True)
class Provider:
    """That of a world."""

    world: World

    @property
    def register(self) -> Register:
        """What it knows of the tunnel. A test may write there what a person does on the broker's page."""
        return Register(self.world.logs / "register")

    @property
    def authority(self) -> Path:
        """The certificate of the authority that the broker's own is from; there is one where there is an account."""
        return self.world.logs / "certificates" / "authority.pem"

    def calls(self) -> list[Call]:
        """What the broker was told so far."""
        return desk.calls(self.world.log(DESK_LOG).read_text())


@contextmanager
def provider(world: World, site: Site) -> Iterator[None]:
    """The tunnel server, and where the appliance has an account the broker, while the block runs.

    The tunnel is made by hand, as a person does it on the broker's page: it has the home router's public address.
    """
    Provider(world).register.enter(places.WAN_ROUTER.ip)
    with world.running(PROVIDER, tunnel_server(world, site), log=TUNNEL_LOG):
        until(lambda: SERVING in world.log(TUNNEL_LOG).read_text(), "the tunnel server serves", timeout_s=20)
        if site.account is None:
            yield
            return
        with world.running(INTERNET, broker(world, site.account), log=DESK_LOG, stdin=f"{site.account.key}\n"):
            until(lambda: desk.SERVING in world.log(DESK_LOG).read_text(), "the broker serves", timeout_s=20)
            yield


def tunnel_server(world: World, site: Site) -> Sequence[door.Word]:
    """The broker's end of the tunnel. It knows the client by its public address, which is in the register."""
    return [
        sys.executable, "-m", "image.lab.tunnel_server",
        "--server", str(site.tunnel_server),
        "--register", Provider(world).register.path,
        "--prefix", str(site.tunnel_client.network),
        "--prefix", str(site.routed),
        "--device", TUNNEL_DEVICE,
    ]  # fmt: skip


def broker(world: World, account: Broker) -> Sequence[door.Word]:
    """Where the broker can be told, over https: its certificate is from an authority that nobody trusts unasked.

    It reads the account's key from its standard input.
    """
    made = Provider(world)
    made.authority.parent.mkdir()
    return [
        sys.executable, "-m", "image.lab.desk",
        "--address", str(places.BROKER),
        "--certificate", certificate(authority(made.authority.parent), HOST),
        "--register", made.register.path,
        "--user", account.user, "--tunnel", str(account.tunnel),
    ]  # fmt: skip
