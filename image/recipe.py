"""What is to be built: frozen, and all that a build depends on beside the project's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from image import boards
from image.boards import BOARDS, DEBIAN, Kind

SUITE = "trixie"

IMG = "img"
ENDINGS = ("zst", "xz", IMG)
"""The formats of an image: compressed ones (`frames.FORMATS`), and `IMG`, which is not."""

PROJECT = Path(__file__).resolve().parent.parent
"""Where the packages and overlays lie that go into the image."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is to be built, and where it goes."""

    profile: str = "gateway"
    board: str = boards.DEFAULT
    """A name in `BOARDS`."""
    base: str = DEBIAN
    """`debian`, the path of an image file, or its https address."""
    base_sha256: str = ""
    mirror: str = ""
    """Address of a Debian archive for the `debian` base; empty: the host's."""
    config: bytes = field(repr=False)
    """The appliance.yaml for the FAT partition, checked; may hold secrets."""
    output: Path = Path("dist")
    formats: tuple[str, ...] = ("zst",)
    """Those of `ENDINGS` in which the image is written."""
    epoch: int | None = None
    """Seconds since 1970 (SOURCE_DATE_EPOCH): no file in the image is newer. None: the date of the package lists."""
    refresh: bool = False
    """Fetch new package lists."""
    accelerate: bool = True
    """Let native programs do the work that depends on no architecture; else all is emulated."""

    @property
    def kind(self) -> Kind:
        """The kind of image that the board needs."""
        return BOARDS[self.board].kind

    @property
    def image(self) -> Path:
        """The image, if it is written as it is; others lie beside it."""
        return self.output / f"appliance-{self.profile}-{self.kind.name}.img"

    def file(self, ending: str) -> Path:
        """The image in one of the formats."""
        return self.image if ending == IMG else self.image.with_suffix(f".img.{ending}")

    @property
    def checksums(self) -> Path:
        """The SHA-256 of each, as sha256sum(1) reads it."""
        return self.image.with_suffix(".sha256")

    @property
    def package_list(self) -> Path:
        """The packages in the image, a line each: name, version, architecture."""
        return self.image.with_suffix(".packages.txt")

    @property
    def sbom(self) -> Path:
        """Its software bill of materials, SPDX in JSON."""
        return self.image.with_suffix(".spdx.json")

    @property
    def manifest(self) -> Path:
        """What Raspberry Pi Imager wants to know of it."""
        return self.image.with_suffix(".rpi-imager-manifest")

    @property
    def block_map(self) -> Path:
        """Which parts of the image a card needs, for bmaptool(1)."""
        return self.image.with_suffix(".bmap")

    @property
    def beside(self) -> Mapping[str, Path]:
        """What lies beside the image, by the stage that makes it."""
        return {"package_list": self.package_list, "sbom": self.sbom, "manifest": self.manifest}

    @property
    def files(self) -> tuple[Path, ...]:
        """The image in all formats, and what is only right for exactly that image."""
        return (*map(self.file, ENDINGS), self.checksums, self.block_map, self.manifest)
