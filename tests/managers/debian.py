"""A Debian that is booted, by its own systemd, in namespaces: with three uplinks, and a DHCP server at each."""

from __future__ import annotations

import subprocess
from pathlib import Path

from image.lab.waiting import until

BOOT = """
mount --bind {root} {root}
cd {root}
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
    set -- $device
    mknod -m 666 dev/$1 c $2 $3
done
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p run/outside
pivot_root . run/outside
umount -l run/outside
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console
"""
"""What a container manager does (systemd.io/CONTAINER_INTERFACE): the console is a file, the network is its own."""


class Debian:
    """A booted machine; `run` is a program in it."""

    def __init__(self, root: Path, log: Path) -> None:
        self._log = log.open("wb")
        apart = ["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child=KILL"]
        self._process = subprocess.Popen(
            [*apart, "sh", "-ec", BOOT.format(root=root)], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
        )

    @property
    def pid(self) -> int:
        """The first process's, as the outside knows it."""
        [child] = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return int(child)

    def ask(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, to its end."""
        inside = ["nsenter", "--target", str(self.pid), "--all", "--root", "--wd", "--"]
        return subprocess.run([*inside, *argv], capture_output=True, text=True, check=False, timeout=60)

    def run(self, *argv: str) -> str:
        """What a program in it prints; it must not fail."""
        done = self.ask(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def wait(self) -> None:
        """Until it has booted."""
        until(self._is_up, "systemd has started everything", timeout_s=90, every_s=0.5)

    def _is_up(self) -> bool:
        try:
            return self.ask("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
        except ValueError:
            return False

    def close(self) -> None:
        """Cut the power."""
        self._process.kill()
        self._process.wait()
        self._log.close()
