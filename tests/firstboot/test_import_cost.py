"""Import cost is design on a Pi Zero: what the daemon loads, counted in modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs
PROJECT = Path(__file__).parents[2]


def loaded_by(statement: str, *options: str) -> set[str]:
    """The modules that a fresh interpreter has after a statement, beyond those that it starts with."""
    program = (
        f"import sys; sys.path.insert(0, {str(PROJECT)!r}); before = set(sys.modules); "
        f"{statement}; print(*(set(sys.modules) - before))"
    )
    argv = [sys.executable, *options, "-c", program]
    return set(subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split())


def test_netlink_does_not_load_all_of_pyroute2() -> None:
    modules = loaded_by("import firstboot.netlink")
    assert "pyroute2.iproute.linux" in modules
    assert not {name for name in modules if name.startswith(("pyroute2.ndb", "pyroute2.ipdb", "pyroute2.cli"))}


def test_the_daemon_loads_templates_yaml_and_http_only_when_needed() -> None:
    assert not {"jinja2", "http.client"} & loaded_by("import firstboot.daemon")


@pytest.mark.parametrize("command", ["status", "plan", "explain", "confirm", "logs"])
def test_a_command_loads_none_of_the_daemons_libraries(command: str) -> None:
    modules = loaded_by(f"import firstboot.cli.{command}")
    assert not {"pyroute2", "dbus_next", "jinja2", "pyudev", "yaml", "asyncio"} & modules


def test_the_early_unit_loads_nothing_that_the_interpreter_has_not_in_it() -> None:
    loaded = loaded_by("import firstboot.gadget.early", "-I", "-S")
    assert loaded - set(sys.builtin_module_names) == {
        "firstboot",
        "firstboot.gadget",
        *(f"firstboot.gadget.{name}" for name in ("compiled", "configfs", "early", "identity")),
    }
