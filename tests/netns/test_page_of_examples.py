"""The status page of the documentation's examples, as a real browser shows it to whoever looks."""

from __future__ import annotations

import os

import pytest

from tests.docs import states
from tests.netns.test_status_page import PICTURES, SERIOUS, VIEWS, WELL, shown
from tests.page.opened import open_page

pytestmark = pytest.mark.netns

PAGES = {
    "gateway": (states.gateway(), WELL, "Tunnel"),
    "gateway-blocked": (states.gateway(states.blocked()), "Protocol 41", "Tunnel"),
    "gadget": (states.gadget(), WELL, "Wi-Fi"),
}
"""By what it is: the status, how the first line begins, and what one of its cards is about."""


@pytest.mark.parametrize("name", PAGES)
def test_it_is_readable_by_everybody(name: str) -> None:
    status, first, card = PAGES[name]
    if os.geteuid() != 0:
        pytest.skip("network namespaces of a thread need root")
    with open_page(status) as (browser, url):
        for view in VIEWS:
            browser.show(url, view)
            assert shown(browser, "h1").startswith(first)
            assert card in shown(browser, ".cards")
            assert int(browser.evaluate("document.documentElement.scrollWidth")) <= view.width
            browser.picture(PICTURES / f"{name}-{view}.png")
            if view.scripts:
                assert not [each for each in browser.violations() if each["impact"] in SERIOUS]
        assert not browser.complaints
