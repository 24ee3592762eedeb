"""Which machine a card is booted on, and what is around that."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from appliance.errors import InputError
from appliance.model import Appliance, Profile
from image.cache.store import Store
from image.events import Events
from image.lab.machine import RASPI0, RASPI3B, VIRT, Machine
from image.lab.session.gadget_scene import gadget_scene
from image.lab.session.gateway_scene import gateway_scene
from image.lab.session.scene import Scene
from image.lab.tools import tools_drive

MACHINES = {machine.name: machine for machine in (VIRT, RASPI3B, RASPI0)}


def machine_of(chosen: str | None, *, is_32_bit: bool) -> Machine:
    """The machine for a kernel, where the user has not chosen one. InputError if it does not run that kernel."""
    name = chosen or (RASPI0.name if is_32_bit else VIRT.name)
    if is_32_bit != (name == RASPI0.name):
        bits = 32 if is_32_bit else 64
        raise InputError(f"the image's kernel is of {bits} bits, and {name} is not", hint="leave --machine out")
    return MACHINES[name]


def scene_around(appliance: Appliance, machine: Machine, logs: Path, cache: Path) -> AbstractContextManager[Scene]:
    """The scene for a configuration. A laptop takes the tools drive, which is made here where it is not yet."""
    if appliance.profile is Profile.GATEWAY:
        return gateway_scene(appliance, logs)
    if appliance.profile is Profile.GADGET:
        tools = tools_drive(Store(cache), Events()) if machine is VIRT else None
        return gadget_scene(appliance, logs, tools)
    raise InputError(f"the lab cannot play the profile {appliance.profile}", hint="it plays gateway and gadget")
