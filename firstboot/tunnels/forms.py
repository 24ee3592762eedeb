"""The forms of tunnel that there are."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.model import KnownTunnel, TunnelForm
from firstboot.tunnels.form import Form
from firstboot.tunnels.six_in_four import SixInFour
from firstboot.tunnels.six_rd import SixRd

FORMS: Mapping[TunnelForm, Form] = {TunnelForm.SIX_IN_FOUR: SixInFour(), TunnelForm.SIX_RD: SixRd()}


def form_of(tunnel: KnownTunnel) -> Form:
    """What is special to the form that a tunnel has."""
    return FORMS[tunnel.kind]
