"""Whether this version can do what appliance.yaml asks for."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.errors import PermanentError
from appliance.model import Appliance, Profile
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec


class Supported(Remark):
    """What this version does not do."""

    name = "profile"
    setting = "profile"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `PermanentError` for what this version does not do."""
        if appliance.profile is Profile.CUSTOM:
            raise PermanentError(
                f"the profile {appliance.profile} is not in this version", hint="gateway and gadget are"
            )
        return ()
