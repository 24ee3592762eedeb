"""What the provider says that its tunnel is, where there is nothing else that could."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.completion import completion_of
from appliance.errors import PermanentError, TemporaryError
from appliance.model import Appliance, TunnelForm
from firstboot.facts import Facts
from firstboot.kind import Remark
from firstboot.plan import Spec
from firstboot.tunnels.said import said_of


class ProvidersTunnel(Remark):
    """The provider's 6rd domain. Until it is known there is no tunnel, and the LAN has its IPv4 alone."""

    name = "6rd"
    title = "what the provider says of 6rd"
    setting = "tunnel.kind"

    def desired(self, appliance: Appliance, facts: Facts) -> Sequence[Spec]:
        """Nothing, once the tunnel is known. Raises what it lacks, or what of it does not go with the file."""
        ranks = (rank for rank, tunnel in enumerate(appliance.tunnels) if tunnel.kind is TunnelForm.SIX_RD)
        rank = next(ranks, None)
        if rank is None or appliance.tunnels[rank].known is not None:
            return ()
        for finding in completion_of(appliance, rank, said_of(appliance, facts)[rank]).wrong:
            message = f"as the provider has the tunnel, {finding.message}"
            raise PermanentError(message, hint=finding.allowed, setting=finding.path)
        told = facts.six_rd
        if told is None or not told.trouble:
            hint = "it is asked (DHCP) once the uplink has an address"
            raise TemporaryError("the provider has not yet said what the tunnel is", hint=hint)
        hint = "does the provider have 6rd? Its DHCP server must be the uplink's own, with no other router in between"
        raise TemporaryError(told.trouble, hint=hint)
