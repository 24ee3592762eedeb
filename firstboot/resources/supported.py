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
    setting = "uplinks"
    profiles = frozenset(Profile)

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Raises `PermanentError` for what this version does not do."""
        if appliance.uplinks:
            raise PermanentError("uplinks are not in this version", hint="uplink, for one of them, is")
        return ()
