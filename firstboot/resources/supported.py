"""Whether this version can do what appliance.yaml asks for."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import PermanentError
from appliance.model import Appliance, Profile
from firstboot.actions import Action
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.plan import Change, Spec


class Supported(Kind[Spec]):
    """Nothing is there and nothing is done: only said."""

    name = "profile"
    setting = "profile"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `PermanentError` for what this version does not do."""
        if appliance.profile is Profile.CUSTOM:
            raise PermanentError(
                f"the profile {appliance.profile} is not in this version", hint="gateway and gadget are"
            )
        return ()

    def observe(self, machine: Machine, wanted: Sequence[Spec]) -> Sequence[Spec]:
        """Nothing."""
        return ()

    def actions(self, change: Change[Spec]) -> Sequence[Action]:
        """Nothing."""
        return ()
