"""The map encoder: a small network that is trained on the training maps to predict a class from all other classes.

It has two uses. Its layers are features of a map (Frechet, kernel, neighbours, diversity). Its predictions tell whether
the parts of a map fit together. Predicting a held-out channel from the others needs no labels (Zhang et al. 2017,
"Split-brain autoencoders"; Pathak et al. 2016, "Context encoders"). Training and features need class maps in which
covered classes are complete: otherwise a class that is taken out leaves a hole of its shape in the class below it.
"""

import functools
import hashlib
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from segvae_jax import maps
from segvae_jax.errors import DataError
from segvae_jax.evaluation.networks.random_cnn import in_batches
from segvae_jax.model.convolution import conv
from segvae_jax.model.losses import bce_dice
from segvae_jax.streams import seed_key

SEED = 0
STEPS = 400
BATCH_SIZE = 32
LEARNING_RATE = 3e-3
WIDTHS = (24, 48, 64)  # each layer halves the map
SHORT_SIDE = 64  # larger maps are resized to this short side
PAIRS = 1024  # pairs of a map and a held-out class per chunk: 80 MB at 64 x 64 x 19

Params = dict[str, Any]
Layers = list[Float[np.ndarray, "N _ _ _"]]


class MapNetwork(nn.Module):
    """Three strided convolutions down, the sum of their projections up, and a mask for every class.

    Attributes:
      num_classes: K, without the background.
    """

    num_classes: int

    @nn.compact
    def __call__(self, classes: Float[Array, "B H W K"]) -> tuple[list[Float[Array, "B _ _ _"]], Array]:
        """Returns the layers on the way down, and the logits of the masks `[B, H, W, K]`."""
        layers = [classes]
        for level, width in enumerate(WIDTHS):
            layers.append(nn.relu(self._convolve(layers[-1], f"down_{level}", 3, width, stride=2)))
        x = jnp.zeros_like(layers[-1][..., : WIDTHS[0]])
        for level, layer in reversed(list(enumerate(layers[1:]))):
            x = _resized(x, layer) + self._convolve(layer, f"across_{level}", 1, WIDTHS[0])
            x = x + self._convolve(nn.relu(x), f"up_{level}", 3, WIDTHS[0])
        return layers[1:], _resized(self._convolve(nn.relu(x), "masks", 3, self.num_classes), classes)

    def _convolve(self, x: Float[Array, "B h w I"], name: str, size: int, width: int, stride: int = 1) -> Array:
        kernel = self.param(f"{name}_kernel", nn.initializers.he_normal(), (size, size, x.shape[-1], width))
        return conv(x, kernel, stride, size // 2) + self.param(f"{name}_bias", nn.initializers.zeros, (1, 1, 1, width))


def _resized(x: Float[Array, "B h w D"], like: Float[Array, "B H W _"]) -> Float[Array, "B H W D"]:
    return jax.image.resize(x, (*like.shape[:3], x.shape[-1]), "bilinear")


@jax.default_matmul_precision("highest")  # otherwise a GPU rounds the products, and its scores differ from a CPU's
def fit_map_encoder(train: Bool[np.ndarray, "T H W C"], *, seed: int = SEED, steps: int = STEPS) -> Params:
    """Trains on random classes of random maps: the class is blanked, and its mask is predicted from the others.

    The loss is `bce_dice` of that mask, the optimiser Adam with a cosine decay to zero. The same maps and seed give the
    same weights on machines of the same kind; compare the hashes of `describe`.

    Raises:
      DataError: if no map has a class.
    """
    small = _small(train)
    rows, channels = np.nonzero(maps.label_set_of(small))
    if not len(rows):
        raise DataError("the training maps are blank: the map encoder needs maps with classes")
    network = MapNetwork(small.shape[-1] - 1)
    optimiser = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))
    blank = jnp.zeros((1, *small.shape[1:3], network.num_classes))
    params = network.init(seed_key(seed), blank)["params"]
    state = params, optimiser.init(params)
    rng = np.random.default_rng(seed)
    for pick in rng.integers(len(rows), size=(steps, BATCH_SIZE)):
        state = _step(network, optimiser, state, small[rows[pick], ..., 1:], channels[pick] - 1)
    return jax.device_get(state[0])


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(
    network: MapNetwork,
    optimiser: optax.GradientTransformation,
    state: tuple[Params, Any],
    classes: Bool[Array, "B H W K"],
    held_out: Int[Array, "B"],
) -> tuple[Params, Any]:
    def loss(params: Params) -> Float[Array, ""]:
        logits, truth = _predict(network, params, classes, held_out)
        return bce_dice(logits, truth).mean()

    params, moments = state
    updates, moments = optimiser.update(jax.grad(loss)(params), moments)
    return optax.apply_updates(params, updates), moments


def _predict(
    network: MapNetwork, params: Params, classes: Bool[Array, "B H W K"], held_out: Int[Array, "B"]
) -> tuple[Float[Array, "B H W"], Float[Array, "B H W"]]:
    """Logits of the mask of the held-out class, predicted from maps in which it is blanked, and the true mask."""
    chosen = jax.nn.one_hot(held_out, network.num_classes)[:, None, None]
    truth = classes.astype(jnp.float32)
    output: Any = network.apply({"params": params}, truth * (1 - chosen))
    return (output[1] * chosen).sum(-1), (truth * chosen).sum(-1)


def describe(params: Params) -> dict[str, Any]:
    """SHA-256 of the weights, sorted by name, and the seed and number of steps that gave them."""
    leaves = sorted((jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params))
    digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for _, leaf in leaves))
    return {"sha256": digest.hexdigest(), "seed": SEED, "steps": STEPS}


def map_layers(params: Params, class_maps: Bool[np.ndarray, "N H W C"]) -> Layers:
    """The layers on the way down for whole maps: features of every position, never negative."""
    return in_batches(functools.partial(_layers, params), _small(class_maps)[..., 1:])


def map_features(params: Params, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N D"]:
    """Mean over all positions of every layer: D = 136."""
    pooled = lambda classes: jnp.concatenate([layer.mean((1, 2)) for layer in _layers(params, classes)], axis=-1)
    return in_batches(pooled, _small(class_maps)[..., 1:])


@jax.jit
@jax.default_matmul_precision("highest")
def _layers(params: Params, classes: Bool[Array, "B H W K"]) -> list[Float[Array, "B _ _ _"]]:
    return MapNetwork(classes.shape[-1]).apply({"params": params}, classes.astype(jnp.float32))[0]


def held_out_iou(params: Params, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C"]:
    """IoU of each class with its prediction from the other classes of the map, in 0..1; NaN if the class is absent."""
    small = _small(class_maps)
    rows, channels = np.nonzero(maps.label_set_of(small))
    iou = np.full(small.shape[::3], np.nan)
    for start in range(0, len(rows), PAIRS):
        some = rows[start : start + PAIRS], channels[start : start + PAIRS]
        iou[some] = in_batches(functools.partial(_iou, params), small[some[0]][..., 1:], some[1] - 1)
    return iou


@jax.jit
@jax.default_matmul_precision("highest")
def _iou(params: Params, classes: Bool[Array, "B H W K"], held_out: Int[Array, "B"]) -> Float[Array, "B"]:
    logits, truth = _predict(MapNetwork(classes.shape[-1]), params, classes, held_out)
    predicted, true = logits > 0, truth > 0
    return (predicted & true).sum((1, 2)) / jnp.maximum((predicted | true).sum((1, 2)), 1)


def _small(class_maps: Bool[np.ndarray, "N H W C"]) -> Bool[np.ndarray, "N h w C"]:
    """The maps, resized by `maps.resize` to a short side of at most 64."""
    height, width = class_maps.shape[1:3]
    scale = max(1.0, min(height, width) / SHORT_SIDE)
    size = round(height / scale), round(width / scale)
    return class_maps if size == (height, width) else np.stack([maps.resize(x, size) for x in class_maps])
