"""Each other model from a configuration to maps: it is trained for seconds, saved, loaded and sampled."""

import json

import jax
import numpy as np
import pytest
from tiny_config import get_config

from segvae_jax.configs import ablations, baselines, segvae_ablations
from segvae_jax.errors import CheckpointError, ConfigError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.registry import MODELS
from segvae_jax.sharding import device_mesh
from segvae_jax.training import loop
from segvae_jax.training.config import check
from segvae_jax.training.loop import train
from segvae_jax.training.setup import build_model, label_space, prepare_data

SETTINGS = {"num_steps": 20, "checkpoint_every": 20, "model.image_size": (8, 8), "model.draw_steps": 3,
            "data.num_maps": 60, "optimizer.learning_rate": 1e-2, "loss.kl_weight": 1e-3}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


# The fast tests train the default, and one other with a posterior and one of pixels; tests/model has those of each.
OTHERS = [
    pytest.param(name, marks=() if name in ("cvae_global", "hierarchical", "masked") else pytest.mark.slow)
    for name in sorted(set(MODELS) - {"segvae"})
]


@pytest.fixture(scope="module", params=OTHERS)
def workdir(request, prepared, tmp_path_factory):
    config = get_config()
    config.update_from_flattened_dict({**SETTINGS, "model.name": request.param, "data.prepared": str(prepared)})
    directory = tmp_path_factory.mktemp(request.param) / "run"
    with pytest.MonkeyPatch.context() as patch:  # one device: other tests cover several, which compile slowly
        patch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
        train(config, directory)
    return config, directory


def test_a_model_learns_and_draws_what_it_is_asked_for(workdir):
    config, directory = workdir
    totals = [json.loads(line)["total"] for line in (directory / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(totals[-5:]) < 0.95 * np.mean(totals[:5])
    generator = Generator.load(directory)
    assert generator.card.name == config.model.name
    asked = generator.space.encode(["skin", "hair"])
    index_maps = generator.generate_each(np.tile(asked, (4, 1)), seed=1)
    assert index_maps.shape == (4, 8, 8) and set(np.unique(index_maps)) <= {0, *np.flatnonzero(asked)}
    np.testing.assert_array_equal(generator.generate_each(np.tile(asked, (4, 1)), seed=1), index_maps)
    truth = np.zeros((2, 8, 8, len(asked)), bool)
    truth[:, 3:7, 1:6, asked] = True
    if generator.can_reconstruct:
        assert not generator.reconstruct(truth)[..., 1:][..., ~asked[1:]].any()
    else:
        with pytest.raises(CheckpointError, match=f"a {config.model.name} model has no posterior"):
            generator.reconstruct(truth)
    other = config.copy_and_resolve_references()
    other.model.name = "masked" if config.model.name != "masked" else "diffusion"
    with pytest.raises(CheckpointError, match="holds a model with name="):
        train(other, directory)


@pytest.mark.parametrize("experiment", [ablations, segvae_ablations, baselines], ids=lambda module: module.__name__)
def test_every_variant_is_another_experiment_of_a_model_that_can_be_built(experiment):
    space = LabelSpace(("skin", "hair"))
    configs = {name: experiment.get_config(name) for name in experiment.VARIANTS}
    for config in configs.values():
        check(config)
        build_model(config, space)
    flat = {json.dumps(config.to_dict(), sort_keys=True) for config in configs.values()}
    assert len(flat) == len(configs) - ("bce_dice" in configs)  # which is what its base has


def test_orders_by_area_are_found_in_the_training_maps(prepared):
    """In cartoon faces, hair and skin are large and eyes are small. The paint order stays the same."""
    config = get_config()
    config.update_from_flattened_dict({**SETTINGS, "data.prepared": str(prepared), "model.order": "area"})
    data = prepare_data(config)
    big_first = label_space(config, data)
    assert set(big_first.drawing_order[:2]) == {"hair", "skin"}
    assert big_first.paint_order == data.space.paint_order and big_first.classes == data.space.classes
    config.model.order = "organs_first"
    assert label_space(config, data).drawing_order == big_first.drawing_order[::-1]
    config.model.order = "random"
    assert label_space(config, data) == data.space


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("name", "gan", "expected one of hierarchical, segvae, cvae_global"),
        ("order", "size", "expected one of default, area, organs_first, random"),
        ("draw_steps", 0, "expected 1 to 1000"),
    ],
)
def test_an_unknown_model_or_order_is_named(key, value, expected):
    config = get_config()
    config.model[key] = value
    with pytest.raises(ConfigError, match=f"config.model.{key}=.*{expected}"):
        check(config)


def test_only_models_that_step_through_the_classes_have_random_orders():
    config = get_config()
    config.model.name, config.model.order = "masked", "random"
    with pytest.raises(
        ConfigError, match=r"config\.model\.order=random: expected model\.name=hierarchical or segvae, not masked"
    ):
        check(config)
