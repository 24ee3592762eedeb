"""Makes the USB port a device's, for a gadget: in config.txt, and with the overlay that config.txt then names."""

from __future__ import annotations

from pathlib import Path

from image import config_txt
from image.cache.code import code_of
from image.cache.store import digest_of_files
from image.disk import layout
from image.run import run
from image.stage import Makes, Stage, Work

CODE = code_of(__file__)

SOURCE = Path(__file__).parent.parent / "dwc2-overlay.dts"
OVERLAY = "overlays/dwc2.dtbo"

HOOK = "etc/default/raspi-firmware"
"""Settings of the hook which, on Debian, writes a new config.txt at every update of kernel or firmware."""
KEPT = "etc/default/raspi-firmware-custom"
"""What that hook puts at the end of it."""


def stage() -> Stage:
    """Changes what the firmware reads."""
    return Stage("usb_device", Makes.ROOT, ("inspect",), {}, _make, CODE, reads=_reads)


def _reads() -> dict[str, str]:
    return {"overlay": digest_of_files(SOURCE)}


def _make(work: Work) -> None:
    apply(work.result, work.result / layout.of(work.results).boot_mount)


def apply(root: Path, boot: Path) -> None:
    """Change the root file system `root`, whose FAT partition's content is in `boot`."""
    files = [boot / "config.txt"]
    if (root / HOOK).exists():
        files.append(root / KEPT)
    for file in files:
        # Whatever an editor left in there that is not UTF-8 stays.
        before = file.read_bytes().decode(errors="surrogateescape") if file.exists() else ""
        file.write_bytes(config_txt.with_usb_device(before).encode(errors="surrogateescape"))
    overlay = boot / OVERLAY
    if not overlay.exists():
        overlay.parent.mkdir(exist_ok=True)
        run(["dtc", "-q", "-@", "-I", "dts", "-O", "dtb", "-o", overlay, SOURCE])
