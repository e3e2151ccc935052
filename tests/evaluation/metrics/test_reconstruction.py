import numpy as np

from segvae_jax.evaluation.metrics.reconstruction import reconstruction_iou


def test_by_hand():
    index = np.array([[[1, 1, 2, 0]], [[1, 0, 0, 0]]])
    again = np.array([[[1, 0, 2, 2]], [[1, 0, 0, 0]]])
    truth, reconstructed = (x[..., None] == np.arange(4) for x in (index, again))
    result = reconstruction_iou(truth, reconstructed)
    np.testing.assert_allclose(result.mean_iou, [1 / 2, 1])
    np.testing.assert_allclose(result.per_class, [np.nan, 3 / 4, 1 / 2, np.nan])


def test_a_class_that_is_not_there_costs():
    truth = np.array([[[1, 1, 0, 0]]])[..., None] == np.arange(3)
    invented = np.array([[[1, 1, 2, 0]]])[..., None] == np.arange(3)
    np.testing.assert_allclose(reconstruction_iou(truth, invented).mean_iou, [1 / 2])
