"""The USB gadget: what the laptop sees on the cable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot.actions import Action, RemoveGadget, ShowGadget
from firstboot.facts import Facts
from firstboot.gadget.configfs import normal
from firstboot.gadget.layout import Layout
from firstboot.kind import Kind, Machine
from firstboot.plan import Change
from firstboot.rendered.gadget import layout_of

_DIGITS = 8


@dataclass(frozen=True)
class UsbGadget:
    """A gadget: a digest of all that the host sees of it, and whether it is shown to it."""

    layout: str
    bound: bool
    tree: Layout | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        """There is one."""
        return "the USB gadget"


class Gadget(Kind[UsbGadget]):
    """The gadget in configfs, owned by its name. It is taken away from the laptop only when it shall be another one."""

    name = "gadget"
    title = "the USB gadget"
    setting = "gadget"
    takes_leave = True

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[UsbGadget]:
        """The functions of the configuration, with this Pi's addresses."""
        tree = layout_of(appliance, facts)
        if tree is None:
            return ()
        files = {path: normal(value) for path, value in tree.files.items()}
        return (UsbGadget(_digest(files, tree.links), True, tree),)

    def observe(self, machine: Machine, wanted: Sequence[UsbGadget]) -> Sequence[UsbGadget]:
        """The gadget of our name. Raises `TemporaryError` where one is wanted that could be shown to nobody."""
        if wanted and not machine.controllers():
            raise TemporaryError(
                "this Pi has no USB device controller",
                hint="config.txt needs the line dtoverlay=dwc2,dr_mode=peripheral under [all]; the cable goes into a "
                "Pi Zero's port marked USB, or a Pi 4's or 5's USB-C port",
            )
        found = machine.gadget([path for spec in wanted if spec.tree for path in spec.tree.files])
        if found is None:
            return ()
        return (UsbGadget(_digest(found.files, found.links), bool(found.controller)),)

    def actions(self, change: Change[UsbGadget]) -> Sequence[Action]:
        """Make it, show it, or take it away."""
        return [ShowGadget(change.want.tree)] if change.want and change.want.tree else [RemoveGadget()]


def _digest(files: Mapping[str, str], links: Collection[tuple[str, str]]) -> str:
    return sha256(repr((sorted(files.items()), sorted(links))).encode()).hexdigest()[:_DIGITS]
