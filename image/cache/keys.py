"""Under which key each stage's result is kept, and whether it is there already."""

from __future__ import annotations

from collections.abc import Sequence

from image.cache.store import Entry, Key, Store, key_of
from image.recipe import Recipe
from image.stage import Makes, Stage

STORED = (Makes.FILES, Makes.ROOT)
"""What is kept in the cache."""


class Keys:
    """The keys of one build's stages.

    A stage's key is made from its inputs, what it reads, its source code, and what stands for the stages it needs:
    the digest of their results where they tell one, else their keys.
    """

    def __init__(self, stages: Sequence[Stage], recipe: Recipe, store: Store) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.recipe = recipe
        self.store = store
        self.renewed = {"index"} if recipe.refresh else set()
        """Stages whose stored result is not to be used."""
        self._keys: dict[str, Key] = {}
        self._reads = {stage.name: stage.reads() for stage in stages}

    def key(self, name: str) -> Key | None:
        """The key of a stage's result; None while a result that it depends on has still to be made."""
        if name not in self._keys:
            stage = self.stages[name]
            standing = {need: self._stands_for(need) for need in self._needs(stage)}
            if None in standing.values():
                return None
            inputs = {
                "stage": name,
                "inputs": stage.inputs,
                "reads": self._reads[name],
                "code": stage.code,
                "needs": standing,
                "epoch": self.recipe.epoch,
            }
            self._keys[name] = key_of(inputs)
        return self._keys[name]

    def entry(self, name: str) -> Entry | None:
        """What is stored of a stage's result."""
        key = self.key(name)
        return None if key is None or name in self.renewed else self.store.find(key)

    def fresh(self, name: str) -> bool:
        """Whether a stage need not run."""
        makes = self.stages[name].makes
        if makes is Makes.SCRATCH:
            return all(self.fresh(other.name) for other in self.stages.values() if name in other.needs)
        if makes is Makes.OUTPUT:
            key = self.key(name)
            return key is not None and self.store.made_output(self.recipe.image, name, key)
        return self.entry(name) is not None

    def holds(self, name: str) -> bool:
        """Whether what a stage reads is still what its key was made from."""
        return self.stages[name].reads() == self._reads[name]

    def forget(self, entry: Entry) -> None:
        """Remove a stored result. It is made again of what its stage reads by then, and may have another digest."""
        self.store.forget(entry.key)
        self._reads[entry.stage] = self.stages[entry.stage].reads()
        self._keys.clear()

    def stored(self) -> list[Key]:
        """The keys of all results of this build that the store has."""
        return [
            entry.key for stage in self.stages.values() if stage.makes in STORED and (entry := self.entry(stage.name))
        ]

    def used(self) -> list[Entry]:
        """The stored results that the stages look at which are to run."""
        running = [stage for stage in self.stages.values() if not self.fresh(stage.name)]
        names = dict.fromkeys(need for stage in running for need in self._needs(stage))
        return [entry for name in names if self.stages[name].makes in STORED and (entry := self.entry(name))]

    def roots(self, before: str) -> list[Key]:
        """The keys of the root file system's layers below stage `before`, the lowest first."""
        names = list(self.stages)
        below = [self.stages[name] for name in names[: names.index(before)]]
        return [key for stage in below if stage.makes is Makes.ROOT and (key := self.key(stage.name))]

    def _needs(self, stage: Stage) -> list[str]:
        """What a stage needs, with the layers below it if it sees them."""
        names = list(self.stages)
        before = names[: names.index(stage.name)]
        sees = stage.sees_root or stage.makes is Makes.ROOT
        return [n for n in before if n in stage.needs or (sees and self.stages[n].makes is Makes.ROOT)]

    def _stands_for(self, name: str) -> str | None:
        if not self.stages[name].tells_digest:
            return self.key(name)
        entry = self.entry(name)
        return entry.digest if entry else None
