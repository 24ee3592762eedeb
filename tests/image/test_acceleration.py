"""Which stages a build has, and what their keys depend on, by how its programs are run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from image.build import stages
from image.cache.keys import Keys
from image.cache.store import Entry, Store
from image.recipe import Recipe
from image.stages import native

CONCERNED = ("bootstrap", "packages", "daemon")


@pytest.fixture
def debian(recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe for the `debian` base: the host's apt is not asked for a mirror."""
    return lambda **fields: recipe(mirror="https://mirror.example.net/debian", **fields)


def named(recipe: Recipe, store: Store) -> list[str]:
    return [stage.name for stage in stages(recipe, store)]


def keys_of(recipe: Recipe, store: Store) -> dict[str, str | None]:
    """Of everything up to the daemon, as if the package lists and the tools were there."""
    steps = stages(recipe, store)
    for stage in [stage for stage in steps if stage.tells_digest]:
        key = Keys(steps, recipe, store).key(stage.name)
        assert key is not None
        with store.workplace() as place:
            (place / "tree").mkdir()
            store.keep(place, Entry(stage.name, key, "digest", 1.0))
    keys = Keys(steps, recipe, store)
    return {stage.name: keys.key(stage.name) for stage in steps if stage.name in ("index", *CONCERNED)}


def test_a_foreign_image_is_made_with_native_tools(
    recipe: Callable[..., Recipe], debian: Callable[..., Recipe], store: Store, host: Callable[[str], None]
) -> None:
    host("x86_64")
    assert named(debian(), store)[:3] == ["index", native.NAME, "bootstrap"]
    existing = named(recipe(base=__file__), store)
    assert existing.index(native.NAME) == existing.index("packages") - 1


@pytest.mark.parametrize(
    "machine, fields",
    [("x86_64", {"accelerate": False}), ("aarch64", {}), ("aarch64", {"accelerate": False}), ("riscv64", {})],
)
def test_else_the_same_stages_run_without(
    machine: str, fields: dict[str, bool], debian: Callable[..., Recipe], store: Store, host: Callable[[str], None]
) -> None:
    """Emulated, natively where the machine is one like the image's, or because there are no tools for this one."""
    host("x86_64")
    accelerated = named(debian(), store)
    host(machine)
    assert named(debian(**fields), store) == [name for name in accelerated if name != native.NAME]


def test_on_a_machine_for_arm64_a_zero_s_image_is_accelerated(
    debian: Callable[..., Recipe], store: Store, host: Callable[[str], None]
) -> None:
    host("aarch64")
    assert native.NAME in named(debian(board="zero", profile="gadget"), store)


def test_the_choice_is_in_the_keys_of_what_it_concerns(
    debian: Callable[..., Recipe], store: Store, host: Callable[[str], None]
) -> None:
    host("x86_64")
    fast, slow = keys_of(debian(), store), keys_of(debian(accelerate=False), store)
    assert None not in {*fast.values(), *slow.values()}
    assert [name for name in fast if fast[name] != slow[name]] == list(CONCERNED)
