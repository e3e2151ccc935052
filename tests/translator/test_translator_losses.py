import jax
import jax.numpy as jnp
import numpy as np

from segvae_jax.translator.losses import BY_PIXEL, HINGE, class_loss, fake_loss, label_mix, mix_loss, style_divergence


def one_hot(indices):
    return jax.nn.one_hot(jnp.asarray(indices), 2)


def test_classes_of_a_batch_count_alike_and_pixels_without_a_class_do_not_count():
    class_maps = one_hot([[[0, 0, 0, 1, -1]]])
    logits = jnp.log(jnp.array([[[[0.5, 0.3, 0.2]] * 3 + [[0.1, 0.2, 0.7]] + [[0.9, 0.05, 0.05]]]]))
    np.testing.assert_allclose(class_loss(logits, class_maps), -(np.log(0.5) + np.log(0.2)) / 2, rtol=1e-6)
    np.testing.assert_allclose(fake_loss(logits, class_maps), -(3 * np.log(0.2) + np.log(0.7)) / 4, rtol=1e-6)


def test_a_mask_takes_whole_classes():
    class_maps = one_hot(np.random.default_rng(0).integers(0, 2, (64, 3, 5)))
    mask = label_mix(jax.random.key(0), class_maps)
    means = (class_maps * mask).sum((1, 2)) / class_maps.sum((1, 2))
    assert set(np.unique(means)) == {0.0, 1.0} and 0.3 < float(means.mean()) < 0.7


def test_mixed_logits_of_a_pixelwise_judge_are_consistent():
    real, fake = jax.random.normal(jax.random.key(1), (2, 2, 3, 3, 4))
    mask = jnp.zeros((2, 3, 3, 1)).at[0].set(1.0)
    mixed = jnp.stack([real[0], fake[1]])
    assert float(mix_loss(mask, real, fake, mixed)) == 0.0
    assert float(mix_loss(mask, real, fake, mixed + 2)) == 4.0


def test_a_standard_normal_style_has_no_divergence():
    assert float(style_divergence(jnp.zeros((2, 3)), jnp.zeros((2, 3)))) == 0.0
    np.testing.assert_allclose(style_divergence(jnp.full((1, 3), 2.0), jnp.zeros((1, 3))), 6.0)


def test_the_hinge_counts_logits_on_the_wrong_side_of_the_margin():
    logits, class_maps = jnp.array([[2.0, 0.5, -3.0]]), one_hot([[[0]]])
    assert float(HINGE.real(logits, class_maps)) == (0.5 + 4.0) / 3
    assert float(HINGE.fake(logits, class_maps)) == (3.0 + 1.5) / 3
    np.testing.assert_allclose(HINGE.generator(logits, class_maps), 0.5 / 3, rtol=1e-6)
    assert (BY_PIXEL.real, BY_PIXEL.fake, BY_PIXEL.generator) == (class_loss, fake_loss, class_loss)
