"""`appliance build --plan`: what would be done and how long it takes, without doing it."""

from __future__ import annotations

from image.build import note_age, stages
from image.cache.keys import Keys
from image.cache.store import Store
from image.events import Events
from image.recipe import Recipe


def show(recipe: Recipe, store: Store, events: Events) -> None:
    """Tell of each stage whether it would run, how long it took the last time, and of all together."""
    steps = stages(recipe, store)
    keys = Keys(steps, recipe, store)
    note_age(keys, events)
    known: dict[str, float] = {}
    unknown: list[str] = []
    for stage in steps:
        if keys.fresh(stage.name):
            events.cached(stage.name)
            continue
        seconds = store.durations.of(stage.name, recipe.kind.name)
        events.planned(stage.name, seconds)
        if seconds is None:
            unknown.append(stage.name)
        else:
            known[stage.name] = seconds
    events.estimate(known, unknown)
