"""The lab of a gateway: everything around the Pi, running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.model import Appliance
from image.lab import topology
from image.lab.client import Client
from image.lab.outside import Outside
from image.lab.provider import Provider
from image.lab.services import services
from image.lab.site import Site, site_of
from image.lab.world import World, world


@dataclass(frozen=True)
class Lab:
    """A running lab: two hosts on the LAN, and the Internet. The Pi is whatever uses `cards` in the world."""

    world: World
    site: Site

    @property
    def client(self) -> Client:
        """An ordinary host on the LAN."""
        return Client(self.world, topology.CLIENT)

    @property
    def web(self) -> Client:
        """The host on the LAN that others may reach."""
        return Client(self.world, topology.WEB)

    @property
    def outside(self) -> Outside:
        """The Internet."""
        return Outside(self.world)

    @property
    def provider(self) -> Provider:
        """The tunnel's."""
        return Provider(self.world)

    @property
    def cards(self) -> tuple[str, ...]:
        """The TAP devices for the Pi's network cards, in the namespace `cables.WIRES`."""
        return topology.cards(self.site)


@contextmanager
def gateway_lab(appliance: Appliance, logs: Path) -> Iterator[Lab]:
    """The lab around a gateway with this configuration, while the block runs; logs are kept in that folder."""
    site = site_of(appliance)
    with world(logs) as made:
        topology.lay(made, site)
        with services(made, site):
            yield Lab(made, site)
