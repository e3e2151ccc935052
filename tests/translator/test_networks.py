import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.translator.networks import Networks, Styles, as_bytes, as_floats


@pytest.mark.parametrize("size", [(8, 8), (24, 16), (16, 40)])
def test_pictures_have_the_size_of_the_map_and_do_not_depend_on_the_batch(size):
    networks = Networks(4, size, (6, 8), 2, 3, 2, 8, 5, (4, 6))
    params = networks.init(1)["params"]
    class_maps = jax.nn.one_hot(np.random.default_rng(0).integers(0, 4, (3, *size)), 4)
    pixels, style = networks.sample_pixels(0, jnp.arange(3)), Styles.empty(3).sample(0, jnp.arange(3))
    pictures = networks.translate(params, class_maps, pixels, style)
    assert pictures.shape == (3, *size, 3) and float(jnp.abs(pictures).max()) <= 1
    alone = networks.translate(params, class_maps[1:2], pixels[1:2], style[1:2])
    np.testing.assert_allclose(alone[0], pictures[1], atol=1e-5)
    for changed in (
        (class_maps[::-1], pixels, style),
        (class_maps, pixels + 1, style),
        (class_maps, pixels, style + 1),
    ):
        assert float(jnp.abs(networks.translate(params, *changed) - pictures).max()) > 1e-3


def test_styles_are_sampled_near_those_of_the_last_pictures_and_do_not_depend_on_the_batch():
    styles, numbers = Styles.empty(2), jnp.arange(400)
    assert abs(float(styles.sample(0, numbers).std()) - 1) < 0.1
    for step in range(3):  # 200 pictures a step: the first 88 give way to the last ones
        mu = jnp.full((200, 2), float(step))
        styles = styles.updated(step, mu, jnp.full_like(mu, -30.0))
    sampled = styles.sample(0, numbers)
    assert set(np.unique(np.round(sampled))) == {0.0, 1.0, 2.0}
    assert [int((styles.mu[:, 0] == value).sum()) for value in range(3)] == [112, 200, 200]
    np.testing.assert_array_equal(styles.sample(0, numbers[7:9]), sampled[7:9])
    assert (styles.sample(1, numbers) != sampled).any()


def test_first_weights_depend_on_the_seed_alone():
    networks = Networks(3, (8, 8), (4,), discriminator_widths=(4, 6))
    first, again, other = (networks.init(seed) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = [tree["params"]["generator"]["out"]["weights"]["kernel"] for tree in (first, other)]
    assert (kernels[0] != kernels[1]).any()


def test_bytes_and_floats_are_inverse_and_clipped():
    values = jnp.tile(jnp.arange(256, dtype=jnp.uint8), 3).reshape(16, 16, 3)
    np.testing.assert_array_equal(as_bytes(as_floats(values)), values)
    np.testing.assert_array_equal(as_bytes(jnp.array([[[-3.0, 0.0, 3.0]]])), [[[0, 128, 255]]])


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="image size 12 x 12"):
        Networks(3, (12, 12)).require_valid_sizes()
    Networks(3, (8, 8)).require_valid_sizes()
    for changed in ({"discriminator_widths": (4, 4, 4, 4)}, {"patch_discriminator": True}):
        with pytest.raises(ValueError, match=r"discriminator_widths has . widths, .*that 16 divides"):
            Networks(3, (8, 8), **changed).require_valid_sizes()


def test_a_patch_is_judged_by_its_picture_and_its_map():
    networks = Networks(4, (32, 16), discriminator_widths=(4, 6), patch_discriminator=True)
    variables = networks.init(0)
    of = {name: variables[name]["discriminator"] for name in ("params", "spectral")}
    picture, class_maps = jax.random.normal(jax.random.key(0), (2, 32, 16, 3)), jnp.zeros((2, 32, 16, 4))
    logits = networks.discriminator.apply(of, picture, class_maps)
    assert logits.shape == (2, 8 * 4 + 4 * 2)  # patches of 4 px, and of 8 px at half of the resolution
    for changed in ((-picture, class_maps), (picture, class_maps + 1)):
        assert float(jnp.abs(networks.discriminator.apply(of, *changed) - logits).max()) > 1e-3
