import dataclasses

import pytest

from segvae_jax.evaluation.rows import EDIT_ROWS, ROWS, Direction, MetricRow

ROW = MetricRow(("memorisation", "nearest"), "nearest", 1, Direction.AS_REAL, factor=100.0, anchor="held out")


@pytest.mark.parametrize("rows", [ROWS, EDIT_ROWS])
def test_places_and_titles_are_unique_and_fit_the_terminal(rows):
    assert len({row.place for row in rows}) == len({row.title for row in rows}) == len(rows)
    limits = {"quick": 21, "all": 22}
    assert all(len(row.title) <= limits[row.suite] for row in rows if row.in_terminal and row.suite in limits)


def test_estimates_are_found_in_the_unit_of_the_title():
    scores = {"memorisation": {"nearest": {"value": 0.5, "low": 0.25, "high": 0.75, "pairs": 7}}}
    assert ROW.find(scores) == {"value": 50, "low": 25, "high": 75}
    assert ROW.find({"memorisation": {"nearest": 0.5}}) == {"value": 50}
    assert ROW.find({"memorisation": {"nearest": {"value": 0.5, "sd": 0.25}}}) == {"value": 50, "sd": 25}
    assert ROW.find({"memorisation": {"nearest": {"value": 0.5, "low": None}}}) == {"value": 50}
    assert ROW.format(12.345) == "12.3"
    for lacking in (None, {}, {"memorisation": None}, {"memorisation": 1.0}, {"memorisation": {"nearest": None}},
                    {"memorisation": {"nearest": {"value": None}}}):  # fmt: skip
        assert ROW.find(lacking) is None


def test_scaling_keeps_what_is_no_number():
    assert ROW.scaled({"value": 0.5, "low": None}) == {"value": 50, "low": None}
    assert ROW.scaled("text") == "text" and ROW.scaled(0.25) == 25


def test_the_description_tells_direction_and_anchor():
    assert ROW.description == "nearest (best where it equals the value of real maps; real maps: held out)"
    assert dataclasses.replace(ROW, direction=Direction.LOWER, anchor="").description == "nearest (lower is better)"


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("HIGHER", True), ("UP_TO_REAL", True), ("LOWER", False), ("AS_REAL", None), ("NEUTRAL", None)],
)
def test_which_of_two_values_is_better(direction, expected):
    assert dataclasses.replace(ROW, direction=Direction[direction]).more_is_better is expected


def test_the_mark_tells_the_direction_in_few_words():
    assert ROW.marked == "nearest\n  as real is best"
    assert dataclasses.replace(ROW, direction=Direction.NEUTRAL).marked == "nearest"
    for row in (*ROWS, *EDIT_ROWS):
        assert all(len(line) <= 22 for line in row.marked.splitlines()) or not row.in_terminal or row.suite == "weights"


@pytest.mark.parametrize(
    ("direction", "anchor", "values"),  # from best to worst, where real maps have 0.5
    [
        ("HIGHER", "", [0.9, 0.5, 0.1]),
        ("LOWER", "", [0.1, 0.5, 0.9]),
        ("LOWER", "0.5", [0.4, 0.8, 0.9]),
        ("UP_TO_REAL", "", [0.7, 0.4, 0.1]),
        ("AS_REAL", "", [0.5, 0.7, 0.2]),
    ],
)
def test_a_shortfall_orders_scores(direction, anchor, values):
    row = MetricRow(("score",), "score", 2, Direction[direction], anchor=anchor)
    shortfall = [row.shortfall({"score": {"value": value}}, {"score": {"value": 0.5}}) for value in values]
    assert shortfall == sorted(shortfall) and len(set(shortfall)) == 3


def test_what_is_as_good_as_can_be_has_no_shortfall():
    row = MetricRow(("score",), "score", 2, Direction.LOWER, anchor="0.5")
    assert [row.shortfall({"score": {"value": value}}, {}) for value in (0.4, 0.5, 0.504)] == [0, 0, 0]
    up_to_real = dataclasses.replace(row, direction=Direction.UP_TO_REAL, anchor="")
    assert up_to_real.shortfall({"score": {"value": 0.9}}, {"score": {"value": 0.5}}) == 0


def test_a_row_may_be_compared_with_a_row_beside_it():
    (nearest,) = (row for row in ROWS if row.place == ("memorisation", "nearest"))
    scores = {"memorisation": {"nearest": {"value": 0.75}, "held_out": {"value": 0.5}}}
    assert nearest.shortfall(scores, {}) == 0.25


def test_what_cannot_be_ordered_is_none():
    neutral = MetricRow(("score",), "score", 2, Direction.NEUTRAL)
    assert neutral.shortfall({"score": 1.0}, {"score": 1.0}) is None
    assert dataclasses.replace(neutral, direction=Direction.AS_REAL).shortfall({"score": 1.0}, {}) is None
    assert dataclasses.replace(neutral, direction=Direction.LOWER).shortfall({}, {"score": 1.0}) is None
