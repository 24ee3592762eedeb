"""A pytest plugin: which tests may run beside which, where there are several processes for them.

Most of a test's time is spent waiting, so three run at a time. What shares a machine that was booted once stays
together.
"""

from __future__ import annotations

from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SHARED_MACHINE = "test_gadget"
"""The files of machines of this beginning share one."""
NAMESPACES = ("appliance", "firstboot", "lab", "netns")
"""The folders of what needs nothing but namespaces, if that. The others build images, or root file systems, and one
of them looks whether anything is mounted when it is over.
"""
LONGEST_FIRST = (
    "builds",
    "namespaces",
    SHARED_MACHINE,
    "test_recovery.py",
    "test_gateway.py",
    "test_tunnel_broker.py",
    "test_tunnel_health.py",
    "test_wifi.py",
    "test_raspi3b.py",
)
"""So that nobody waits for the last one for long."""


def group(nodeid: str) -> str:
    """What stays in one process with this test."""
    path = PurePath(nodeid.partition("::")[0])
    folder = path.parts[1]
    if folder == "vm":
        return SHARED_MACHINE if path.name.startswith(SHARED_MACHINE) else path.name
    return "namespaces" if folder in NAMESPACES else "builds"


class _ByMachine(LoadScopeScheduling):  # type: ignore[misc]
    """Each file of machines by itself, and the others in two groups."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = [scope for scope in LONGEST_FIRST if scope in self.workqueue]
        if waiting:
            self.workqueue.move_to_end(waiting[0], last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Not by pytest-xdist's own groups: they do nothing with pytest 9.2, where a test's name cannot be changed."""
    return _ByMachine(config, log)
