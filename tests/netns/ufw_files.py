"""ufw's files as they are in the image, and its lock, for the ufw of a namespace."""

from __future__ import annotations

import shutil
from pathlib import Path

from firstboot.rendered.ufw import after_init
from tests.netns.namespace import Namespace

ROOT = Path(__file__).parent.parent.parent


def own_lock(namespace: Namespace) -> None:
    """Its ufw waits for nobody else's, nor does its daemon."""
    made = "lock=$(mktemp); touch /run/ufw.lock; mount --bind $lock /run/ufw.lock; rm $lock"
    namespace.program("sh", "-ec", made)


def own_ufw_files(router: Namespace, folder: Path) -> None:
    """The package's, the overlay's over them, and what the daemon has ufw run; what is written stays in the folder."""
    (folder / "ufw" / "applications.d").mkdir(parents=True)
    for name in ("before.rules", "before6.rules", "after.rules", "after6.rules"):
        shutil.copy(Path("/usr/share/ufw/iptables") / name, folder / "ufw" / name)
    shutil.copytree(ROOT / "overlays" / "base" / "etc" / "ufw", folder / "ufw", dirs_exist_ok=True)
    after = after_init()
    assert after.content is not None and after.mode is not None
    (folder / "ufw" / after.path.name).write_bytes(after.content)
    (folder / "ufw" / after.path.name).chmod(after.mode)
    own_lock(router)
    router.program("mount", "--bind", str(folder / "ufw"), "/etc/ufw")
    router.program("mount", "--bind", str(ROOT / "overlays" / "base" / "etc" / "default" / "ufw"), "/etc/default/ufw")
