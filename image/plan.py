"""`appliance build --plan`: what would be done, without doing it."""

from __future__ import annotations

from image.build import note_age, stages
from image.events import Events
from image.keys import Keys
from image.recipe import Recipe
from image.store import Store


def show(recipe: Recipe, store: Store, events: Events) -> None:
    """Tell of each stage whether it would run."""
    steps = stages(recipe, store)
    keys = Keys(steps, recipe, store)
    note_age(keys, events)
    for stage in steps:
        if keys.fresh(stage.name):
            events.cached(stage.name)
        else:
            events.planned(stage.name)
