import functools
import json

import numpy as np
import pytest
from rich.console import Console

from segvae_jax.editing import Change, compose
from segvae_jax.errors import DataError, MapError
from segvae_jax.evaluation import scorer, suite
from segvae_jax.evaluation.map_set import MapSet
from segvae_jax.evaluation.metrics import anchors, two_sample
from segvae_jax.evaluation.networks import map_classifier, map_encoder
from segvae_jax.evaluation.networks.lpips import Lpips
from segvae_jax.evaluation.quick_scoring import Reference, score_quick, without_nan
from segvae_jax.evaluation.report.table import print_table
from segvae_jax.evaluation.rows import EDIT_ROWS, ROWS
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import label_set_of
from segvae_jax.sampling import Latents

SPACE = LabelSpace(("face", "eye", "hat"), covered_by=(("face", ("eye",)),))
KEYS = {"control", "fsd", "c2st", "frechet_random_cnn", "diversity", "memorisation", "specks"}
FULL_KEYS = KEYS | {
    "parts",
    "offsets",
    "adjacency",
    "symmetry",
    "frechet_map_encoder",
    "kid_random_cnn",
    "kid_map_encoder",
    "neighbours_random_cnn",
    "neighbours_map_encoder",
    "compatibility",
    "diversity_per_class",
    "diversity_map_encoder",
}


def _draw(seed, count):
    """Class maps of 8 x 6: a face, an eye over it, and a hat that hides part of it on every second."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((count, 8, 6, SPACE.num_channels), bool)
    for i, class_map in enumerate(maps):
        top, left = rng.integers(1, 4), rng.integers(0, 3)
        class_map[top : top + 4, left : left + 4, 1] = True
        class_map[top + rng.integers(1, 3), left + rng.integers(0, 3), 2] = True
        class_map[top - 1 : top + 1, left : left + 4, 3] = i % 2 == 0
    return maps


def _edit(index, kind, name, seed):
    """Takes the class out, whatever is asked."""
    asked = "add" if kind == "add" else "remove"
    nothing = np.zeros((1, 8, 6, SPACE.num_channels), np.float32)
    return compose(Change(SPACE, index, **{asked: (name,)}), nothing, nothing)


@pytest.fixture(scope="module", autouse=True)
def _one_split_into_folds():
    """Of each set, as the two-sample tests of few maps take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_sample, "STEADY", 12)
        patch.setattr(scorer, "MAX_SAMPLE_SETS", 2)
        yield


@pytest.fixture(scope="module")
def splits():
    return {"train": _draw(0, 30), "validation": _draw(1, 8), "test": _draw(2, 12)}


@pytest.fixture(scope="module")
def generate(splits):
    train = splits["train"]
    retrieve = lambda label_sets, seed: anchors.retrieval(
        label_sets, train, label_set_of(train), np.random.default_rng(seed)
    )
    return lambda label_sets, seed: scorer.painted(retrieve(label_sets, seed), SPACE)


@pytest.fixture(scope="module")
def result(splits, generate):
    soft = lambda class_maps: np.where(class_maps, 0.8, 0.02)
    return suite.run_suite(generate, soft, splits, SPACE, seed=5)


@pytest.fixture(scope="module")
def small_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_classifier, "STEPS", 2)
        patch.setattr(map_encoder, "fit_map_encoder", functools.partial(map_encoder.fit_map_encoder, steps=5))
        yield


@pytest.fixture(scope="module")
def full_anchors(splits, small_networks):
    return suite.score_anchors(splits, SPACE, suite="all", seed=5)


@pytest.fixture(scope="module")
def full_result(splits, generate, full_anchors):
    def infer(class_maps):
        mu = np.zeros((len(class_maps), 3, 2), np.float32)
        mu[::2, 1, 0] = 1
        return Latents(mu, 0 * mu, 0 * mu, 0 * mu, class_maps[..., 1:].any(axis=(1, 2)))

    more = {"infer": infer, "edit": _edit, "anchors": full_anchors}
    return suite.run_suite(generate, None, splits, SPACE, suite="all", seed=5, **more)


def test_the_visible_part_of_overlapping_soft_maps(monkeypatch):
    maps = _draw(0, 5)
    seen = scorer.visible(maps, SPACE)
    assert seen.sum(axis=-1).max() == 1 and seen[..., 2].sum() == (maps[..., 2] & ~maps[..., 3]).sum()
    np.testing.assert_array_equal(seen.any(axis=-1), maps.any(axis=-1))
    monkeypatch.setattr(scorer, "PAINT_CHUNK", 2)
    np.testing.assert_array_equal(scorer.visible(np.where(maps, 0.8, 0.02), SPACE), seen)


def test_every_row_is_scored_and_the_conditions_are_told(result):
    assert list(result["rows"]) == [
        "generated",
        "retrieval",
        "independent_parts",
        "mean_shape",
        "real_vs_real",
    ]
    assert all(set(row) == KEYS for row in result["rows"].values())
    assert result["num_maps"] == 12 and result["splits"] == {"train": 30, "validation": 8, "test": 12}
    assert result["real_vs_real_from_train"] == 4
    assert result["seed"] == 5 and result["area_threshold"] == 1 and result["size"] == [8, 6]
    assert set(result["versions"]) == {"segvae_jax", "jax", "numpy", "scikit-learn"}
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_figures_that_must_be(result):
    rows = result["rows"]
    # the model under test retrieves, from the same seed as the anchor
    assert rows["generated"] == rows["retrieval"]
    assert rows["generated"]["memorisation"]["nearest"]["value"] == pytest.approx(1)
    assert rows["real_vs_real"]["memorisation"]["nearest"]["value"] < 1
    assert rows["real_vs_real"]["diversity"]["same_label_set"]
    assert rows["mean_shape"]["diversity"]["value"] == pytest.approx(0, abs=1e-6)
    assert result["reconstruction"]["mean_iou"] == {"value": 1, "low": 1, "high": 1}
    assert result["reconstruction"]["per_class"] == [1, 1, 1]
    for row in rows.values():
        assert row["fsd"]["low"] <= row["fsd"]["value"] <= row["fsd"]["high"]
        assert row["frechet_random_cnn"]["value"] == pytest.approx(np.mean(row["frechet_random_cnn"]["by_network"]))


def test_the_full_suite_adds_rows_and_changes_none(result, full_result):
    assert result["suite"] == "quick" and full_result["suite"] == "all" and result["latent"] is None
    for name, row in full_result["rows"].items():
        assert set(row) == FULL_KEYS
        quick = result["rows"][name]
        assert row["c2st"].keys() - quick["c2st"].keys() == {"cnn"}
        assert row["c2st"] == {**quick["c2st"], "cnn": row["c2st"]["cnn"]}
        assert all(row[key] == quick[key] for key in KEYS - {"c2st"})
    assert full_result["reconstruction"] is None and result["edits"] is None
    assert full_result["map_encoder"]["seed"] == 0
    assert json.loads(json.dumps(full_result, allow_nan=False)) == full_result


def test_figures_of_the_full_suite_that_must_be(full_result):
    rows = full_result["rows"]
    assert rows["generated"] == rows["retrieval"]
    assert rows["mean_shape"]["diversity_map_encoder"]["value"] == 0
    for row in rows.values():
        # hats are on half of the real maps
        per_class = row["parts"]["height"]["per_class"]
        assert row["parts"]["height"]["value"] == pytest.approx(np.average(per_class, weights=[2, 2, 1]))
        # the eye is a pixel, which has no axis
        assert row["parts"]["orientation"]["per_class"][1] is None
        assert row["parts"]["log_area"]["low"] <= row["parts"]["log_area"]["value"] <= row["parts"]["log_area"]["high"]
        assert all(0 <= row["neighbours_map_encoder"][name]["value"] <= 1 for name in ("precision", "recall"))
    assert len({row["compatibility"]["held_out"]["value"] for row in rows.values()}) == 1
    # half of the maps are half a nat away in the second class of the drawing order
    assert full_result["latent"]["kl_per_class"] == pytest.approx([0, 0.25, 0])
    assert full_result["latent"]["kl"]["value"] == pytest.approx(0.25)
    assert full_result["latent"]["active_units"] == full_result["latent"]["active_units_beyond_prior"] == [0, 1, 0]


def test_every_row_has_its_place_in_the_scores(result, full_result):
    for scores in full_result["rows"].values():
        assert [row.title for row in ROWS if row.find(scores) is None] == [
            row.title for row in ROWS if row.suite == "weights"
        ]
    quick = {row.title for row in ROWS if row.find(result["rows"]["generated"])}
    assert quick == {row.title for row in ROWS if row.suite == "quick"}
    found = {row.place[0] for row in EDIT_ROWS if row.find(full_result["edits"]["restyle"])}
    assert found == {row.place[0] for row in EDIT_ROWS} - {"c2st"}


def test_edits_are_of_the_test_maps(splits, full_result):
    edits = full_result["edits"]
    assert edits["num_maps"] == 12 and edits["add"]["num_maps"] == 6  # hats, on the maps without one
    assert [edits[kind]["presence"]["value"] for kind in ("restyle", "add", "remove")] == [0, 0, 1]
    assert edits["add"]["presence"]["per_class"] == [None, None, 0]
    assert "c2st" not in edits["restyle"]  # from 20 maps on


def test_the_full_table_is_readable_at_80_columns(full_result):
    console = Console(width=80)
    with console.capture() as capture:
        print_table(full_result, console)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert "Edits of 12 held-out maps" in text and "rest unchanged" in text
    assert "Frechet, map encoder" in text and "of 2 units per class" in text and "Reconstruction" not in text


def test_identical_maps_score_zero(splits):
    real = scorer.visible(splits["test"], SPACE)
    reference = Reference.of(real, scorer.visible(splits["train"], SPACE))
    row = score_quick(real, label_set_of(real), reference, seed=0)
    assert row["fsd"]["value"] < 1e-6 and row["frechet_random_cnn"]["value"] < 1e-6
    assert row["control"]["exact"]["value"] == 1
    assert row["memorisation"]["nearest"] == row["memorisation"]["held_out"]


def test_the_table_is_readable_at_80_columns(result):
    console = Console(width=80)
    with console.capture() as capture:
        print_table(result, console)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    for phrase in (
        "generated",
        "independent",
        "exact label-set",
        "FSD x 1e4",
        "layout AUC",
        "outline AUC",
        "mIoU 1.000",
        "pt_inception-2015-12-05",
    ):
        assert phrase in text
    assert f"{result['rows']['generated']['fsd']['value']:.1f}" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert any(line.startswith("lower is better") for line in lines)
    groups = [set(group.split()) for line in lines for group in line.split(",") if "GENERATED" in group]
    assert len(groups) == 8 and all("retrieval" in group for group in groups), "the model under test retrieves"


@pytest.fixture(scope="module")
def scored_anchors(splits):
    return suite.score_anchors(splits, SPACE, seed=5)


def test_anchors_scored_once_serve_every_model(splits, generate, result, scored_anchors):
    told = []
    again = suite.run_suite(generate, None, splits, SPACE, seed=5, anchors=scored_anchors, progress=told.append)
    assert again["rows"] == result["rows"] and "scoring retrieval" not in told


@pytest.mark.parametrize("name", ["blank", "one map", "one class"])
def test_maps_without_variety_have_figures_and_are_told_from_real_ones(splits, scored_anchors, name):
    index = scorer.painted(splits["test"], SPACE)
    maps = {"blank": 0 * index, "one map": np.repeat(index[:1], 12, 0), "one class": 0 * index + 1}[name]
    result = suite.run_suite(MapSet(maps, None), None, splits, SPACE, seed=5, anchors=scored_anchors)
    row = result["rows"]["generated"]
    assert json.dumps(row) == json.dumps(without_nan(row)) and "null" not in json.dumps(row)
    assert min(row["c2st"][judge]["value"] for judge in two_sample.JUDGES) > 0.9
    assert row["diversity"]["value"] == 0


def test_every_figure_of_few_parts_has_an_interval(splits, full_anchors):
    """Every second map is blank, so that some resampled sets have too few parts to compare."""
    index = scorer.painted(splits["test"], SPACE) * (np.arange(12) % 2 == 0)[:, None, None]
    result = suite.run_suite(MapSet(index, None), None, splits, SPACE, suite="all", seed=5, anchors=full_anchors)
    row = result["rows"]["generated"]
    for estimate in (*row["parts"].values(), row["offsets"], row["compatibility"]["error"]):
        assert estimate["low"] <= estimate["value"] <= estimate["high"]


@pytest.mark.parametrize("other", [{"seed": 6}, {"suite": "all"}, {"test": 11}])
def test_anchors_of_something_else_are_refused(splits, generate, scored_anchors, other):
    given = {"seed": 5, **other}
    splits = {**splits, "test": splits["test"][: given.pop("test", None)]}
    with pytest.raises(DataError, match="score_anchors"):
        suite.run_suite(generate, None, splits, SPACE, **given, anchors=scored_anchors)


class _Colours(Lpips):
    """LPIPS in the colours themselves."""

    def layers(self, rgb):
        return [rgb.astype(np.float64)]


def test_lpips_is_scored_and_told_where_there_are_weights(splits, generate, result):
    lpips = _Colours({}, (np.ones(3),), ("", ""))
    rows = (scored := suite.run_suite(generate, None, splits, SPACE, seed=5, lpips=lpips))["rows"]
    assert rows["mean_shape"]["diversity_lpips"]["value"] == 0 < rows["retrieval"]["diversity_lpips"]["value"]
    for figures, told in ((scored, True), (result, False)):
        console = Console(width=200)
        with console.capture() as capture:
            print_table(figures, console)
        assert ("LPIPS" in capture.get()) == told


def test_without_a_posterior_there_is_no_row_of_reconstruction(splits, result, monkeypatch):
    monkeypatch.setattr(scorer.Scorer, "score", lambda *args: {})
    monkeypatch.setattr(suite, "_real_vs_real", lambda *args: ({}, 0))
    blank = lambda label_sets, seed: np.zeros((len(label_sets), 8, 6), np.uint8)
    assert suite.run_suite(blank, None, splits, SPACE)["reconstruction"] is None
    console = Console(width=80)
    with console.capture() as capture:
        print_table({**result, "reconstruction": None}, console)
    assert "Reconstruction" not in capture.get() and "exact label-set" in capture.get()


def test_the_table_shows_fid_where_it_was_computed(result):
    row = {**result["rows"]["generated"], "fid_inception": {"value": 12.34}}
    console = Console(width=100)
    with console.capture() as capture:
        print_table({**result, "rows": {**result["rows"], "generated": row}}, console)
    assert "generated 12.3" in capture.get()


def test_mistakes_are_named(splits):
    nothing = lambda *args: None
    with pytest.raises(DataError, match="'validation' is missing"):
        suite.run_suite(nothing, nothing, {"train": splits["train"], "test": splits["test"]}, SPACE)
    with pytest.raises(DataError, match="choose from quick, all"):
        suite.run_suite(nothing, nothing, splits, SPACE, suite="full")
    with pytest.raises(DataError, match=r"9 test .* at least 10"):
        suite.run_suite(nothing, nothing, {**splits, "test": splits["test"][:9]}, SPACE)
    with pytest.raises(MapError, match="validation maps"):
        suite.run_suite(nothing, nothing, {**splits, "validation": splits["test"][:, :5]}, SPACE)
    unknown = lambda label_sets, seed: np.full((len(label_sets), 8, 6), 4, np.uint8)
    with pytest.raises(MapError, match="class 4"):
        suite.run_suite(unknown, nothing, splits, SPACE)
