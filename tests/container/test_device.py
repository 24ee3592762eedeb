"""The image's own Python, on the image's own root: what is installed there fits together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.conftest import Device

pytestmark = pytest.mark.container

EXAMPLES = Path(__file__).parents[1] / "appliance" / "examples"
PYTHON = ["/usr/bin/python3", "-I", "-c"]
OURS = "import sys; sys.path.insert(0, '/usr/lib/appliance')\n"
IMPORT_ALL = """
import importlib, pkgutil, firstboot
names = [found.name for found in pkgutil.walk_packages(firstboot.__path__, "firstboot.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
WHERE = """
import dbus_next, jinja2, pyroute2, pyudev, yaml
for library in dbus_next, jinja2, pyroute2, pyudev, yaml:
    print(library.__file__)
"""
RENDER = """
from pathlib import Path
from appliance import parse
from firstboot.facts import Facts
from firstboot.rendered import dnsmasq
import sys
[_, made] = dnsmasq.files(parse.parse_text(sys.stdin.buffer.read(), "appliance.yaml").appliance, Facts())
Path("/tmp/dnsmasq.conf").write_bytes(made.content)
"""


def config(name: str = "gateway.yaml") -> str:
    return (EXAMPLES / name).read_text()


def test_is_the_image(device: Device) -> None:
    assert device.run(["/usr/bin/uname", "-m"]).output.strip() == "aarch64"
    assert "trixie" in device.run(["/usr/bin/cat", "/etc/os-release"]).output


def test_daemon_imports(device: Device) -> None:
    """Every module of it, with the distribution's own libraries."""
    answer = device.run([*PYTHON, OURS + IMPORT_ALL])
    assert answer.code == 0, answer.output
    assert int(answer.output) > 20


def test_libraries_are_the_distributions(device: Device) -> None:
    answer = device.run([*PYTHON, WHERE])
    assert answer.code == 0, answer.output
    assert all(line.startswith("/usr/lib/python3/dist-packages/") for line in answer.output.splitlines())


def test_an_import_that_fails_is_seen(device: Device) -> None:
    answer = device.run([*PYTHON, "import firstboot"])  # without our folder on the path
    assert answer.code == 1
    assert "ModuleNotFoundError" in answer.output


def test_check_accepts(device: Device) -> None:
    answer = device.run(["/usr/bin/appliance", "check", "/dev/stdin"], stdin=config())
    assert answer.code == 0, answer.output


def test_check_refuses(device: Device) -> None:
    broken = config().replace("192.168.1.252/24", "192.168.1.999/24")
    line = next(at for at, text in enumerate(broken.splitlines(), 1) if ".999" in text)
    answer = device.run(["/usr/bin/appliance", "check", "/dev/stdin"], stdin=broken)
    assert answer.code == 2
    assert f"/dev/stdin:{line}:" in answer.output
    assert "Traceback" not in answer.output


def test_dnsmasq_accepts_its_configuration(device: Device) -> None:
    answer = device.run([*PYTHON, OURS + RENDER], stdin=config())
    assert answer.code == 0, answer.output
    answer = device.run(["/usr/sbin/dnsmasq", "--test", "--conf-file=/tmp/dnsmasq.conf"])
    assert answer.code == 0, answer.output
    device.run(["/usr/bin/sed", "-i", "s/^enable-ra/enable-raa/", "/tmp/dnsmasq.conf"])
    assert device.run(["/usr/sbin/dnsmasq", "--test", "--conf-file=/tmp/dnsmasq.conf"]).code != 0
