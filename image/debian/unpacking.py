"""In which order packages can be unpacked: what a package's scripts need before that (Pre-Depends) comes first. Pure.

apt tells them in the order in which it would fetch them, which is not that one, and on another machine is another.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from urllib.parse import unquote

from image.debian.installed import paragraphs

Identity = tuple[str, str]
"""A package's name and its architecture."""


def identity(file: str) -> Identity:
    """That of the package in a file of that name: NAME_VERSION_ARCHITECTURE.deb."""
    name, _, architecture = file.removesuffix(".deb").split("_")
    return name, architecture


def selected(file: str) -> str:
    """The same package, of that version, as apt is asked for it."""
    name, architecture = identity(file)
    return f"{name}:{architecture}={unquote(file.split('_')[1])}"


def in_order(files: Sequence[str], controls: str) -> list[str]:
    """The same files, by name where it does not matter. `controls`: paragraphs of all of them, as dpkg and apt have."""
    by_identity = {identity(file): file for file in files}
    known = {(found["Package"], found["Architecture"]): found for found in paragraphs(controls)}
    providers = defaultdict(set)
    for each in by_identity:
        for name in (each[0], *_names(known[each].get("Provides", ""))):
            providers[name].add(each)
    needed = {
        each: {other for name in _names(known[each].get("Pre-Depends", "")) for other in providers[name]} - {each}
        for each in by_identity
    }
    return [by_identity[each] for each in _sorted(needed)]


def _sorted(needed: Mapping[Identity, set[Identity]]) -> Iterator[Identity]:
    sorter = TopologicalSorter(needed)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


def _names(relations: str) -> list[str]:
    """Every package that is named, also where one of several will do: `a (>= 1), b:any | c`."""
    return [re.split(r"[\s:(]", relation.strip())[0] for relation in re.split(r"[,|]", relations) if relation.strip()]
