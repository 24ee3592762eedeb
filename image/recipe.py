"""What is to be built: frozen, and all that a build depends on beside the project's own files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from image import boards
from image.boards import BOARDS, DEBIAN, Kind

SUITE = "trixie"

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
        """The image file that is made; others lie beside it."""
        return self.output / f"appliance-{self.profile}-{self.kind.name}.img"

    @property
    def packed(self) -> Path:
        """The same, compressed."""
        return self.image.with_suffix(".img.zst")

    @property
    def checksums(self) -> Path:
        """The SHA-256 of both, as sha256sum(1) reads it."""
        return self.image.with_suffix(".sha256")
