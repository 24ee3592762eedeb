"""The content of an image file, compressed or not, in its order: never more of it in memory than is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import zstandard

from appliance.errors import InputError
from image.disk import decompress

STEP_BYTES = 1 << 22
AGAIN = "build or download it again"


class Content(Protocol):
    """What can be read."""

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes."""


class _Plain:
    def __init__(self, file: Path) -> None:
        self._reader = file.open("rb")

    def read(self, size: int) -> bytes:
        return self._reader.read(size)

    def skip(self, size: int) -> None:
        self._reader.seek(size, 1)

    def close(self) -> None:
        self._reader.close()


class _Packed:
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._left = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._left) < size and (part := next(self._parts, None)) is not None:
            if not self._left and len(part) == size:
                return part  # as it is: so are most of a build's
            self._left += part
        taken = bytes(self._left[:size])
        del self._left[:size]
        return taken

    def skip(self, size: int) -> None:
        while size and (passed := len(self.read(min(size, STEP_BYTES)))):
            size -= passed


@contextmanager
def content(file: Path, packed: str) -> Iterator[Content]:
    """The content of a file, which is compressed as `packed` says (see `decompress.kind_of`).

    Reading raises InputError if it is damaged. That a .zst is cut short is for the caller to know: it ends too soon.
    """
    if not packed:
        plain = _Plain(file)
        try:
            yield plain
        finally:
            plain.close()
    elif packed == "zst":
        yield _Packed(_zstandard(file))
    else:
        yield _Packed(decompress.content(file, lambda *_: None))


@contextmanager
def anywhere(file: Path, packed: str) -> Iterator[Callable[[int, int], bytes]]:
    """What reads `size` bytes from a place in the content, which of a compressed file is quick only going forwards.

    Reading raises InputError also where the content ends before.
    """
    with ExitStack() as stack:
        reader, position = stack.enter_context(content(file, packed)), 0

        def read(at: int, size: int) -> bytes:
            nonlocal reader, position
            if at < position:
                stack.close()
                reader, position = stack.enter_context(content(file, packed)), 0
            reader.skip(at - position)
            data = reader.read(size)
            position = at + len(data)
            if len(data) < size:
                raise InputError(f"{file} is cut short: its content has no byte {position}", hint=AGAIN)
            return data

        yield read


def _zstandard(file: Path) -> Iterator[bytes]:
    """In small parts: a megabyte of one frame may have gigabytes of zeros in it."""
    with file.open("rb") as packed:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        try:
            while part := reader.read(STEP_BYTES):
                yield part
        except zstandard.ZstdError as error:
            raise InputError(f"{file} is damaged: {error}", hint=AGAIN) from error
