"""Images that are laid out as Raspberry Pi OS is, their root file system a working one, really built upon.

What the base's own first boot reads must be there afterwards, byte for byte: no one would notice before a Pi does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.model import Profile
from appliance.starting import starting_config
from image.boards import ARM64
from image.build import stages
from image.cache.keys import Keys
from image.cache.store import Store, remove
from image.cli.build import default_cache
from image.config_txt import COMMENT, DEVICE
from image.debian.fstab import PRIVATE
from image.disk import ext4_files, fat, partitions
from image.disk.layout import SECTOR_BYTES
from image.inside import namespaces
from image.recipe import Recipe
from image.run import run
from image.stage import layered
from image.stages.inspect import recognise
from tests.image import raspberry

pytestmark = pytest.mark.build

LARGE = ("boot", "usr/lib/modules", "usr/lib/firmware", "usr/share/doc")
"""Of the real root file system, what nobody reads here."""
MISSING = "dnsmasq-base"
"""The package that the bases do not have, so that one is installed."""
CONFIG_TXT = "dtparam=audio=on\n\n[cm4]\notg_mode=1\n\n[all]\nenable_uart=1\n"
OURS = {"appliance.yaml", "appliance.schema.json"}
OVERLAYS = ("disable-bt.dtbo", "dwc2.dtbo")
OVERLAY = b"\xd0\x0d\xfe\xed\r\n\0 not text, and not to be changed \xff"


@dataclass(frozen=True)
class RaspberryPiOs(raspberry.Raspberry):
    """One whose root file system works: that in the folder `source`, which is changed."""

    machine_id: str = ""
    source: Path = Path()
    profile: Profile = Profile.GATEWAY
    """What is made of it."""

    def fill_root(self, tree: Path) -> None:
        tree.symlink_to(self.source)
        texts = {
            "usr/lib/os-release": f'PRETTY_NAME="Debian"\nID=debian\nVERSION_CODENAME={self.release}\n',
            "etc/rpi-issue": "Raspberry Pi reference 2025-05-13\nGenerated using pi-gen, stage2\n",
            "etc/fstab": raspberry.FSTAB.format(mount=self.boot_mount),
        }
        for name, text in texts.items():
            (tree / name).write_text(text)
        (tree / "etc/machine-id").unlink()
        (tree / "etc/machine-id").write_text(self.machine_id)
        (tree / self.boot_mount).mkdir(parents=True, exist_ok=True)


BASES = {
    "bookworm": RaspberryPiOs(
        release="bookworm",
        boot_start=8192,
        cmdline=raspberry.BOOKWORM.cmdline,
        boot_files={
            "config.txt": CONFIG_TXT,
            "custom.toml": 'config_version = 1\n\n[system]\nhostname = "mine"\n\n[ssh]\nenabled = true\n',
            "issue.txt": "Raspberry Pi reference 2024-11-19\n",
        },
    ),
    "trixie": RaspberryPiOs(
        boot_files={
            "config.txt": CONFIG_TXT,
            "user-data": "#cloud-config\nhostname: mine\nenable_ssh: true\n",
            "meta-data": "instance-id: rpios-image\n",
            "network-config": "network:\n  version: 2\n",
        },
        machine_id="uninitialized\n",
        profile=Profile.GADGET,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Gigabytes, gone afterwards."""
    made = tmp_path_factory.mktemp("raspberry-pi-os")
    yield made
    namespaces.inside(lambda: remove(made))


@pytest.fixture(scope="module")
def bases(gateway_image: Path, folder: Path) -> dict[str, Path]:
    """Both bases, made of the `debian` base's root file system, which is in the cache."""
    store = Store(default_cache())
    recipe = Recipe(config=starting_config(Profile.GATEWAY, {}).encode())
    roots = Keys(stages(recipe, store), recipe, store).roots("daemon")

    def make() -> None:
        with store.workplace() as place, layered(store, roots, place) as root:
            make_smaller(root)
            for release, base in BASES.items():
                (folder / release).mkdir()
                add_folder(replace(base, source=root).make(folder / release), base)
                (folder / release / "p2").unlink()

    with store.locked(lambda: None):
        namespaces.inside(make)
    return {release: folder / release / "raspios.img" for release in BASES}


def make_smaller(root: Path) -> None:
    """Take out what is large, and one package, dpkg's knowledge of it included."""
    for name in LARGE:
        shutil.rmtree(root / name)
    info = root / "var/lib/dpkg/info"
    for name in (info / f"{MISSING}.list").read_text().split():
        if (root / name[1:]).is_file():
            (root / name[1:]).unlink()
    for file in info.glob(f"{MISSING}.*"):
        file.unlink()
    status = root / "var/lib/dpkg/status"
    packages = status.read_text().split("\n\n")
    others = [package for package in packages if not package.startswith(f"Package: {MISSING}\n")]
    assert len(others) == len(packages) - 1
    status.write_text("\n\n".join(others))


def add_folder(image: Path, base: RaspberryPiOs) -> None:
    """A folder on the FAT partition, with files that are not text."""
    partition = f"{image}@@{base.boot_start * SECTOR_BYTES}"
    run(["mmd", "-i", partition, "::overlays"])
    for name in OVERLAYS:
        (image.parent / name).write_bytes(OVERLAY)
        run(["mcopy", "-i", partition, image.parent / name, "::overlays"])


@dataclass(frozen=True)
class Built:
    base: Path
    image: Path
    profile: Profile


@pytest.fixture(scope="module", params=BASES)
def built(request: pytest.FixtureRequest, bases: dict[str, Path], folder: Path) -> Built:
    """A base, and what the real build makes of it."""
    base, output = bases[request.param], folder / f"{request.param}-out"
    program: list[str | Path] = [sys.executable, "-m", "appliance", "build"]
    profile = BASES[request.param].profile
    argv = [*program, "--profile", profile, "--base", base, "--cache", folder / "cache", "-o", output, "--format=img"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [image] = output.glob("*.img")
    return Built(base, image, profile)


def boot_files(image: Path, into: Path) -> dict[str, bytes]:
    fat.read(image, partitions.read_table(image).boot_start * SECTOR_BYTES, into)
    return {str(file.relative_to(into)): file.read_bytes() for file in into.rglob("*") if file.is_file()}


def test_the_boot_partition_is_the_bases_and_our_configuration(built: Built, tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    before, after = boot_files(built.base, tmp_path / "before"), boot_files(built.image, tmp_path / "after")
    assert {before[f"overlays/{name}"] for name in OVERLAYS} == {OVERLAY}
    assert {"cmdline.txt", "config.txt"} <= before.keys()
    if built.profile is Profile.GADGET:
        before["config.txt"] += f"{COMMENT}\n{DEVICE}\n".encode()
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() == OURS
    assert after["appliance.yaml"] == starting_config(built.profile, {}).encode()


def test_the_partitions_are_where_they_were(built: Built) -> None:
    before, after = partitions.table(built.base), partitions.table(built.image)
    assert (after["label"], after["id"]) == (before["label"], before["id"]) == ("dos", "0x4e2bb2ac")
    (first, second), (old_first, old_second) = after["partitions"], before["partitions"]
    for new, old in ((first, old_first), (second, old_second)):
        assert (new["start"], new["type"]) == (old["start"], old["type"])
    assert first["size"] == old_first["size"]
    assert second["size"] >= old_second["size"]


def test_it_is_still_recognised_as_the_same(built: Built) -> None:
    """The ids of both file systems, and how its first boot is done."""
    assert recognise(built.image, ARM64) == recognise(built.base, ARM64)


def test_the_root_is_the_bases_and_what_is_ours(built: Built) -> None:
    with opened(built.base) as before, opened(built.image) as after:
        for name in ("/etc/machine-id", "/etc/rpi-issue", "/etc/os-release"):
            assert after.text(name) == before.text(name), name
        assert after.text("/etc/fstab").replace(f",{PRIVATE}", "", 1) == before.text("/etc/fstab")
        assert PRIVATE in after.text("/etc/fstab")
        accounts, old_accounts = (set(root.text("/etc/shadow").splitlines()) for root in (after, before))
        assert old_accounts <= accounts
        assert all(account.split(":")[1].startswith("!") for account in accounts - old_accounts), "a package's, locked"
        release = recognise(built.base, ARM64).release
        assert before.text("/etc/machine-id") == BASES[release].machine_id
        assert f"\nPackage: {MISSING}\n" not in before.text("/var/lib/dpkg/status")
        assert f"\nPackage: {MISSING}\nStatus: install ok installed\n" in after.text("/var/lib/dpkg/status")
        assert after.text("/usr/lib/systemd/system/appliance.service")
        assert after.text("/usr/lib/appliance/firstboot/daemon.py")


def opened(image: Path) -> AbstractContextManager[ext4_files.FileSystem]:
    return ext4_files.opened(image, partitions.read_table(image).root_start * SECTOR_BYTES)
