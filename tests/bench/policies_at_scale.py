"""Routing policies for many interfaces, rules and tables, as a daemon has them that lives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic

from firstboot.reconcile import State
from tests.bench.shown import figure, heading, judged
from tests.firstboot.conftest import EXAMPLES
from tests.netns.living import Living
from tests.netns.namespace import Namespace
from tests.netns.told import NEW_ROUTE, SETTING, Told, Word

SIZES = (10, 100, 500, 2000)
LIMITED = 500
"""The size that the limits are for; the others show how it grows."""
NEW_MS, PASS_MS = 50.0, 150.0
GROWTH = 1.25
"""Of the time for an interface, from the limited size to the largest: more would not be linear."""

INTERFACES_PER_RULE, FIRST_TABLE = 5, 1000
ROUNDS = 9
REST_S = 1.5
"""Addresses that the kernel makes up are tentative for a second, which makes another pass."""
LOST_S = 10.0


def measure(folder: Path) -> None:
    """Some lines a size; `folder` is empty."""
    heading(f"policies at scale: interfaces eni*, a fifth as many rules and tables; {ROUNDS} rounds, median (longest)")
    passes = {size: _measured(folder / str(size), size) for size in SIZES}
    growth = (passes[SIZES[-1]] / SIZES[-1]) / (passes[LIMITED] / LIMITED)
    value = f"{growth:.2f} times as long for each at {SIZES[-1]} as at {LIMITED}"
    judged("time of a pass for an interface", value, f"linear: ≤ {GROWTH:g} times", reached=growth <= GROWTH)


def _measured(folder: Path, size: int) -> float:
    """Print a size's figures. The processor's milliseconds of a pass that changes nothing."""
    folder.mkdir()
    config = (EXAMPLES / "policies.yaml").read_text().replace("2-252", f"{FIRST_TABLE}-{FIRST_TABLE + 999}")
    with Namespace() as namespace:
        _lay_out(namespace, size)
        with Living(namespace, folder, config) as living:
            living.rested(REST_S)
            _all_right(living)
            first_ms = living.daemon.costs[0][0] * 1000
            told = namespace.call(lambda: Told(settings=True))
            alone = [_new_ms(living, told, number, with_table=False) for number in range(ROUNDS)]
            whole = [_new_ms(living, told, ROUNDS + number, with_table=True) for number in range(ROUNDS)]
            told.close()
            wall_ms, cpu_ms = _unchanged_ms(living)
    figure(f"{size}: the first pass of all", f"{first_ms:.1f} ms")
    _tell(size, "a new one, until its setting is there", alone)
    _tell(size, "the same with rule, table and route", whole)
    value = f"{median(cpu_ms):6.1f} ms CPU, {_median_and_longest(wall_ms)} in all"
    _limited(size, "full pass, nothing changed", value, f"≤ {PASS_MS:g} ms", reached=median(wall_ms) <= PASS_MS)
    return median(cpu_ms)


def _tell(size: int, what: str, took_ms: list[float]) -> None:
    value = _median_and_longest(took_ms)
    _limited(size, what, value, f"≤ {NEW_MS:g} ms", reached=median(took_ms) <= NEW_MS)


def _limited(size: int, what: str, value: str, limit: str, *, reached: bool) -> None:
    if size == LIMITED:
        judged(f"{size}: {what}", value, limit, reached=reached)
    else:
        figure(f"{size}: {what}", value)


def _median_and_longest(took_ms: list[float]) -> str:
    return f"{median(took_ms):6.1f} ms ({max(took_ms):.1f} ms)"


def _lay_out(namespace: Namespace, size: int) -> None:
    """Pairs of wires; each fifth interface has a network, a router in main, and a table that a rule looks up."""
    lines = [f"link add eni{number} type veth peer name eni{number + 1}" for number in range(0, size, 2)]
    lines += [f"link set eni{number} up" for number in range(size)]
    for number in range(0, size, INTERFACES_PER_RULE):
        network, table = f"10.{number // 250}.{number % 250}", FIRST_TABLE + number // INTERFACES_PER_RULE
        lines += _with_table(f"eni{number}", network, table)
    _ip(namespace, lines)


def _with_table(name: str, network: str, table: int) -> list[str]:
    """What a cloud's agent does about an interface; the table's default route is left to the daemon."""
    return [
        f"addr add {network}.9/24 dev {name}",
        f"route add default via {network}.1 dev {name} metric {table}",
        f"rule add from {network}.9 table {table}",
        f"route add {network}.0/24 dev {name} table {table}",
    ]


def _new_ms(living: Living, told: Told, number: int, *, with_table: bool) -> float:
    """From before the first program's start that makes it, until the kernel told of the last thing that it lacked."""
    name, table = f"enix{number}", FIRST_TABLE + 900 + number
    lines = [f"link add {name} type veth peer name far{number}", f"link set far{number} up", f"link set {name} up"]
    lines += _with_table(name, f"10.99.{number}", table) if with_table else []
    told.forget()
    began = monotonic()
    _ip(living.namespace, lines)
    index = int(living.namespace.program("ip", "-o", "link", "show", "dev", name).partition(":")[0])
    wanted: list[Callable[[Word], bool]] = [lambda word: (word.what, word.about, word.value) == (SETTING, index, 2)]
    if with_table:
        wanted.append(lambda word: (word.what, word.about) == (NEW_ROUTE, table))
    all_there = told.await_words(lambda words: all(any(map(want, words)) for want in wanted), LOST_S)
    assert all_there, f"{name} does not get what belongs to it"
    took = max(next(word.at for word in told.words if want(word)) for want in wanted) - began
    living.rested(REST_S)
    return took * 1000


def _unchanged_ms(living: Living) -> tuple[list[float], list[float]]:
    """Passes over everything: how long they took, and what of the processor's time."""
    before = len(living.daemon.costs)
    for _ in range(ROUNDS):
        living.look_again()
        living.rested()
    _all_right(living)
    costs = living.daemon.costs[before:]
    return [wall * 1000 for wall, _ in costs], [cpu * 1000 for _, cpu in costs]


def _all_right(living: Living) -> None:
    wrong = [each for each in living.daemon.outcomes.values() if each.state is not State.OK]
    assert not wrong, wrong


def _ip(namespace: Namespace, lines: list[str]) -> None:
    namespace.program("ip", "-batch", "-", stdin="\n".join(lines) + "\n")
