"""The report of an evaluation, of a model and of given maps: what the page shows, and that it needs no other file."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from full_disk import small_files
from html_pages import HOSTILE, Page

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.errors import OutputError
from segvae_jax.evaluation.evaluate import evaluate
from segvae_jax.evaluation.map_set import MapSet
from segvae_jax.evaluation.report.gallery import SAMPLES, STEPS, Album, Row, albums
from segvae_jax.evaluation.report.page import write_report
from segvae_jax.evaluation.scorer import painted
from segvae_jax.evaluation.target import EvaluationTarget
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import label_set_of
from segvae_jax.model.protocol import init_variables

ROOT = pathlib.Path(__file__).parents[3]
SPACE = LabelSpace(("face", "eye", "hat"), covered_by=(("face", ("eye",)),))
ARGUMENTS = {
    "image_size": (8, 8), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "spectral_norm": False,
    "gain": 1.0,
}  # fmt: skip


def draw(seed, count):
    """Class maps of a face with an eye, and a hat on every second."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((count, 8, 8, 4), bool)
    for i, class_map in enumerate(maps):
        top, left = rng.integers(1, 4), rng.integers(0, 4)
        class_map[top : top + 4, left : left + 4, 1] = True
        class_map[top + rng.integers(1, 3), left + rng.integers(0, 3), 2] = True
        class_map[top - 1 : top + 1, left : left + 4, 3] = i % 2 == 0
    return maps


@pytest.fixture(scope="module")
def splits():
    return {"train": draw(0, 30), "validation": draw(1, 8), "test": draw(2, 10)}


@pytest.fixture(scope="module")
def trained(splits) -> EvaluationTarget:
    card = ModelCard(SPACE, ARGUMENTS, np.zeros((0, 4), bool), np.zeros(0, int))
    generator = Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))
    return EvaluationTarget(
        SPACE, splits, generator.generate_each, generator, {"checkpoint": "runs/x", "weights_hash": "0123456789ab"}
    )


@pytest.fixture(scope="module")
def copies(splits) -> EvaluationTarget:
    """Training maps, one of them without its hat."""
    given = MapSet(painted(splits["train"][:10], SPACE), label_set_of(splits["train"][:10]))
    given.index_maps[4][given.index_maps[4] == 3] = 0
    return EvaluationTarget(SPACE, splits, given, None, {"maps": "elsewhere", "maps_hash": "0123456789ab"})


@pytest.fixture(scope="module")
def scored_copies(copies):
    return evaluate(copies, seed=5)


def titled(target, title):
    return next(album for album in albums(target, seed=5) if album.title == title)


def page_of(result, target, tmp_path):
    write_report(tmp_path / "out", result, SPACE, albums(target, seed=5))
    assert json.loads((tmp_path / "out/scores.json").read_text()) == result
    return (tmp_path / "out/report.html").read_text()


def test_the_page_of_a_model(trained, tmp_path):
    told = []
    result = evaluate(trained, seed=5, progress=told.append)
    page = page_of(result, trained, tmp_path)
    assert result["suite"] == "quick" and result["weights_hash"] == "0123456789ab"
    assert list(result["omitted"]) == ["fid_inception", "diversity_lpips"] and "scoring reconstructions" in told
    for text in ("exact label-set", "FSD x 1e4", "reconstruction: per class", "control: miss rate", "real vs real"):
        assert text in page
    for title in ("One label-set, many maps", "Closest to training", "From one map to another", "versions: jax"):
        assert title in page
    Page(page).assert_harmless()
    Page(page).assert_fits_phones()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scores.json", "report.html"}


def test_names_are_text_on_the_page(scored_copies, tmp_path):
    space = LabelSpace(HOSTILE)
    named = dict(zip(SPACE.classes, HOSTILE, strict=True))
    result = {**scored_copies, "classes": [*HOSTILE], "maps": HOSTILE[0], "omitted": {HOSTILE[1]: HOSTILE[2]}}
    result["rows"] = {HOSTILE[1]: scored_copies["rows"]["generated"], **scored_copies["rows"]}
    result["rows"]["generated"] = {**result["rows"]["generated"], "w1": {"area": {n: 0.5 for n in named.values()}}}
    row = Row(HOSTILE[0], np.zeros((1, 2, 2), np.uint8), [HOSTILE[1]])
    write_report(tmp_path, result, space, [Album(HOSTILE[2], HOSTILE[0], [row])])
    page = Page((tmp_path / "report.html").read_text())
    page.assert_harmless()
    assert page.count("img") == 1 and dict(page.tags)["img"]["alt"] == HOSTILE[1]
    for text in (f"Evaluation of {HOSTILE[0]}", f"{HOSTILE[1]}: {HOSTILE[2]}", *HOSTILE):
        assert text in page.texts, text
    assert all(page.texts.count(name) >= 2 for name in HOSTILE)


def test_rows_that_nobody_knew_of_appear_in_the_page(scored_copies, tmp_path):
    result = json.loads(json.dumps(scored_copies))
    result["rows"]["generated"]["harmony"] = {"error": {"value": 0.4321, "low": 0.4, "high": 0.5}}
    result["rows"]["generated"]["w1"] = {"log_area": {"face": 0.777, "hat": 0.666}}
    result["latents"] = {"active_units": {"value": 11.5}, "kl": [0.25, 0.125, 0.0625]}
    write_report(tmp_path, result, SPACE, ())
    page = (tmp_path / "report.html").read_text()
    for text in ("harmony: error", "0.432 (0.400 to 0.500)", "w1: log area", "0.777", "latents: active units",
                 "11.5", "latents: kl", "0.0625"):  # fmt: skip
        assert text in page, text


def test_kinds_of_edits_stand_beside_one_another(scored_copies, tmp_path):
    seen = lambda value: {"presence": {"value": value, "low": value, "high": value, "per_class": [0.123, None, 0.5]}}
    tested = {"c2st": {"outline": {"value": 0.654, "sd": 0.02}, "num_maps": 5}}
    edits = {"num_maps": 77, "restyle": seen(0.911) | tested, "add": seen(0.922), "remove": None}
    write_report(tmp_path, {**scored_copies, "edits": edits}, SPACE, ())
    page = (tmp_path / "report.html").read_text()
    section = page[page.index("<h2>Edits") : page.index("<h2>By class")]
    assert "77 held-out maps" in section and '<th scope="col">restyle</th><th scope="col">add</th></tr>' in section
    assert section.index("0.911") < section.index("0.922") < section.index("0.654 +- 0.0200")
    assert page.count("0.911 (") == 1 and "edits: restyle: presence: per class" in page and "0.123" in page
    assert "<h2>Edits" not in _page_without_edits(scored_copies, tmp_path)


def _page_without_edits(result, tmp_path):
    write_report(tmp_path, result, SPACE, ())
    return (tmp_path / "report.html").read_text()


def test_given_maps_are_scored_as_they_are_and_what_is_missing_says_why(copies, scored_copies, tmp_path):
    result, page = scored_copies, page_of(scored_copies, copies, tmp_path)
    row = result["rows"]["generated"]
    assert row["memorisation"]["nearest"]["value"] > 0.95 and row["diversity"]["same_label_set"]
    assert row["control"]["exact"]["value"] == pytest.approx(0.9)
    assert set(result["omitted"]) == {"reconstruction", "fid_inception", "diversity_lpips"}
    assert "there is no posterior" in page and "nothing can be interpolated" in page
    unknown = EvaluationTarget(SPACE, copies.splits, MapSet(copies.source.index_maps, None), None, copies.identity)
    result = evaluate(unknown, seed=5)
    assert "control" not in result["rows"]["generated"] and "label_sets.txt" in result["omitted"]["control"]
    assert not titled(unknown, "Without a requested class").rows


def test_albums_show_the_closest_the_failed_and_the_farthest(copies, trained):
    closest = titled(copies, "Closest to training")
    assert [row.text for row in closest.rows[:3]] == ["mIoU 1.00"] * 3
    np.testing.assert_array_equal(*closest.rows[0].index_maps)
    farthest = titled(copies, "Least like any training map").rows[0]
    np.testing.assert_array_equal(farthest.index_maps[0], copies.source.index_maps[4])
    missing = titled(copies, "Without a requested class")
    assert missing.rows[0].captions == ["hat"] and "of 1 that lack a class" in missing.text
    np.testing.assert_array_equal([*missing.rows[0].index_maps], copies.source.index_maps[4:5])
    ways = titled(trained, "From one map to another").rows
    end = trained.generator.generate(["face", "eye"], seed=6)[0]
    way = next(row for row in ways if row.text == "face, eye")
    assert len([*way.index_maps]) == STEPS
    np.testing.assert_array_equal(np.stack([*way.index_maps])[-1], end)


def test_samples_of_a_label_set_stand_behind_a_real_map(copies, trained):
    for target in (trained, copies):
        for row in titled(target, "One label-set, many maps").rows:
            drawn = np.stack([*row.index_maps])
            assert row.captions[0] == "held out" and 2 < len(drawn) <= 1 + SAMPLES
            real = drawn[0]
            assert {SPACE.names[i] for i in np.unique(real)} - {"background"} == set(row.text.split(", "))
            assert any((real == truth).all() for truth in painted(target.splits["test"], SPACE))


def test_a_folder_that_cannot_be_written_to_is_named(scored_copies, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        write_report(tmp_path / "file", scored_copies, SPACE, ())


def test_scores_and_report_get_their_names_together(scored_copies, tmp_path):
    write_report(tmp_path, scored_copies, SPACE, ())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    longer = {**scored_copies, "checkpoint": "x" * len(before["scores.json"])}
    with small_files(len(before["report.html"])), pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path, longer, SPACE, ())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_script_says_in_a_line_that_there_is_nothing_to_score():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(ROOT / "eval.py")], env=environment, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and last.startswith("error: nothing to score: give --checkpoint=DIR, or --maps=DIR")
