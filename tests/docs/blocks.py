"""The code blocks of a page: what is in each, and which file it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"(?:^\*\*`(?P<file>[^`\n]+)`\*\*[^\n]*\n\n)?^(?P<indent> *)```(?P<tag>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"(^|\s)#.*")
_HUNK = re.compile(r"^@@.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """`tag`: what stands behind the fence; `file`: the one that stands above it in bold, "" for none."""

    tag: str
    text: str
    file: str
    line: int

    @property
    def commands(self) -> list[str]:
        """One a line, without comments; a line that ends in a backslash goes on in the next."""
        lines = (_COMMENT.sub("", line).strip() for line in self.text.replace("\\\n", " ").splitlines())
        return [line for line in lines if line]


def blocks(page: Path) -> Iterator[Block]:
    """Those of a page in Markdown, in their order."""
    content = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(content):
        text = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        line = content.count("\n", 0, found.start("tag")) + 1
        yield Block(found["tag"], text, found["file"] or "", line)


def put(block: Block, tree: Path) -> None:
    """Make a block's file in a tree, or change it as a diff says, which must fit in one place. Line numbers are not
    needed.
    """
    file = tree / block.file
    if block.tag != "diff":
        assert not file.exists(), f"{block.file} is there already"
        file.write_text(block.text, encoding="utf-8")
        return
    content = file.read_text(encoding="utf-8")
    for hunk in _HUNK.split(block.text)[1:]:
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert content.count(before) == 1, f"{block.file} does not have this once any more:\n{before}"
        content = content.replace(before, after)
    file.write_text(content, encoding="utf-8")
