"""The scores of a translator: good and blind ones are told apart, and everything stands beside real pictures."""

import json

import numpy as np
import pytest
from html_pages import Page
from picture_toys import SPACE, ToyTranslator, paint, toy_maps, toy_pairs
from rich.console import Console

from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import DataError
from segvae_jax.evaluation import evaluate_pictures
from segvae_jax.evaluation.evaluate_pictures import evaluate_translator
from segvae_jax.evaluation.networks import efficientnet, parser, picture_network
from segvae_jax.evaluation.networks.parser import train_parser
from segvae_jax.evaluation.networks.picture_network import PictureNetwork, open_network
from segvae_jax.evaluation.picture_scoring import PictureScorer
from segvae_jax.evaluation.report.page import write_report
from segvae_jax.evaluation.report.picture_gallery import PICTURES, picture_albums
from segvae_jax.evaluation.report.table import print_table
from segvae_jax.evaluation.rows import PICTURE_ROWS
from segvae_jax.labels import LabelSpace

MEANS = PictureNetwork("efficientnet_lite0", "0" * 64, lambda rgb: rgb.reshape(len(rgb), -1)[:, ::9] / np.float32(255))


@pytest.fixture(autouse=True, scope="module")
def _narrow():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "WIDTHS", (8, 12))
        yield


@pytest.fixture(scope="module")
def scorer():
    trained = train_parser(toy_pairs(0, 40), space=LabelSpace(SPACE.classes), seed=1, steps=150)
    return PictureScorer(toy_pairs(5, 20), trained, MEANS, seed=3)


@pytest.fixture(scope="module")
def scored(scorer):
    train, generated = paint(toy_maps(0, 30), 0), toy_maps(9, 20)
    return [scorer.score_translator(ToyTranslator(blind=blind), train, generated) for blind in (False, True)]


def value(scores, *place):
    for key in place:
        scores = scores[key]
    return scores["value"]


def test_a_blind_translator_scores_worse_than_one_that_sees_the_map(scored):
    sees, blind = scored
    assert list(sees) == ["generated", "translated_real", "real_vs_real"]
    for column in ("generated", "translated_real"):
        for place in (("frechet_efficientnet_lite0",), ("kid_efficientnet_lite0",)):
            assert value(sees[column], *place) < value(blind[column], *place)
        assert value(sees[column], "parser", "mean_iou") > 0.5 > 0.1 > value(blind[column], "parser", "mean_iou")
        assert len(sees[column]["parser"]["per_class"]) == len(SPACE.classes)
    assert sees["real_vs_real"] == blind["real_vs_real"]
    assert value(sees["real_vs_real"], "parser", "mean_iou") > value(sees["translated_real"], "parser", "mean_iou")
    floor, generated = (value(sees[name], "frechet_efficientnet_lite0") for name in ("translated_real", "generated"))
    assert floor < generated


def test_one_maps_pictures_differ_less_than_real_pictures(scored):
    for name in ("diversity_pixels", "diversity_efficientnet_lite0"):
        assert 0 < value(scored[0]["translated_real"], name) < value(scored[0]["real_vs_real"], name)
    assert "diversity_pixels" not in scored[0]["generated"]


def test_every_score_is_one_of_the_rows_and_json(scored):
    found = {row.place for row in PICTURE_ROWS for scores in scored[0].values() if row.find(scores)}
    assert found == {row.place for row in PICTURE_ROWS if "inception" not in row.place[0]}
    assert json.loads(json.dumps(scored[0])) == scored[0]
    assert len({row.title for row in PICTURE_ROWS}) == len({row.place for row in PICTURE_ROWS}) == len(PICTURE_ROWS)


def test_without_a_network_there_are_no_distances_and_few_training_pictures_make_none(scorer):
    translator, train = ToyTranslator(), paint(toy_maps(0, 8), 0)
    alone = PictureScorer(scorer.real, scorer.parser, None, 0).score_translator(translator, train, None)
    assert list(alone) == ["translated_real", "real_vs_real"]
    assert all(set(scores) == {"parser", "diversity_pixels"} for scores in alone.values())
    few = scorer.score_translator(translator, train, None)["real_vs_real"]
    assert "frechet_efficientnet_lite0" not in few and "diversity_efficientnet_lite0" in few
    with pytest.raises(DataError, match="3 held-out pictures: expected at least 4"):
        PictureScorer(scorer.real[:3], scorer.parser, None, 0).score_translator(translator, train, None)


def test_the_network_is_inception_where_its_weights_are_given_else_the_installed_one(monkeypatch):
    monkeypatch.setattr(picture_network.inception, "load_inception", lambda path: {})
    assert open_network("weights.pth").distance == "fid_inception"
    monkeypatch.setattr(efficientnet, "installed_weights", lambda: "x.pth")
    monkeypatch.setattr(efficientnet, "load_efficientnet", lambda path: {})
    assert open_network().distance == "frechet_efficientnet_lite0"
    monkeypatch.setattr(efficientnet, "installed_weights", lambda: None)
    assert open_network() is None


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    recipe = Recipe(size=(16, 12), image_size=(16, 12))
    return prepare(cartoon("faces", 40, 0), recipe, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def translator(prepared):
    return ToyTranslator(prepared.space, prepared.image_size)


@pytest.fixture(scope="module", params=[None, MEANS], ids=["no network", "network"])
def result(request, prepared, translator):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_pictures, "open_network", lambda weights: request.param)
        patch.setattr(evaluate_pictures, "train_parser", lambda *sets, **how: train_parser(*sets, **how, steps=2))
        return evaluate_translator(translator, prepared, seed=2)


def test_the_result_says_what_was_scored_and_what_is_missing(result, prepared):
    assert result["num_maps"] == result["splits"]["test"] == len(prepared.split("test"))
    assert result["parser"]["training_pairs"] == len(prepared.split("train"))
    if result["picture_network"] is None:
        assert "pip install 'segvae_jax[metrics]'" in result["omitted"]["pictures"]
    else:
        assert result["picture_network"]["name"] == "efficientnet_lite0" and not result["omitted"]


def test_the_table_and_the_page_show_the_pictures(result, prepared, translator, tmp_path):
    with (tmp_path / "table").open("w") as file:
        print_table(result, Console(width=100, file=file))
    table = (tmp_path / "table").read_text()
    assert "mIoU of the parser" in table and "translated" in table
    assert ("pip install" in table) == bool(result["omitted"])
    write_report(tmp_path, result | {"translator": "runs/t"}, prepared.space, picture_albums(translator, prepared))
    page = (tmp_path / "report.html").read_text()
    Page(page).assert_harmless()
    for text in ("Evaluation of runs/t", "<h2>Pictures", "mIoU of the parser", "real picture", "parser: per class"):
        assert text in page, text
    assert ("Frechet, EfficientNet-Lite0" in page) == bool(result["picture_network"])
    assert "<h2>Scores" not in page and "None" not in page


def test_albums_show_each_map_beside_its_pictures(prepared, translator):
    generated = np.ones((3, 16, 12), np.uint8)
    one, of_generated = picture_albums(translator, prepared, generated=generated, seed=4)
    row = one.rows[1]
    assert [each.ndim for each in row.index_maps] == [2] + [3] * (1 + PICTURES)
    example = prepared.split("test")[1]
    np.testing.assert_array_equal(row.index_maps[1], example["image"])
    assert len(of_generated.rows) == 3 and of_generated.rows[0].captions == ["generated", "picture"]
