"""The real image for the Zero: what it is made of, what does not get in, and what an update leaves as it is."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import InputError, PermanentError
from appliance.model import Profile
from appliance.starting import starting_config
from image.boards import ARMV6
from image.build import stages
from image.cache.keys import Keys
from image.cache.store import Store, remove
from image.cli.build import default_cache
from image.config_txt import DEVICE
from image.debian import apt, dpkg, sources
from image.disk import ext4_files, fat
from image.disk.layout import DEBIAN, SECTOR_BYTES
from image.inside import chroot, emulation, namespaces
from image.inside.elf import Floats
from image.recipe import SUITE, Recipe
from image.stage import layered
from image.stages import guard, usb_device
from tests.image.contents import contents

pytestmark = pytest.mark.build

HOOK = "etc/kernel/postinst.d/z50-raspi-firmware"
# Statically linked, so that nothing but its own instructions can keep it from running.
ARMHF_PACKAGE, ARMHF_PROGRAM = "busybox-static", "/usr/bin/busybox"
ARMHF_SUITES = (SUITE, "bookworm")


@pytest.fixture(scope="module")
def boot(zero_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is on the FAT partition."""
    folder = tmp_path_factory.mktemp("boot")
    fat.read(zero_image, DEBIAN.boot_start * SECTOR_BYTES, folder)
    return folder


def test_it_boots_an_arm_kernel_with_the_zeros_device_trees(boot: Path) -> None:
    config = dict(re.findall(r"^(kernel|initramfs)[= ](\S+)$", (boot / "config.txt").read_text(), re.MULTILINE))
    assert (boot / config["kernel"]).read_bytes()[0x24:0x28] == b"\x18\x28\x6f\x01", "see the kernel's arm/booting.rst"
    assert (boot / config["initramfs"]).stat().st_size > 10_000_000
    assert "arm_64bit" not in (boot / "config.txt").read_text()
    for board in ("bcm2835-rpi-zero", "bcm2835-rpi-zero-w"):
        assert (boot / f"{board}.dtb").is_file()


@pytest.mark.parametrize("image", ["zero_image", "gadget_image"])
def test_the_port_is_a_devices(image: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    fat.read(request.getfixturevalue(image), DEBIAN.boot_start * SECTOR_BYTES, tmp_path)
    lines = (tmp_path / "config.txt").read_text().splitlines()
    assert (lines.count(DEVICE), lines[-1]) == (1, DEVICE)
    assert (tmp_path / usb_device.OVERLAY).is_file()


def test_a_gateways_port_stays_what_it_is(gateway_image: Path, tmp_path: Path) -> None:
    fat.read(gateway_image, DEBIAN.boot_start * SECTOR_BYTES, tmp_path)
    assert "dwc2" not in (tmp_path / "config.txt").read_text()
    assert not (tmp_path / usb_device.OVERLAY).exists()


def test_every_package_is_armels_and_the_radio_has_its_firmware(zero_image: Path) -> None:
    with ext4_files.opened(zero_image, DEBIAN.root_start * SECTOR_BYTES) as root:
        status = root.text("/var/lib/dpkg/status")
    assert set(re.findall(r"^Architecture: (.*)$", status, re.MULTILINE)) == {"armel", "all"}
    nodes = contents(zero_image)
    firmware = "/usr/lib/firmware/brcm/brcmfmac43430-sdio"  # what the driver asks for on a Zero W
    assert nodes[f"{firmware}.raspberrypi,model-zero-w.txt"].target
    assert nodes[str((Path(firmware).parent / nodes[f"{firmware}.bin"].target).resolve())].size > 100_000


def with_root(look: Callable[[Path], None]) -> None:
    """Call a function with the root file system of the image; what it changes is thrown away."""
    store = Store(default_cache())
    config = starting_config(Profile.GADGET, {}).encode()
    recipe = Recipe(profile=Profile.GADGET, board="zero", config=config)
    roots = Keys(stages(recipe, store), recipe, store).roots("guard")

    def inside() -> None:
        emulation.enable(ARMV6.machine)
        with store.workplace() as place, layered(store, roots, place) as root:
            look(root)

    with store.locked(lambda: None):
        namespaces.inside(inside)


def test_an_update_of_the_kernel_keeps_the_port(zero_image: Path, tmp_path: Path) -> None:
    """Debian's own hook, run as such an update runs it, writes a new config.txt."""

    def update(root: Path) -> None:
        config = root / "boot/firmware/config.txt"
        config.write_text("what was there before\n")
        with chroot.entered(root, tmp_path / "log", ARMV6.environment) as system:
            system.run("DEB_MAINT_PARAMS=configure", f"/{HOOK}")
        lines = config.read_text().splitlines()
        assert "what was there before" not in lines
        assert (lines.count(DEVICE), lines[-1]) == (1, DEVICE)
        assert (root / "boot/firmware" / usb_device.OVERLAY).is_file()

    with_root(update)


@pytest.fixture(scope="module")
def armhf_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of Debian's own, for ARMv7, of any release that the mirror has whole."""
    trouble = []
    for suite in ARMHF_SUITES:
        try:
            return fetched(tmp_path_factory.mktemp("armhf"), suite)
        except PermanentError as error:
            trouble.append(f"{suite}: {error.message}")
    pytest.skip("the mirror's lists of armhf packages do not fit its signatures\n" + "\n".join(trouble))


def fetched(folder: Path, suite: str) -> Path:
    """The package, from the release itself: its updates and security archives may be newer, and missing."""
    for name in ("index/etc/apt/sources.list.d", "archives", "apt"):
        (folder / name).mkdir(parents=True)
    source = replace(sources.host_sources(suite)[0], suites=(suite,))
    (folder / "index/etc/apt/sources.list.d/debian.sources").write_text(sources.deb822([source]))
    (folder / "status").touch()
    archive = apt.Apt(folder / "index", folder / "archives", folder / "status", ("armhf",), folder / "log")
    archive.update()
    return next(file for file in archive.download([ARMHF_PACKAGE]) if file.name.startswith(f"{ARMHF_PACKAGE}_"))


def test_a_program_for_armv7_is_refused(zero_image: Path, armhf_package: Path, tmp_path: Path) -> None:
    """As if a package of Debian's armhf had got among the packages; without it, all of the image passes."""

    def look(root: Path) -> None:
        began = time.monotonic()
        guard.check(root, Floats.SOFT)
        assert time.monotonic() - began < 60
        with chroot.entered(root, tmp_path / "log", ARMV6.environment) as system:
            dpkg.unpack([armhf_package], system)
        guard.check(root, Floats.SOFT)

    with pytest.raises(InputError) as caught:
        with_root(look)
    said = f"  {ARMHF_PROGRAM} (package {ARMHF_PACKAGE}): it is compiled for ARMv7 with Thumb-2"
    assert caught.value.message.splitlines()[1:] == [said]


def test_the_guard_says_what_the_processor_would(zero_image: Path, armhf_package: Path, tmp_path: Path) -> None:
    """What packages call while they are configured runs as on an ARM1176, which does not know the refused program."""

    def start(root: Path) -> None:
        with chroot.entered(root, tmp_path / "log", {}) as system:
            dpkg.unpack([armhf_package], system)
            assert system.run("uname", "-m").strip() == "armv7l"
            assert system.run(ARMHF_PROGRAM, "echo", "runs").strip() == "runs"
        with chroot.entered(root, tmp_path / "log", ARMV6.environment) as system:
            assert system.run("uname", "-m").strip() == "armv6l"
            system.run(ARMHF_PROGRAM, "echo", "runs")

    with pytest.raises(PermanentError, match=f"{ARMHF_PROGRAM} echo runs (was ended by signal|failed)") as caught:
        with_root(start)
    assert "llegal instruction" in caught.value.message


def test_our_own_image_is_a_base_and_stays_as_it_is(zero_image: Path, tmp_path: Path) -> None:
    cache, output = tmp_path / "cache", tmp_path / "out"
    argv = ["build", "--profile", "gadget", "--board", "zero", "--base", str(zero_image)]
    argv += ["--cache", str(cache), "-o", str(output)]
    try:
        done = subprocess.run([sys.executable, "-m", "appliance", *argv], capture_output=True, text=True, check=False)
        if apt.OUT_OF_SYNC in done.stderr:
            pytest.skip(f"the mirror's lists of armel packages do not fit its signatures: {done.stderr}")
        assert done.returncode == 0, done.stderr
        before, after = contents(zero_image), contents(output / zero_image.name)
        assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
        for image, name in ((zero_image, "before"), (output / zero_image.name, "after")):
            (tmp_path / name).mkdir()
            fat.read(image, DEBIAN.boot_start * SECTOR_BYTES, tmp_path / name)
        first, second = (tmp_path / name / "config.txt" for name in ("before", "after"))
        assert first.read_bytes() == second.read_bytes()
    finally:
        namespaces.inside(lambda: remove(cache))


def test_for_the_zero_only_and_the_zero_only_that(zero_image: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "appliance", "build", "--base", str(zero_image), "--board", "4"]
    argv += ["--cache", str(tmp_path / "cache"), "-o", str(tmp_path / "out")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the base is debian armel; the board needs debian arm64" in done.stderr
