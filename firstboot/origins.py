"""Which setting of appliance.yaml a kind wants something because of. Pure.

No kind says so. It is tried out: what a kind wants of the configuration as it is, and of one that is the same but for
one setting. So there is nothing to be written down beside each kind, and nothing that could become untrue.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from appliance.errors import ApplianceError, Mark
from appliance.model import Appliance
from firstboot.facts import Facts
from firstboot.kind import Kind
from firstboot.plan import Spec
from firstboot.variation import parts_of, without

ERROR = ""
"""In place of a spec's key: why a kind can say nothing yet."""

_Wanted = Mapping[str, Spec | str]


class Origins:
    """Where what one kind wants comes from; `facts` are those that it was looked at with."""

    def __init__(self, kind: Kind[Any], appliance: Appliance, facts: Facts) -> None:
        self._kind, self._appliance, self._facts = kind, appliance, facts
        self._base = self._wanted(appliance)
        self._known: dict[str, frozenset[str]] = {}

    def keys_of(self, path: str) -> frozenset[str]:
        """The keys of the specs that would not be wanted, or be others, had that setting another value."""
        if path not in self._known:
            self._known[path] = self._keys_of(path)
        return self._known[path]

    def settings_of(self, key: str, marks: Mapping[str, Mark]) -> tuple[str, ...]:
        """The settings that a spec is wanted because of: those in the file, and the innermost that can be told."""
        return tuple(self._settings_in("", key, marks))

    def _settings_in(self, section: str, key: str, marks: Mapping[str, Mark]) -> list[str]:
        paths = [path for path in parts_of(self._appliance, section) if path in marks and key in self.keys_of(path)]
        return [found for path in paths for found in self._settings_in(path, key, marks) or [path]]

    def _keys_of(self, path: str) -> frozenset[str]:
        wanted = self._wanted(without(self._appliance, path))
        if wanted is not None and (ERROR not in wanted or ERROR in (self._base or ())):
            return frozenset(key for key, spec in (self._base or {}).items() if wanted.get(key) != spec)
        # A kind may be unable to do without; then each part of it says what depends on it.
        parts = parts_of(self._appliance, path)
        found: Collection[str] = frozenset().union(*map(self.keys_of, parts))
        return frozenset(found if parts or wanted is None else self._base or ())

    def _wanted(self, appliance: Appliance) -> _Wanted | None:
        """None where the kind can make nothing of such a configuration, which the parser would not have taken."""
        try:
            return {spec.key: spec for spec in self._kind.desired(appliance, self._facts)}
        except ApplianceError as error:
            return {ERROR: error.message}
        except Exception:
            return None
