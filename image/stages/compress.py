"""Compresses the file systems, piece by piece; a piece that any earlier result has is not compressed again."""

from __future__ import annotations

from functools import partial

from image.cache.code import code_of
from image.disk import pieces
from image.disk.frames import FORMATS, Kept
from image.disk.pieces import Piece, Region
from image.stage import Makes, Stage, Work
from image.stages import bootfs, rootfs

CODE = code_of(__file__)


def name(ending: str) -> str:
    """The stage that makes the frames for files with that ending."""
    return f"compress-{ending}"


def stage(ending: str) -> Stage:
    """Makes the frames of the file systems, without appliance.yaml: what has it is in no cache."""
    inputs = {"settings": FORMATS[ending].settings}
    return Stage(name(ending), Makes.FILES, ("bootfs", "rootfs"), inputs, partial(_make, ending), CODE)


def file_systems(work: Work) -> list[Region]:
    """What is on the partitions, as far as it is no secret."""
    names = ((bootfs, work.results["bootfs"]), (rootfs, work.results["rootfs"]))
    return [Region(folder / made.FILE, pieces.read(folder / made.PIECES)) for made, folder in names]


def _make(ending: str, work: Work) -> None:
    form = FORMATS[ending]
    ours = Kept(work.result, form.settings)
    earlier = [Kept(work.store.tree(key), form.settings) for key in work.store.results(name(ending))]
    regions = file_systems(work)
    places = {piece.digest: (one, at, piece) for one in regions for at, piece in one.placed()}
    total, done = sum(piece.size for _, _, piece in places.values()), 0

    def keep(place: tuple[Region, int, Piece]) -> tuple[Piece, str]:
        one, at, piece = place
        for other in earlier:
            if frame := other.frame(piece.digest):
                return piece, ours.put(piece.digest, frame, other)
        return piece, ours.put(piece.digest, form.compress(one.content(at, piece)), None)

    digests = {}
    with pieces.all_cores() as cores:
        for piece, digest in pieces.in_order(cores, keep, places.values()):
            digests[piece.digest] = digest
            done += piece.size
            work.events.progress("compressed", done, total)
    ours.finish(digests)
