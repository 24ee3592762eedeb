"""What the broker says that the tunnel is, where the file leaves that to it."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.completion import completion
from appliance.errors import PermanentError, TemporaryError
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec


class TunnelInformation(Remark):
    """What is left out in the section tunnel. Until it is known there is no tunnel, and the LAN has its IPv4 alone."""

    name = "tunnel-information"
    setting = "tunnel.broker"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Nothing, once the tunnel is known. Raises what it lacks, or what of it does not go with the file."""
        if appliance.tunnel is None or appliance.tunnel.known is not None:
            return ()
        for finding in completion(appliance, facts.broker_tunnel).wrong:
            raise PermanentError(
                f"as the broker has the tunnel, {finding.message}", hint=finding.allowed, setting=finding.path
            )
        raise TemporaryError(
            "the broker has not yet said what the tunnel is", hint="it is asked once the uplink leads somewhere"
        )
