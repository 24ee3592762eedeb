"""What the daemon says of the examples, on a machine in memory."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from appliance.model import Appliance
from appliance.parse import load
from firstboot.facts import Address, Route
from firstboot.health.diagnosis import Health, diagnosis
from firstboot.health.evidence import Evidence, Trace
from firstboot.kinds import KINDS
from firstboot.reconcile import Reconciler
from firstboot.resources.cable import offered
from firstboot.resources.wifi import joined_network
from firstboot.status import Source, Status
from image.recipe import PROJECT
from tests.firstboot.memory import MemoryMachine

EXAMPLES = PROJECT / "tests/appliance/examples"
ROUTER, PROVIDER = IPv4Address("192.168.1.254"), IPv4Address("203.0.113.1")


def _status(appliance: Appliance, machine: MemoryMachine) -> Status:
    """After passes of the daemon over a machine in memory: what the first one makes, somebody is plugged into."""
    for _ in range(2):
        outcomes = Reconciler(KINDS, sleep=lambda _: None).reconcile(appliance, machine)
        machine.links = {name: replace(link, carrier=True) for name, link in machine.links.items()}
    return Status(
        appliance,
        Source.FILE,
        outcomes,
        machine.facts(),
        titles={kind.name: kind.title for kind in KINDS},
        marks=load(EXAMPLES / f"{appliance.profile}.yaml").marks,
        wifi=joined_network(appliance, machine),
        cable=tuple(offered(appliance, machine)),
    )


def gateway(health: Health | None = None) -> Status:
    """Of the example, all of which is there; its tunnel may be as that says."""
    machine = MemoryMachine()
    machine.health = health or machine.health
    return _status(load(EXAMPLES / "gateway.yaml").appliance, machine)


def blocked() -> Health:
    """Routers say where echoes end, and only the first one says it of the tunnel's packets."""
    seen = Evidence(
        address=IPv4Address("192.168.1.252"),
        has_route=True,
        server_address=IPv4Address("198.51.100.100"),
        server=True,
        far_end=False,
        beyond=False,
        trace=Trace({1: ROUTER, 2: PROVIDER}, {1: ROUTER}),
    )
    return Health(carries=False, diagnosis=diagnosis(seen))


def gadget() -> Status:
    """Of the example, in reach of its wireless network, with a laptop."""
    appliance, machine = load(EXAMPLES / "gadget.yaml").appliance, MemoryMachine("wlan0")
    machine.device_controllers = ["3f980000.usb"]
    machine.air.points = {"Home": "correct horse battery staple"}
    machine.addresses = [Address("wlan0", IPv4Interface("192.168.1.57/24"))]
    machine.routes = [Route(IPv4Network("0.0.0.0/0"), "wlan0", ROUTER)]
    machine.neighbours = {("wlan0", ROUTER): True}
    return _status(appliance, machine)
