"""Whether the networks on the cable are the cable's alone: what the user chose, only the user can change."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import TemporaryError
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec
from firstboot.sharing import overlapping


class Overlap(Remark):
    """Another network of the Pi's that has the cable's addresses."""

    name = "overlap"
    title = "the USB cable's addresses"
    setting = "gadget.network"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `TemporaryError` for another network of the same addresses."""
        if (other := overlapping(appliance, facts)) is not None:
            raise TemporaryError(
                f"gadget.network overlaps {other}, which the Pi is on as well: the laptop is given no way out",
                hint="another network, or auto",
            )
        return ()
