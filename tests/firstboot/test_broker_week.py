"""A week with 500 changes of address: how often the strict broker is told, and how soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.model import Appliance
from image.lab.broker import WINDOW_S
from tests.figures import Figure
from tests.firstboot.broker_week import CHANGES, GLANCE_S, a_week


@pytest.mark.parametrize("nat", [False, True])
def test_a_week(nat: bool, gateway: Appliance, tmp_path: Path, figure: Figure) -> None:
    week = a_week(gateway, tmp_path, nat=nat)
    gaps = [later.at_s - call.at_s for call, later in zip(week.calls, week.calls[1:], strict=False)]
    assert week.changes >= CHANGES
    assert set(week.words) <= {"good", "nochg"}
    assert min(gaps) >= WINDOW_S
    assert week.is_right
    assert max(week.late_s) <= WINDOW_S + GLANCE_S if not nat else max(week.late_s) < 3600
    # Behind NAT nobody here knows whether the address is another one: the cable was out, or the tunnel is silent.
    assert len(week.calls) - week.needless <= week.changes + 1
    assert week.needless <= (0.1 * CHANGES if nat else week.unheard)
    figure(f"the broker, a week {'behind NAT' if nat else 'with a public address'}, {week.told()}")
