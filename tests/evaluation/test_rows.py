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
