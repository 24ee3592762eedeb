"""Real builds: what is in the image, what a second build costs, and what is left when one cannot go on."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from image import documents
from image.cache.store import remove
from image.debian import sources
from image.disk import ext4_files, fat, partitions
from image.disk.layout import DEBIAN, SECTOR_BYTES
from image.inside import namespaces
from image.manual.pages import PAGES
from image.run import run
from tests.image.contents import Node, contents

pytestmark = pytest.mark.build

APPLIANCE = [sys.executable, "-m", "appliance"]
CONFIG = (Path(__file__).parent.parent / "appliance/examples/gateway.yaml").read_text()
CHANGED = CONFIG.replace("hostname: ipv6gw", "hostname: other")
IMAGE = ["boot", "assemble"]
PACKAGES = ["package_list", "sbom"]
EDITED = [*IMAGE, "manifest"]
"""What a change of appliance.yaml costs."""


@pytest.fixture(scope="module")
def boot(gateway_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is on the FAT partition."""
    folder = tmp_path_factory.mktemp("boot")
    fat.read(gateway_image, DEBIAN.boot_start * SECTOR_BYTES, folder)
    return folder


@pytest.fixture(scope="module")
def root(gateway_image: Path) -> Iterator[ext4_files.FileSystem]:
    with ext4_files.opened(gateway_image, DEBIAN.root_start * SECTOR_BYTES) as opened:
        yield opened


@pytest.fixture(scope="module")
def nodes(gateway_image: Path) -> dict[str, Node]:
    return contents(gateway_image)


def test_the_partitions_are_raspberry_pi_oss(gateway_image: Path) -> None:
    found = partitions.table(gateway_image)
    first, second = found["partitions"]
    assert (found["label"], found["id"]) == ("dos", f"{DEBIAN.disk_id:#010x}")
    assert (first["start"], first["size"], first["type"]) == (16384, 512 * 2048, "c")
    assert (second["start"], second["type"]) == (16384 + 512 * 2048, "83")
    assert second["size"] * SECTOR_BYTES % (4 << 20) == 0
    assert gateway_image.stat().st_blocks * 512 < gateway_image.stat().st_size, "sparse"


def test_the_file_systems_are_clean(gateway_image: Path, tmp_path: Path) -> None:
    for number, check in ((0, ["fsck.fat", "-n"]), (1, ["e2fsck", "-fn"])):
        entry = partitions.table(gateway_image)["partitions"][number]
        with gateway_image.open("rb") as image, (tmp_path / "partition").open("wb") as file:
            image.seek(entry["start"] * SECTOR_BYTES)
            for _ in range(entry["size"] // 2048):
                file.write(image.read(1 << 20))
        run([*check, tmp_path / "partition"])


def test_it_boots_from_what_config_txt_names(boot: Path) -> None:
    config = dict(re.findall(r"^(kernel|initramfs)[= ](\S+)$", (boot / "config.txt").read_text(), re.MULTILINE))
    assert (boot / config["kernel"]).read_bytes()[0x38:0x3C] == b"ARMd", "see the kernel's arm64/booting.rst"
    assert (boot / config["initramfs"]).stat().st_size > 10_000_000
    assert "arm_64bit=1" in (boot / "config.txt").read_text()
    for board in ("bcm2837-rpi-3-b", "bcm2837-rpi-zero-2-w", "bcm2711-rpi-4-b"):
        assert (boot / f"{board}.dtb").is_file()
    words = (boot / "cmdline.txt").read_text().split()
    assert {f"root=PARTUUID={DEBIAN.partuuid(2)}", "rootfstype=ext4", "rootwait", "fsck.repair=yes"} <= set(words)
    assert {"console=serial0,115200", "console=tty1"} <= set(words)
    assert not [word for word in words if word.startswith("cma=")]


def test_the_initrd_can_find_and_check_the_root(boot: Path) -> None:
    packed = next(boot.glob("initrd.img-*")).read_bytes()
    packed = packed[packed.index(b"\x28\xb5\x2f\xfd") :]  # an archive that is not compressed may come first
    archive = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    names = ("usr/sbin/fsck.ext4", "mmc_block.ko", "sdhci-iproc.ko", "bcm2835.ko", "virtio_blk.ko", "scripts/local")
    assert [name for name in names if name.encode() not in archive] == []


def test_the_configuration_and_its_schema_are_on_the_fat_partition(boot: Path, nodes: dict[str, Node]) -> None:
    assert (boot / "appliance.yaml").read_text().startswith("# yaml-language-server")
    assert json.loads((boot / "appliance.schema.json").read_text())["properties"]["profile"]
    assert nodes["/boot/appliance.yaml"].target == "firmware/appliance.yaml"
    assert not [name for name in nodes if name.startswith("/boot/firmware/")], "what lies under a mount is lost space"


def test_nothing_is_the_same_on_two_devices(root: ext4_files.FileSystem, nodes: dict[str, Node]) -> None:
    assert root.text("/etc/machine-id") == "uninitialized\n"
    assert not [name for name in nodes if name.startswith("/etc/ssh/ssh_host_")]
    assert "/var/lib/systemd/random-seed" not in nodes


def test_nobody_has_a_password(root: ext4_files.FileSystem) -> None:
    shadow = {line.split(":")[0]: line.split(":")[1] for line in root.text("/etc/shadow").splitlines()}
    assert {password[0] for password in shadow.values()} <= {"!", "*"}
    assert "pi" in shadow
    user = next(line for line in root.text("/etc/passwd").splitlines() if line.startswith("pi:"))
    assert user.split(":")[2] == "1000"
    assert root.text("/etc/sudoers.d/010_pi-nopasswd") == "pi ALL=(ALL) NOPASSWD: ALL\n"


def test_nothing_of_the_build_is_left(root: ext4_files.FileSystem, nodes: dict[str, Node]) -> None:
    assert "/usr/sbin/policy-rc.d" not in nodes
    assert [name for name in nodes if name.startswith("/etc/apt/apt.conf.d/") and "proxy" in name.lower()] == []
    assert not [name for name in nodes if re.match(r"/(tmp|run|dev|proc|sys)/", name)]
    assert not [name for name in nodes if name.startswith("/var/cache/apt/archives/") and name.endswith(".deb")]
    assert root.text("/etc/resolv.conf") == ""


def test_the_image_asks_the_archive_that_it_was_made_from(root: ext4_files.FileSystem) -> None:
    expected = sources.deb822(sources.host_sources("trixie"))
    assert root.text("/etc/apt/sources.list.d/debian.sources") == expected
    assert root.text("/etc/apt/sources.list") == ""


def test_every_package_is_installed_completely(root: ext4_files.FileSystem) -> None:
    paragraphs = root.text("/var/lib/dpkg/status").strip().split("\n\n")
    assert {re.search(r"^Status: (.*)$", text, re.MULTILINE)[1] for text in paragraphs} == {"install ok installed"}  # type: ignore[index]
    names = {text.split("\n")[0].removeprefix("Package: ") for text in paragraphs}
    assert {"network-manager", "raspi-firmware", "python3-pyroute2", "dnsmasq-base", "lighttpd", "ufw"} <= names
    assert {"man-db", "ifupdown", "dnsmasq"}.isdisjoint(names)


def test_the_daemon_is_there_and_compiled(root: ext4_files.FileSystem, nodes: dict[str, Node]) -> None:
    library = [name for name in nodes if name.startswith("/usr/lib/appliance/") and name.endswith(".py")]
    assert "/usr/lib/appliance/appliance/model.py" in library
    for name in library:
        folder, _, file = name.rpartition("/")
        compiled = f"{folder}/__pycache__/{file.removesuffix('.py')}.cpython-313.pyc"
        assert nodes[compiled].beginning[4:8] == b"\x01\0\0\0", f"{compiled}: PEP 552: hash-based, not checked"
    assert not [name for name in nodes if name.startswith("/usr/lib/appliance/") and "/tests/" in name]


def test_bash_completes_its_commands_and_nothing_is_there_that_nobody_can_show(
    root: ext4_files.FileSystem, nodes: dict[str, Node]
) -> None:
    [completion] = [f"/{target}" for target in documents.COMPLETION]
    assert root.text(completion) == PAGES["appliance.bash"]()
    assert completion in root.text("/etc/profile.d/appliance-completion.sh")
    assert not [name for name in nodes if name.startswith("/usr/share/man/") and "appliance" in name]


def test_no_file_is_newer_than_the_package_lists(nodes: dict[str, Node]) -> None:
    newest = max(nodes.values(), key=lambda node: node.mtime)
    assert sum(node.mtime == newest.mtime for node in nodes.values()) > 100, "all that the build wrote has one time"


def test_owners_and_modes_are_the_images_own(nodes: dict[str, Node]) -> None:
    assert stat.S_IMODE(nodes["/usr/bin/sudo"].mode) == 0o4755
    assert nodes["/home/pi"].uid == 1000
    assert all(node.uid < 65536 and node.gid < 65536 for node in nodes.values())


def built(folder: Path, *arguments: str, config: str = CONFIG) -> list[dict[str, str]]:
    """Build with the default cache; gives the events."""
    (folder / "appliance.yaml").write_text(config)
    argv = [
        "build",
        "--config",
        str(folder / "appliance.yaml"),
        "-o",
        str(folder / "out"),
        "--json",
        "--format",
        "zst,img",
    ]
    done = subprocess.run([*APPLIANCE, *argv, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ran(events: list[dict[str, str]]) -> list[str]:
    return [event["stage"] for event in events if event["event"] == "done"]


def test_a_change_costs_what_changed(gateway_image: Path, tmp_path: Path) -> None:
    assert ran(built(tmp_path)) == [*IMAGE, *PACKAGES, "manifest"]
    assert ran(built(tmp_path)) == []
    sums = (tmp_path / "out/appliance-gateway-arm64.sha256").read_text()
    planned = built(tmp_path, "--plan", config=CHANGED)
    assert [event["stage"] for event in planned if event["event"] == "planned"] == EDITED
    assert (tmp_path / "out/appliance-gateway-arm64.sha256").read_text() == sums, "a plan changes nothing"
    assert ran(built(tmp_path, config=CHANGED)) == EDITED
    subprocess.run(
        ["sha256sum", "--check", "--strict", "appliance-gateway-arm64.sha256"], cwd=tmp_path / "out", check=True
    )
    packed, image = (tmp_path / f"out/appliance-gateway-arm64.img{suffix}" for suffix in (".zst", ""))
    run(["zstd", "-q", "-d", packed, "-o", tmp_path / "unpacked.img"])
    run(["cmp", tmp_path / "unpacked.img", image])


def test_killed_while_it_writes_the_next_build_finishes(gateway_image: Path, tmp_path: Path) -> None:
    built(tmp_path)
    image = tmp_path / "out/appliance-gateway-arm64.img"
    before = image.stat().st_ino
    (tmp_path / "appliance.yaml").write_text(CHANGED)
    arguments = ["--config", str(tmp_path / "appliance.yaml"), "-o", str(image.parent), "--json", "--format", "zst,img"]
    child = subprocess.Popen([*APPLIANCE, "build", *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if json.loads(line) == {"event": "start", "stage": "assemble"}:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert image.stat().st_ino == before, "the old image is still there, complete"
    assert ran(built(tmp_path, config=CHANGED)) == EDITED
    assert sorted(file.name for file in image.parent.iterdir()) == [
        "appliance-gateway-arm64.bmap",
        "appliance-gateway-arm64.img",
        "appliance-gateway-arm64.img.zst",
        "appliance-gateway-arm64.packages.txt",
        "appliance-gateway-arm64.rpi-imager-manifest",
        "appliance-gateway-arm64.sha256",
        "appliance-gateway-arm64.spdx.json",
    ]


def on_a_small_disk(mebibytes: int, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-auto", "--map-root-user", "--mount"]
    folder.mkdir()
    command = [sys.executable, "-m", "tests.image.on_a_small_disk", str(mebibytes), str(folder), "build"]
    return subprocess.run(
        [*own, *command, *map(str, arguments)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("share", [0.1, 0.8, 1.25])
def test_a_full_output_disk_is_said_and_leaves_nothing(share: float, gateway_image: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    mebibytes = int(gateway_image.stat().st_blocks * 512 * share) >> 20
    done = on_a_small_disk(mebibytes, output, "-o", output, "--format", "zst,img")
    assert done.returncode == 2
    assert "the disk is full" in done.stderr
    assert str(output) in done.stderr.splitlines()[-1]
    # On the last of these disks there is room for the image, but not for the compressed one as well.
    assert done.stdout.splitlines() == ["mine.txt"]


def test_a_full_cache_disk_is_said_and_leaves_nothing(gateway_image: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    base = gateway_image.with_suffix(".img.zst")
    done = on_a_small_disk(400, disk, "-o", tmp_path / "out", "--cache", disk / "cache", "--base", base)
    assert done.returncode == 2
    assert "the disk is full" in done.stderr
    assert not (tmp_path / "out").exists()
    kept = [line for line in done.stdout.splitlines() if not line.startswith(("cache/layers/", "cache/logs/"))]
    names = ("CACHEDIR.TAG", "durations.json", "lock", "seal")
    assert kept == [*(f"cache/{name}" for name in names), "mine.txt"], "what is complete stays, what is not is gone"


def test_an_existing_image_of_full_size_stays_as_it_is_but_for_what_is_ours(
    gateway_image: Path, tmp_path: Path
) -> None:
    """Built by an ordinary user, from our own output as the base, dated as that was: package lists change daily."""
    before = contents(gateway_image)
    dated = {"SOURCE_DATE_EPOCH": str(max(node.mtime for node in before.values()))}
    with tempfile.TemporaryDirectory(prefix="appliance-user-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        base = folder / "base.img.zst"
        run(["cp", gateway_image.with_suffix(".img.zst"), base])
        base.chmod(0o644)
        as_user = ["unshare", "--mount", sys.executable, "-m", "tests.image.as_a_user", "nobody", name]
        program = as_user if os.geteuid() == 0 else APPLIANCE
        try:
            command = ["build", "--base", str(base), "--cache", f"{name}/cache", "-o", f"{name}/out", "--format=img"]
            run([*program, *command], env=dated)
            again = folder / "out" / gateway_image.name
            assert partitions.read_table(again) == partitions.read_table(gateway_image)
            after = contents(again)
            assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} == set()
        finally:
            namespaces.inside(lambda: remove(folder / "cache"))
