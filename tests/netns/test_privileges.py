"""A daemon that may not do its work says so once, in a person's words, and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import TemporaryError
from firstboot.privileges import NotAllowedError, listening, require
from tests.firstboot.conftest import EXAMPLES

pytestmark = pytest.mark.netns

WITHOUT = "setpriv --bounding-set=-{0} --inh-caps=-{0}"
"""As a container or a unit that has not got it."""

LACKS = "the daemon may not change the network: it lacks "


def daemon(folder: Path, around: str, *, custom: bool) -> subprocess.CompletedProcess[str]:
    """The daemon as systemd starts it, in a network of its own; no bus, so it ends in any case."""
    (folder / "appliance.yaml").write_bytes((EXAMPLES / "policies.yaml").read_bytes())
    words = [
        *around.split(),
        sys.executable,
        "-m",
        "appliance",
        "daemon",
        *(["--custom", str(folder)] if custom else []),
    ]
    without_bus = ["unshare", "--net", "--mount", "sh", "-ec", 'mount -t tmpfs tmpfs /run; exec "$@"', "sh"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "APPLIANCE_TRACEBACK": "1"}
    return subprocess.run(
        [*without_bus, *words], capture_output=True, text=True, check=False, timeout=60, env=environment
    )


@pytest.mark.parametrize(
    ("around", "custom", "message"),
    [
        (WITHOUT.format("net_admin"), True, LACKS + "CAP_NET_ADMIN"),
        (WITHOUT.format("net_admin"), False, LACKS + "CAP_NET_ADMIN"),
        (WITHOUT.format("net_raw"), False, LACKS + "CAP_NET_RAW"),
        ("setpriv --reuid=65534 --clear-groups", False, LACKS + "CAP_NET_ADMIN and CAP_NET_RAW"),
        ("unshare --user --map-root-user", True, "the kernel does not let the daemon listen to it (netlink): "),
    ],
)
def test_it_says_what_it_lacks(tmp_path: Path, around: str, custom: bool, message: str) -> None:
    tmp_path.chmod(0o755)
    finished = daemon(tmp_path, around, custom=custom)
    assert finished.returncode == NotAllowedError.exit_code
    error, hint = finished.stderr.splitlines()
    assert error.startswith(f"error: {message}")
    assert hint.startswith("hint: only root has it, and appliance.service grants it")
    assert finished.stdout == ""


def test_where_nobody_is_to_be_asked_nothing_more_is_needed(tmp_path: Path) -> None:
    """It then ends for another reason, for which it is to be started again."""
    finished = daemon(tmp_path, WITHOUT.format("net_raw"), custom=True)
    assert (finished.returncode, finished.stderr) == (
        1,
        "error: the system bus cannot be reached\nhint: `systemctl status dbus` says why\n",
    )


def test_the_unit_knows_the_exit_code() -> None:
    unit = Path(__file__).parents[2] / "overlays/base/usr/lib/systemd/system/appliance.service"
    assert f"\nRestartPreventExitStatus={NotAllowedError.exit_code}\n" in unit.read_text()


def test_a_kernel_that_does_not_say_is_believed_to_allow(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tappliance\n")
    require(custom=False, process=tmp_path / "status")


def test_what_may_pass_is_tried_again() -> None:
    with pytest.raises(TemporaryError, match="Cannot allocate memory"), listening():
        raise OSError(12, "Cannot allocate memory")
