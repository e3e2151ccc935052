"""A new model begins with the weights of a trained one: equal classes meet, whatever their channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import by_name, normal, random_variables

from segvae_jax.model.hierarchical import Hierarchical
from segvae_jax.model.protocol import NUM_MOVES
from segvae_jax.model.transfer import transferred

SMALL = {"image_size": (8, 8), "widths": (3, 4), "context_dim": 7, "hidden_dim": 5, "latent_dim": 3,
         "latent_channels": (2, 1)}  # fmt: skip
CHANNELS = (0, 3, 1, 2)  # of the trained model, for those of the new one


def variables(order=(1, 2, 3), seed=0, **changes):
    model = Hierarchical(1 + len(order), order, **{**SMALL, **changes})
    return model, jax.tree.map(lambda a: np.asarray(a) + np.float32(0.01 * seed), random_variables(model))


def output(model, params, label_set, class_maps, moves):
    eps = normal(2, *model.noise_shape, seed=2)
    return model.apply({"params": jax.tree.map(jnp.asarray, params)}, class_maps, label_set, eps, moves=moves)


@pytest.mark.parametrize("told", [{}, {"augment_labels": True}, {"augment_labels": True, "flip_labels": True}])
def test_a_model_of_the_same_classes_in_other_channels_computes_the_same(told):
    trained, weights = variables(order=(3, 1, 2), **told)
    new, fresh = variables(order=(1, 2, 3), seed=1, **told)
    params, share = transferred(fresh["params"], weights["params"], CHANNELS)
    label_set = jnp.array([[0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    class_maps = (normal(2, 8, 8, 4, seed=1) > 0) * label_set[:, None, None]
    moves = normal(2, NUM_MOVES, seed=3) if told else None
    back = np.argsort(CHANNELS)
    ours = output(new, params, label_set, class_maps, moves)
    theirs = output(trained, weights["params"], label_set[:, back], class_maps[..., back], moves)
    assert share == 1
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_classes_and_moves_that_the_trained_model_lacks_stay_fresh():
    _, weights = variables(order=(1, 2))
    _, fresh = variables(seed=1, augment_labels=True)
    params, share = transferred(fresh["params"], weights["params"], (0, None, 2, 1))
    old, before, after = (by_name(tree) for tree in (weights["params"], fresh["params"], params))
    table, known = "canvas_encoder/table", "conditions/hidden/weights/kernel"
    np.testing.assert_array_equal(after[table], [old[table][0], before[table][1], old[table][2], old[table][1]])
    source = [0, None, 2, 1, None, None, None, None, 3, None, 5, 4]
    expected = [before[known][at] if row is None else old[known][row] for at, row in enumerate(source)]
    np.testing.assert_array_equal(after[known], expected)
    assert share == 1 and not np.array_equal(after[table][1], old[table][1])


def test_a_model_that_is_told_of_flips_takes_what_the_trained_one_knows_of_moves():
    _, weights = variables(order=(1, 2, 3), augment_labels=True)
    _, fresh = variables(seed=1, augment_labels=True, flip_labels=True)
    params, _ = transferred(fresh["params"], weights["params"], (0, 1, 2, 3))
    known = "conditions/hidden/weights/kernel"
    old, before, after = (by_name(tree)[known] for tree in (weights["params"], fresh["params"], params))
    np.testing.assert_array_equal(after, np.concatenate([old[:8], before[8:9], old[8:]]))


def test_arrays_of_other_sizes_stay_fresh_and_do_not_count():
    _, weights = variables()
    _, fresh = variables(seed=1, context_dim=9, latent_groups=2)
    params, share = transferred(fresh["params"], weights["params"], (0, 1, 2, 3))
    old, before, after = (by_name(tree) for tree in (weights["params"], fresh["params"], params))
    fits = {name for name in before if name in old and old[name].shape == before[name].shape}
    assert {name for name in before if not np.array_equal(after[name], before[name])} == fits
    assert share == sum(before[name].size for name in fits) / sum(array.size for array in before.values())
    assert 0.1 < share < 0.9


def test_a_model_of_larger_maps_takes_the_networks_of_the_same_resolutions():
    _, weights = variables(widths=(3, 4, 5), image_size=(16, 24))
    _, fresh = variables(seed=1, widths=(2, 3, 4, 5), image_size=(32, 48))
    params, share = transferred(fresh["params"], weights["params"], (0, 1, 2, 3))
    old, before, after = (by_name(tree) for tree in (weights["params"], fresh["params"], params))
    same = "canvas_encoder/blocks_{}/conv_1/weights/kernel"
    np.testing.assert_array_equal(after[same.format(2)], old[same.format(1)])
    np.testing.assert_array_equal(after[same.format(1)], old[same.format(0)])
    np.testing.assert_array_equal(after[same.format(0)], before[same.format(0)])  # no network of the other has it
    for name in ("decoder/block_2/conv_0/weights/kernel", "canvas_encoder/out/weights/kernel"):
        np.testing.assert_array_equal(after[name], old[name])
    assert 0.8 < share < 1
