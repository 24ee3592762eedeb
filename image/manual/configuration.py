"""The page about appliance.yaml: the same for Markdown and for man(7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from appliance.checks import NEEDS, TAKES
from appliance.model import Profile
from appliance.settings import Value, Values
from image.manual import settings
from image.manual.blocks import Block, Code, Heading, Paragraph, Points, Table
from image.manual.choices import meanings_of
from image.manual.conditions import CONDITIONS
from image.manual.settings import Described

ABOUT = (
    "`appliance.yaml` says all that an appliance is. On a card it is on the small partition, `bootfs`, and on the "
    "running Pi it is `/boot/appliance.yaml`; where the package was installed, it is `/etc/appliance/appliance.yaml`. "
    "It is read when the machine starts and as soon as it is saved.",
    "`appliance check FILE` says everything that is wrong with a file, each mistake with its line; a file with a "
    "mistake is not used. `appliance init PROFILE` writes one to start from, and `appliance schema` prints a JSON "
    "Schema for editors.",
)
NOTATION = (
    "It is YAML, with settings, lists and values alone: anchors, tags and several documents are refused, and so is a "
    "setting that does not exist, or is there twice.",
    "Every value is text until the setting says what it is: `country: NO` is Norway, and quotes change nothing. What "
    "has a # after a space or a space after a colon in it, or begins with a sign that means something in YAML, is put "
    'in quotes: `interface: "*"`.',
    "Where a list is allowed, one value or section alone is a list of one.",
    "Lengths of time have a unit, `s`, `m`, `h` or `d`, and no fractions. Sizes of packets are in bytes.",
    "What has no default and is not required may be left out.",
    "A setting is called by its path, as in messages and `appliance explain`: `uplink.dns[1]` is the second server.",
)


def page(examples: Mapping[str, str]) -> Iterator[Block]:
    """All of it; `examples`: whole files by what they are called."""
    yield from map(Paragraph, ABOUT)
    yield Heading("Notation")
    yield Points(NOTATION)
    yield from _profiles()
    for section in settings.sections():
        yield from _section(section)
    yield Heading("Examples")
    for name, text in examples.items():
        yield Heading(name, 2)
        yield Code(text)


def _profiles() -> Iterator[Block]:
    yield Heading("Profiles")
    yield Paragraph("The profile decides which sections there may be.")
    rows = tuple(
        (f"`{profile}`", meanings_of("profile")[profile], _names(NEEDS[profile]), _names(_may_have(profile)))
        for profile in Profile
    )
    yield Table(("Profile", "The machine", "Needs", "May have"), rows)
    yield Paragraph("With `custom`, `hostname` and `ssh` do nothing: the machine keeps its own.")


def _may_have(profile: Profile) -> tuple[str, ...]:
    return tuple(name for name in TAKES[profile] if name not in ("profile", *NEEDS[profile]))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(section: Described) -> Iterator[Block]:
    top = "." not in section.path
    yield Heading(section.path or "The file as a whole", 1 if top else 2)
    if section.about:
        yield Paragraph(section.about)
    if section.path and top:
        yield Paragraph(_belongs(section.path.removesuffix("[]")))
    yield section.table
    yield from _choices(section)
    if section.path in CONDITIONS:
        yield Paragraph("What must hold:")
        yield Points(CONDITIONS[section.path])


def _belongs(name: str) -> str:
    needed = [profile for profile in Profile if name in NEEDS[profile]]
    allowed = [profile for profile in Profile if name in TAKES[profile] and profile not in needed]
    told = [("Needed with", needed), ("Allowed with", allowed)]
    return " ".join(f"{words} profile {_names(tuple(found))}." for words, found in told if found)


def _choices(section: Described) -> Iterator[Block]:
    """Each sort of choice is told once, with all the settings that are of it. Those of the profile have been told."""
    names: dict[str, list[str]] = {}
    for setting in section.settings:
        if isinstance(setting.shape, Value | Values) and setting.name != "profile":
            names.setdefault(setting.shape.scalar.name, []).append(setting.name)
    for sort, using in names.items():
        if meanings := meanings_of(sort):
            rows: Any = tuple((f"`{choice}`", meaning) for choice, meaning in meanings.items())
            yield Paragraph(f"What {' and '.join(f'`{name}`' for name in using)} may be:")
            yield Table(("Choice", "What it means"), rows)
