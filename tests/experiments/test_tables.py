"""Tables of experiments: training, scoring, writing, and continuing after a stop."""

import dataclasses
import importlib
import itertools
import json
import pkgutil
import subprocess
import sys
from operator import attrgetter
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from pages import ROOT
from PIL import Image
from rich.console import Console

import experiments
from experiments import results, runs
from experiments.drawing import maps_to_edit
from experiments.runs import Run, Setting, finish
from experiments.tables import BUDGETS, TABLES
from experiments.verdicts import by_chance, verdicts
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.errors import OutputError
from segvae_jax.evaluation.edits import KINDS
from segvae_jax.evaluation.target import hash_of_data
from segvae_jax.generation import Generator
from segvae_jax.sharding import device_mesh
from segvae_jax.training import loop
from segvae_jax.training.config import check

ROWS = [row for row in TABLES["segvae_ablations"] if row.name in ("base", "hard_canvas")]

CONDITIONS = {
    "name": "ablations_cartoon", "budget": "small", "size": [8, 8], "splits": {"train": 1}, "num_maps": 5, "seeds": 2,
    "training_hours": 1.0, "training_minutes": {"SegVAE (paper)": 30.0}, "machine": "a machine",
}  # fmt: skip


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    folder = tmp_path_factory.mktemp("experiments")
    data = {"source": "cartoon", "prepared": str(folder / "prepared")}
    return Setting(BUDGETS["trial"], data, folder / "runs", suite="quick")


@pytest.fixture(scope="module")
def finished(setting) -> list[Run]:
    done = [Run(row, 0, setting) for row in ROWS]
    with pytest.MonkeyPatch.context() as patch:  # one device: other tests cover several, which compile slowly
        patch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
        assert finish(done, Console(quiet=True))
    return done


def test_every_row_has_a_configuration_of_the_budget(setting):
    for row in {row for table in TABLES.values() for row in table}:
        config = setting.configuration(row, seed=7)
        assert (config.seed, config.num_steps, config.model.image_size) == (7, 20, (16, 16))


@pytest.mark.parametrize("budget", BUDGETS)
def test_no_budget_changes_what_a_row_compares(budget, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "prepare_data", lambda config: SimpleNamespace(directory=tmp_path))
    setting = Setting(BUDGETS[budget], {}, tmp_path)
    for row in {row for table in TABLES.values() for row in table}:
        config, (module, variant) = setting.configuration(row, seed=0), row.config.split(":")
        compared = importlib.import_module(f"segvae_jax.configs.{module}").VARIANTS[variant]
        assert {key: attrgetter(key)(config) for key in compared} == compared
        check(config)


def test_tables_share_the_runs_of_equal_names():
    by_name = {}
    for row in (row for table in TABLES.values() for row in table):
        assert by_name.setdefault(row.name, row) == row
    assert all(row.weights_of in by_name for row in by_name.values() if row.weights_of)


@pytest.mark.slow
def test_what_is_finished_is_not_done_again(finished, monkeypatch):
    monkeypatch.setattr(runs, "train", None)
    assert finish(finished, Console(quiet=True))


def _stub_scores(run, suite, data_hash):
    run.scores.parent.mkdir(parents=True)
    run.scores.write_text(json.dumps({"suite": suite, "data_hash": data_hash}))


@pytest.fixture
def done(monkeypatch):
    """The runs that are trained and scored, neither of which takes place, each with the anchors that it is given."""
    done = []
    monkeypatch.setattr(Run, "train", lambda run: True)
    monkeypatch.setattr(Run, "score", lambda run, anchors: done.append((run, anchors)) or run.setting.suite)
    return done


@pytest.mark.parametrize(("asked", "again"), [("quick", ()), ("all", ("quick",))])
def test_a_run_is_finished_with_scores_of_the_suite_or_a_larger_one(setting, tmp_path, done, asked, again):
    setting = dataclasses.replace(setting, folder=tmp_path, suite=asked)
    table = dict(zip(("quick", "all", "none"), [Run(row, 0, setting) for row in TABLES["baselines"]], strict=False))
    data = open_prepared(setting.configuration(table["all"].experiment, 0).data.prepared)
    for suite in ("quick", "all"):
        _stub_scores(table[suite], suite, hash_of_data(data))
    assert finish(list(table.values()), Console(quiet=True))
    missing = [table[suite] for suite in (*again, "none")]
    assert done == [(run, asked if number else None) for number, run in enumerate(missing)]


def test_runs_of_other_data_are_refused_before_anything_is_trained(setting, tmp_path, done):
    setting = dataclasses.replace(setting, folder=tmp_path)
    table = [Run(row, 0, setting) for row in ROWS]
    _stub_scores(table[1], "quick", "0123456789ab")
    with pytest.raises(OutputError, match=f"{table[1].workdir}: scored on other maps than .*: give another --runs"):
        finish(table, Console(quiet=True))
    assert not done


@pytest.mark.slow
def test_a_trained_run_is_scored_with_a_larger_suite_but_not_trained(finished, monkeypatch):
    larger = dataclasses.replace(finished[0], setting=dataclasses.replace(finished[0].setting, suite="all"))
    scored = []
    monkeypatch.setattr(Run, "score", lambda run, anchors: scored.append(run))
    monkeypatch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
    monkeypatch.setattr(loop, "_advance", lambda *_: pytest.fail("it is trained already"))
    assert finish([larger], Console(quiet=True)) and scored == [larger]


def test_seeds_share_their_data(setting):
    assert len({setting.configuration(ROWS[0], seed).data.prepared for seed in (0, 1)}) == 1


@pytest.mark.slow
def test_a_row_may_use_the_weights_of_another(finished):
    base, hard = ((run.workdir / "model.json").read_text() for run in finished[:2])
    assert not json.loads(base)["model"]["hard_canvas"] and json.loads(hard)["model"]["hard_canvas"]
    assert not (finished[1].workdir / "metrics.jsonl").exists()


@pytest.mark.slow
def test_the_table_holds_every_row_and_anchor(finished, tmp_path):
    page, data, *drawn = results.write("ablations_cartoon", finished, tmp_path)
    result = json.loads(data.read_text())
    assert list(result["rows"]) == [*(row.title for row in ROWS), *(name.replace("_", " ") for name in results.ANCHORS)]
    for run in finished[:1]:
        value = json.loads(run.scores.read_text())["rows"]["generated"]["fsd"]["value"]
        assert result["rows"]["SegVAE (paper)"]["FSD x 1e4"]["values"][0] == value
    text = page.read_text()
    assert all(f"| {title} |" in text for title in result["rows"])
    for path in drawn:
        assert path.name in text
        with Image.open(path) as image:
            assert image.height > 2 * 96


def _scores(value):
    """Scores whose values are all the same."""
    row = {
        "control": {"exact": {"value": value}}, "fsd": {"value": value}, "c2st": {"layout": {"value": value}},
        "frechet_random_cnn": {"value": value}, "diversity": {"value": value},
        "memorisation": {"nearest": {"value": value}},
    }  # fmt: skip
    return {"rows": dict.fromkeys(("generated", *results.ANCHORS), row)}


def test_mean_and_spread_are_those_of_the_seeds():
    setting = Setting(BUDGETS["trial"], {}, None)
    by_run = {Run(row, seed, setting): _scores(seed) for seed in (1, 3) for row in ROWS}
    of_seeds = {"mean": 2.0, "sd": pytest.approx(2**0.5), "values": [1.0, 3.0]}
    rows = results.summary(by_run)
    assert len(rows) == len(ROWS) + len(results.ANCHORS)
    assert all(row["FSD x 1e4"] == of_seeds for row in rows.values())


def test_anchors_of_one_seed_have_no_spread():
    setting = Setting(BUDGETS["trial"], {}, None)
    rows = results.summary({Run(row, 0, setting): _scores(1.0) for row in ROWS})
    assert {(row["FSD x 1e4"]["sd"], *row["FSD x 1e4"]["values"]) for row in rows.values()} == {(None, 1.0)}


def test_a_verdict_is_given_where_all_runs_agree():
    values = lambda *figures: {"values": list(figures)}
    rows = {
        "SegVAE": {
            "FSD x 1e4": values(1, 2),
            "recall, map encoder": values(0.5, 0.6),
            "nearest training mIoU": values(0, 0),
        },
        "worse": {"FSD x 1e4": values(3, 4), "recall, map encoder": values(0.7, 0.8)},
        "alike": {"FSD x 1e4": values(2, 9), "recall, map encoder": values(0.5, 0.9)},
    }
    assert verdicts(rows, "SegVAE") == {
        "worse": {"FSD x 1e4": "better", "recall, map encoder": "worse"},
        "alike": {"FSD x 1e4": "open", "recall, map encoder": "open"},
    }
    page = results._compared({"rows": rows, "seeds": 2, "verdicts": verdicts(rows, "SegVAE")})
    assert "once in 3 times" in page and "| worse | better | worse |" in page


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_how_often_equal_models_get_a_verdict(seeds):
    ranks = set(itertools.combinations(range(2 * seeds), seeds))
    apart = [ours for ours in ranks if ours[-1] == seeds - 1 or ours[0] == seeds]
    assert by_chance(seeds) == pytest.approx(len(apart) / len(ranks))


def test_published_tables_have_the_titles_of_the_rows():
    results_of = {path: json.loads(path.read_text()) for path in (ROOT / "docs/results").glob("*.json")}
    published = {path: result for path, result in results_of.items() if "rows" in result}  # of experiments.run
    assert len(published) > 1
    for path, table in published.items():
        page = path.with_suffix(".md").read_text()
        assert {len(figure["values"]) for row in table["rows"].values() for figure in row.values()} == {table["seeds"]}
        for kind, columns in (("rows", results.COLUMNS), ("edits", results.EDIT_COLUMNS)):
            assert all(set(row) <= set(columns) for row in table[kind].values())
            assert not table[kind] or results._table(table[kind]) in page
        if table["seeds"] > 1:
            assert table["verdicts"] == verdicts(_models(table), next(iter(table["rows"])))


def _models(table):
    anchors = [name.replace("_", " ") for name in results.ANCHORS]
    return {title: row for title, row in table["rows"].items() if title not in anchors}


@pytest.mark.slow
def test_a_model_that_draws_nothing_has_no_picture_of_edits(finished, monkeypatch, tmp_path):
    monkeypatch.setattr(results, "maps_to_edit", lambda generator: [])
    assert not [path for path in results.write("ablations_cartoon", finished, tmp_path) if "edits" in path.name]


@pytest.mark.slow
def test_maps_to_edit_can_be_edited_in_all_ways(finished):
    generator = Generator.load(finished[0].workdir)
    maps = maps_to_edit(generator)
    assert maps
    for edited in maps:
        shown = {generator.space.names[channel] for channel in np.unique(edited.index_map)}
        assert {edited.changes["restyle"], edited.changes["remove"]} <= shown and edited.changes["add"] not in shown
        assert f"{edited.changes['add']} added" in edited.description()


def test_rows_that_edit_have_a_table_of_edits():
    presence = lambda value: {"presence": {"value": value}}
    scored = [{kind: presence(value) for kind in ("restyle", "add", "remove")} for value in (0.5, 1.0)]
    setting = Setting(BUDGETS["trial"], {}, None)
    by_run = {Run(ROWS[0], seed, setting): {"edits": edits} for seed, edits in enumerate(scored)}
    table = results.editing({Run(ROWS[1], 0, setting): {"edits": None}, **by_run})
    assert list(table) == ["SegVAE (paper)"] and list(table["SegVAE (paper)"]) == [
        f"{kind}: edit as requested" for kind in KINDS
    ]
    assert table["SegVAE (paper)"]["add: edit as requested"]["values"] == [0.5, 1.0]
    page = results._page({**CONDITIONS, "rows": table, "edits": table}, {})
    assert page.count("| SegVAE (paper) | 0.75 +- 0.35 |") == 2 and "Edits of held-out maps" in page
    assert results.editing({Run(ROWS[1], 0, setting): {}}) == {}


def test_scripts_can_be_imported_side_by_side():
    names = [f"experiments.{module.name}" for module in pkgutil.iter_modules(experiments.__path__)]
    modules = [importlib.import_module(name) for name in names]  # several have flags of the same names
    assert {"experiments.augment", "experiments.run", "experiments.training_maps"} <= set(names)
    assert [module.__name__ for module in modules] == names


def test_a_row_that_is_not_in_the_table_is_named(tmp_path):
    command = [sys.executable, "-m", "experiments.run", "--table=baselines", "--rows=no_lstm", f"--runs={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: --rows=no_lstm: no such row in baselines")
