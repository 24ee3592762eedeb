"""The home router gives out addresses where the appliance does not, and the Pi's own where that asks for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from appliance.model import Appliance
from image.lab.cables import CARD_MAC, NIC, ip
from image.lab.gateway import gateway_lab
from image.lab.topology import WEB

pytestmark = pytest.mark.netns


def test_on_a_lan_that_the_pi_does_not_serve(appliance: Appliance, tmp_path: Path) -> None:
    assert appliance.lan is not None
    alone = replace(appliance, lan=replace(appliance.lan, dhcp4=None))
    with gateway_lab(alone, tmp_path) as lab:
        lease = lab.client.dhcp_lease()
        assert lease.routers == (lab.site.router,)
        assert lease.dns == lab.site.resolvers[:1]
        assert lease.address.network == lab.site.lan
        ip(lab.world, WEB, "link", "set", NIC, "address", CARD_MAC)
        assert lab.web.dhcp_lease().address == lab.site.pi_uplink
