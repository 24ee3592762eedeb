"""What boxes leave of others: point by point."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.regions import PIECES_MAX, Box, left_of

SIDE = 3
intervals = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)).map(lambda ends: (min(ends), max(ends)))
boxes = st.tuples(intervals, intervals, intervals)


def points(box: Box) -> set[tuple[int, ...]]:
    return set(product(*(range(first, last + 1) for first, last in box)))


@settings(max_examples=300, deadline=None)
@given(box=boxes, others=st.lists(boxes, max_size=6))
def test_what_is_left_is_what_none_of_the_others_has(box: Box, others: list[Box]) -> None:
    left = left_of([box], others)
    found = [point for piece in left for point in points(piece)]
    assert sorted(found) == sorted(points(box).difference(*map(points, others)))


def test_what_would_fall_into_too_many_pieces_is_not_made_less() -> None:
    """Every second point of a line; then all of it."""
    wide: Box = ((0, 8 * PIECES_MAX),)
    others: list[Box] = [((number, number),) for number in range(1, 8 * PIECES_MAX, 2)]
    left = left_of([wide], others)
    assert len(left) == PIECES_MAX
    assert not left_of(left, [wide])


def test_what_is_untouched_is_the_same() -> None:
    whole: list[Box] = [((0, 1), (0, 1))]
    assert left_of(whole, [((2, 3), (0, 1))]) is whole
