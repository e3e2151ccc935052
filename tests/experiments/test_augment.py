"""What generated pairs are worth: cells are measured once, under equal conditions, and make a table."""

import json

import numpy as np
import pytest
from picture_toys import SIZE, SPACE, ToyTranslator, toy_maps, toy_pairs
from rich.console import Console

from experiments import augment, augment_cells
from experiments.augment_cells import Cell, Task, cells, finish, read_cells
from segvae_jax.errors import ConfigError, OutputError
from segvae_jax.evaluation.networks import parser
from segvae_jax.evaluation.networks.parser import train_parser

CONDITIONS = {
    "data": "toys", "size": [*SIZE], "train": 30, "test": 9, "generated": 230, "steps": 2, "batch_size": 8,
    "checkpoint": "runs", "translator": "t",
}  # fmt: skip
QUIET = Console(quiet=True)


class ToyGenerator:
    space = SPACE

    def random_label_sets(self, num):
        return np.ones((num, SPACE.num_channels), bool)

    def generate_each(self, label_sets):
        return toy_maps(3, len(label_sets))


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(parser, "WIDTHS", (4,))
    monkeypatch.setattr(augment_cells, "train_parser", lambda *sets, **how: train_parser(*sets, **how, steps=2))


@pytest.fixture
def task():
    return Task(toy_pairs(0, 30), toy_pairs(1, 9), ToyGenerator(), ToyTranslator(), 230)


def test_generated_pairs_are_maps_with_their_own_pictures(task):
    pairs = task.generated_pairs()
    assert len(pairs) == 230
    np.testing.assert_array_equal(pairs.index_maps, toy_maps(3, 230))
    np.testing.assert_array_equal(pairs.pictures, ToyTranslator().translate_each(pairs.index_maps))


def test_cells_with_generated_pairs_learn_from_the_same_real_ones(task, monkeypatch):
    seen = []
    monkeypatch.setattr(
        augment_cells,
        "train_parser",
        lambda *sets, **how: seen.append((sets, how["seed"])) or train_parser(*sets, **how, steps=1),
    )
    generated = task.generated_pairs()
    for cell in (Cell(5, False, 1), Cell(5, True, 1), Cell(9, False, 1), Cell(5, False, 2)):
        task.measure(cell, generated if cell.generated else None)
    (alone, _), (both, seed), (more, _), (other, _) = seen
    assert [len(each) for each in (*alone, *both)] == [5, 5, 230] and seed == 1
    np.testing.assert_array_equal(alone[0].pictures, both[0].pictures)
    np.testing.assert_array_equal(alone[0].pictures, more[0].pictures[:5])
    assert (alone[0].pictures != other[0].pictures).any()


def test_what_is_measured_is_not_measured_again(task, tmp_path, monkeypatch):
    path, table = tmp_path / "augment_toys.json", cells([4, 8], 1, len(task.train))
    assert [cell.name for cell in table[:2]] == ["4 real, seed 0", "4 real, generated, seed 0"] and len(table) == 4
    finish(task, table[:3], path, CONDITIONS, QUIET)
    first = json.loads(path.read_text())
    assert set(first["cells"]) == {cell.name for cell in table[:3]} and first["translator"] == "t"
    assert set(first["cells"]["4 real, seed 0"]["by_class"]) == set(SPACE.classes)
    measured = []
    monkeypatch.setattr(Task, "measure", lambda self, cell, generated: measured.append(cell) or {"mean_iou": 0.5})
    finish(task, table, path, CONDITIONS, QUIET)
    assert measured == table[3:]
    assert {**read_cells(path, CONDITIONS), table[3].name: None} == {**first["cells"], table[3].name: None}
    monkeypatch.setattr(Task, "generated_pairs", lambda self: pytest.fail("nothing is missing"))
    finish(task, table, path, CONDITIONS, QUIET)


def test_cells_of_other_conditions_are_refused(task, tmp_path):
    path = tmp_path / "augment_toys.json"
    finish(task, [Cell(4, False, 0)], path, CONDITIONS, QUIET)
    with pytest.raises(OutputError, match="holds cells of generated=230, not 7: give another --out"):
        finish(task, [Cell(4, False, 1)], path, {**CONDITIONS, "generated": 7}, QUIET)
    path.write_text("{")
    with pytest.raises(OutputError, match="damaged: remove it"):
        read_cells(path, CONDITIONS)


def test_more_pairs_than_there_are_are_one_line():
    with pytest.raises(ConfigError, match="400 real pairs: expected 1 to 60"):
        cells([50, 400], 3, 60)


def test_the_page_has_means_spreads_and_gains_of_the_same_pairs(task, tmp_path):
    table = cells([50, 100], 2, 400)
    of_cell = lambda cell: (
        0.2 + 0.1 * (cell.pairs == 100) + 0.04 * cell.generated * (1 - 1.5 * cell.seed) + 0.1 * cell.seed
    )
    done = {cell.name: {"mean_iou": of_cell(cell)} for cell in table}
    page = augment.page_of(table, done, CONDITIONS, "a machine")
    assert "| 50 | 0.250 +- 0.071 | 0.260 +- 0.028 | +0.010 +- 0.042 | 1 of 2 |" in page
    assert (
        "| 100 | 0.350" in page
        and "230 generated ones" in page
        and "from all 30\n" in page
        and "9 held-out" in page
        and "a machine" in page
    )


def test_a_run_writes_the_table_and_its_cells(task, tmp_path):
    augment.run(task, cells([4], 1, 30), tmp_path, CONDITIONS, QUIET)
    assert {path.name for path in tmp_path.iterdir()} == {"augment_toys.json", "augment_toys.md"}
    found = json.loads((tmp_path / "augment_toys.json").read_text())["cells"]["4 real, seed 0"]["mean_iou"]
    assert f"| 4 | {found:.3f} |" in (tmp_path / "augment_toys.md").read_text()
