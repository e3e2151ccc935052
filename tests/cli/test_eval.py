"""eval.py with a translator: alone, and beside given maps; and flags that do not go together."""

import json

import pytest
from picture_toys import ToyTranslator

from segvae_jax import pictures
from segvae_jax.cli import eval as command
from segvae_jax.cli.script import run_command
from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.evaluation import evaluate_pictures, scorer
from segvae_jax.evaluation.metrics import two_sample
from segvae_jax.evaluation.networks import parser
from segvae_jax.evaluation.networks.parser import train_parser
from segvae_jax.evaluation.pairs import read_pairs

SIZE = (16, 12)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    return prepare(cartoon("faces", 80, 0), Recipe(size=SIZE, image_size=SIZE), directory)


@pytest.fixture
def run(monkeypatch, prepared, tmp_path):
    """Runs the command with a toy for a translator; returns its status and the scores that it wrote."""
    monkeypatch.setattr(parser, "WIDTHS", (4,))
    monkeypatch.setattr(evaluate_pictures, "train_parser", lambda *sets, **how: train_parser(*sets, **how, steps=2))
    monkeypatch.setattr(evaluate_pictures, "open_network", lambda weights: None)
    monkeypatch.setattr(command, "load_translator", lambda directory: ToyTranslator(prepared.space, SIZE))

    def runner(*words):
        status = run_command(command, [*words, f"--out={tmp_path / 'out'}"])
        scores = tmp_path / "out" / "scores.json"
        return status, json.loads(scores.read_text()) if scores.is_file() else None

    return runner


def test_a_translator_alone_is_scored_on_held_out_maps(run, prepared, tmp_path, capsys):
    status, scores = run("--translator=runs/t", f"--data={prepared.directory}")
    assert status == 0 and scores["translator"] == "runs/t" and "rows" not in scores
    assert set(scores["pictures"]) == {"num_maps", "translated_real", "real_vs_real"}
    assert "mIoU of the parser" in capsys.readouterr().out
    assert "One map, many pictures" in (tmp_path / "out" / "report.html").read_text()


def test_given_maps_are_scored_and_translated(run, prepared, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(two_sample, "STEADY", 10)  # one split into folds, of one set: the tests take long
    monkeypatch.setattr(scorer, "MAX_SAMPLE_SETS", 1)
    index_maps = read_pairs(prepared, "train", 12).index_maps
    pictures.write_index_pngs(tmp_path / "maps", index_maps, prepared.space)
    words = f"--maps={tmp_path / 'maps'}", f"--data={prepared.directory}", "--max_test=10"
    status, scores = run("--translator=runs/t", *words)
    assert status == 0 and "fsd" in scores["rows"]["generated"]
    assert scores["num_maps"] == scores["pictures"]["num_maps"] == 10 and "generated" in scores["pictures"]
    assert {"pictures", "control"} <= set(scores["omitted"])
    printed = capsys.readouterr().out
    assert "exact label-set" in printed and "Pictures against 10 held-out real pictures" in printed
    assert "Generated maps and their pictures" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--translator=runs/t"], "nothing to translate: give --data=DIR"),
        (["--checkpoint=x", "--inception_weights=w.pth"], "give --fid as well"),
        ([], "nothing to score"),
    ],
)
def test_what_is_missing_is_one_line(run, words, message, capsys):
    status, scores = run(*words)
    error = capsys.readouterr().err
    assert status == 2 and scores is None and message in error and error.count("\n") == 1


def test_data_without_pictures_are_one_line(run, tmp_path, capsys):
    maps_alone = prepare(cartoon("faces", 80, 0), Recipe(size=SIZE), tmp_path / "maps_alone")
    assert run("--translator=runs/t", f"--data={maps_alone.directory}")[0] == 2
    assert "has maps only, no pictures: prepare it with --image_size" in capsys.readouterr().err
