"""What would be done and why, for people and programs. Nothing is changed by asking.

First the machine is looked at, as a pass does it; what follows from that is pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_interface
from pathlib import Path
from typing import Any

from appliance.errors import ApplianceError, Mark, PermanentError
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.kind import Kind, Machine
from firstboot.origins import ERROR, Origins
from firstboot.plan import Change, Spec, diff, has_words
from firstboot.reconcile import actions_for
from firstboot.status import line_of

_ADDRESSES = IPv4Address | IPv6Address | IPv4Network | IPv6Network | IPv4Interface | IPv6Interface
_EVERYWHERE = {"default": ("0.0.0.0/0", "::/0")}


@dataclass(frozen=True)
class Seen:
    """One look at what a kind wants and what is there, with these facts. `error`: why one or the other is not known."""

    kind: Kind[Any]
    facts: Facts
    want: tuple[Spec, ...] = ()
    have: tuple[Spec, ...] = ()
    error: ApplianceError | None = None

    @property
    def changes(self) -> Sequence[Change[Any]]:
        """What differs, as far as that is known."""
        return diff(self.want, self.have) if self.error is None else ()


@dataclass(frozen=True)
class Wanting:
    """A setting because of which something is wanted, and its line in appliance.yaml."""

    setting: str
    line: int


@dataclass(frozen=True)
class Intent:
    """What is wanted of a kind, what is there, and what would be done about the difference, in words.

    `error`: why nothing can be said. `setting` and `line`: what the kind as a whole is about, and where that is in
    appliance.yaml, None where it is not there. `wanted_by`: the same for each spec, by its key, with which its lines in
    `desired`, `observed` and `difference` begin.
    """

    kind: str
    setting: str
    line: int | None
    desired: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    difference: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    wanted_by: Mapping[str, tuple[Wanting, ...]] = field(default_factory=dict)


def seen(appliance: Appliance, kind: Kind[Any], machine: Machine) -> Seen:
    """Look at a kind. Reads only."""
    facts = machine.facts()
    want: tuple[Spec, ...] = ()
    try:
        want = tuple(kind.desired(appliance, facts))
        return Seen(kind, facts, want, tuple(kind.observe(machine, want)))
    except ApplianceError as error:
        return Seen(kind, facts, want, error=error)
    except Exception as error:
        return Seen(kind, facts, want, error=PermanentError(f"a bug in the appliance: {type(error).__name__}: {error}"))


def planned(look: Seen, origins: Origins, marks: Mapping[str, Mark]) -> Intent | None:
    """What would be done about what differs of a kind; None where nothing does."""
    keys = {change.key for change in look.changes}
    return intent(look, origins, marks, keys) if keys or look.error is not None else None


def intent(look: Seen, origins: Origins, marks: Mapping[str, Mark], keys: Collection[str] | None = None) -> Intent:
    """What is to be said of a kind, of its specs with these keys or (None) all. `origins`: of the same look."""
    kind = look.kind
    want, have = ([spec for spec in specs if keys is None or spec.key in keys] for specs in (look.want, look.have))
    changes = [change for change in look.changes if keys is None or change.key in keys]
    return Intent(
        kind.name,
        kind.setting,
        line_of(kind.setting, marks),
        desired=tuple(map(shown, want)),
        observed=tuple(map(shown, have)),
        difference=tuple(map(str, changes)),
        actions=tuple(map(str, actions_for(kind, changes))),
        error=look.error.message if look.error is not None else "",
        hint=look.error.hint if look.error is not None else "",
        wanted_by={spec.key: _because(origins.settings_of(spec.key, marks), marks) for spec in want},
    )


def _because(settings: Sequence[str], marks: Mapping[str, Mark]) -> tuple[Wanting, ...]:
    return tuple(Wanting(setting, marks[setting].line) for setting in settings)


def keys_meant(look: Seen, origins: Origins, thing: str, *, is_setting: bool) -> Collection[str] | None:
    """Which of a kind's specs have to do with a thing, `ERROR` among them where its error has; None: all of them.

    A thing is a kind's name, a setting, or what a spec has: an interface, an address, a route, a file, …
    """
    if thing == look.kind.name:
        return None
    by_setting = origins.keys_of(thing) if is_setting else frozenset()
    if is_setting and look.error is not None and f"{thing}.".replace("[", ".").startswith(f"{look.kind.setting}."):
        by_setting |= {ERROR}  # whatever is missing, the setting is without effect until it is there
    forms = set(_forms(thing))
    return by_setting | {spec.key for spec in (*look.want, *look.have) if not forms.isdisjoint(names_in(spec))}


def names_in(spec: Spec) -> Iterator[str]:
    """By what a spec can be asked for: its key, and what it has that has a name."""
    yield spec.key
    if spec.key.startswith("net/"):  # a kernel setting, which has its interface in its name
        yield from spec.key.split("/")
    for value in _values(spec):
        if isinstance(value, IPv4Interface | IPv6Interface):
            yield str(value.ip)
        if isinstance(value, tuple):  # of interfaces, each by its name and, perhaps, its number
            yield from (item.partition(" ")[0] for item in value if isinstance(item, str))
        if isinstance(value, _ADDRESSES | Path) or (isinstance(value, str) and value and not value.isdecimal()):
            yield str(value)


def _forms(thing: str) -> Iterator[str]:
    """A thing as it is, and as specs have it."""
    yield thing
    yield thing.translate(str.maketrans("./", "/."))  # net.ipv4.conf.eth0/5.rp_filter: sysctl(8) takes both
    yield from _EVERYWHERE.get(thing, ())
    try:
        address = ip_interface(thing)
    except ValueError:
        return
    yield str(address if "/" in thing else address.ip)


def _values(spec: Spec) -> Sequence[Any]:
    return [getattr(spec, field.name) for field in fields(spec) if field.repr and field.compare]


def shown(spec: Spec) -> str:
    """A spec in one line. What a file has in it may be a secret, and is never shown."""
    if has_words(spec):
        return f"{spec.key}: {spec}"
    known = [(field.name, getattr(spec, field.name)) for field in fields(spec) if field.repr and field.compare]
    told = [f"{name} {_told(name, value)}" for name, value in known if value is not None and str(value) != spec.key]
    return f"{spec.key}: {', '.join(told) or 'there'}"


def _told(name: str, value: object) -> str:
    if name == "mode":
        return f"{value:04o}"
    if isinstance(value, bytes):
        return f"of {len(value)} bytes"
    if isinstance(value, (tuple, frozenset)):
        return f"({len(value)})" if len(value) > 4 else "(" + ", ".join(map(str, value)) + ")"
    return str(value) if value != "" else "none"
