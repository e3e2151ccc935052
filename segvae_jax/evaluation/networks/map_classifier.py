"""The map classifier: a small network that is trained to tell two sets of maps apart, at full resolution."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

from segvae_jax.evaluation.networks.random_cnn import in_batches
from segvae_jax.model.convolution import conv
from segvae_jax.streams import seed_key

STEPS = 200
BATCH_SIZE = 32
WIDTH = 16  # channels of each layer
OUTLINE_LAYERS = 2
SMALLEST_SIDE = 4  # pixels of the last layer of the classes, or up to twice as many
SHIFT = 2  # pixels by which training maps are shifted at most
_OPTIMISER = optax.adamw(optax.cosine_decay_schedule(1e-2, STEPS), weight_decay=0.1)

Variables = dict[str, Any]  # parameters, and the statistics of the features
State = tuple[Variables, Any]  # and moments of the parameters


class MapClassifier(nn.Module):
    """Two stacks of strided convolutions, each of which halves the map, and a linear classifier.

    One stack reads where neighbouring pixels differ, whatever their classes: what an outline looks like in detail is
    learned from all classes at once. The other one reads the classes. The classifier gets the mean of every layer over
    the map, and every position of the last layer of the classes, which tells where the parts are.
    """

    @nn.compact
    def __call__(self, classes: Float[Array, "B H W K"], train: bool = False) -> Float[Array, "B"]:
        """Returns logits, above 0 for maps of side 1; in training, features are normalised by those of the batch."""
        depth = max(1, int(np.log2(min(classes.shape[1:3]) / SMALLEST_SIDE)))
        by_class = self._layers(classes, "classes", depth)
        layers = [*self._layers(outlines(classes), "outlines", OUTLINE_LAYERS), *by_class]
        features = [*(layer.mean(axis=(1, 2)) for layer in layers), by_class[-1].reshape(len(classes), -1)]
        normalised = nn.BatchNorm(use_running_average=not train, momentum=0.9)(jnp.concatenate(features, axis=-1))
        return nn.Dense(1, kernel_init=nn.initializers.zeros)(normalised)[:, 0]

    def _layers(self, x: Float[Array, "B H W I"], name: str, depth: int) -> list[Float[Array, "B _ _ _"]]:
        layers = []
        for level in range(depth):
            shape = 3, 3, x.shape[-1], WIDTH
            kernel = self.param(f"{name}_{level}_kernel", nn.initializers.he_normal(), shape)
            bias = self.param(f"{name}_{level}_bias", nn.initializers.normal(0.3), (1, 1, 1, WIDTH))
            layers.append(x := nn.relu(conv(x, kernel, 2, 1) + bias))
        return layers


def outlines(classes: Float[Array, "B H W K"]) -> Float[Array, "B H W 2"]:
    """1 where the class of a pixel differs from that of its lower and of its right neighbour, else 0."""
    differs = lambda axis: jnp.abs(jnp.diff(classes, axis=axis)).max(axis=-1)
    below, right = jnp.pad(differs(1), ((0, 0), (0, 1), (0, 0))), jnp.pad(differs(2), ((0, 0), (0, 0), (0, 1)))
    return jnp.stack([below, right], axis=-1)


def classify_maps(
    fit: Bool[np.ndarray, "N H W C"],
    side: Int[np.ndarray, "N"],
    held: Bool[np.ndarray, "M H W C"],
    *,
    seed: int,
) -> Float[np.ndarray, "M"]:
    """Trains a classifier on visible maps, and applies it to other maps.

    The loss is the cross-entropy, the optimiser AdamW. Each map of a batch is shifted at random by up to 2 pixels, and
    its border is repeated. The same maps and seed give the same weights on machines of the same kind.

    Args:
      fit: maps to train on.
      side: 1 or 0 for each of them.
      held: maps to score.
      seed: the seed of the weights, the batches and the shifts.

    Returns:
      a logit for each of `held`: higher where it looks like side 1.
    """
    blank = jnp.zeros((1, *fit.shape[1:3], fit.shape[-1] - 1))
    variables = MapClassifier().init(seed_key(seed), blank)
    state, rng = (variables, _OPTIMISER.init(variables["params"])), np.random.default_rng(seed)
    framed = np.pad(fit[..., 1:], ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="edge")
    for _ in range(STEPS):
        pick = rng.integers(len(fit), size=BATCH_SIZE)
        state = _step(state, _shifted(framed[pick], rng), side[pick])
    return in_batches(functools.partial(_logits, state[0]), held[..., 1:])


def _shifted(framed: Bool[np.ndarray, "B h w K"], rng: np.random.Generator) -> Bool[np.ndarray, "B H W K"]:
    """A window at a random place of each map."""
    height, width = (side - 2 * SHIFT for side in framed.shape[1:3])
    corners = rng.integers(2 * SHIFT + 1, size=(len(framed), 2))
    return np.stack([m[y : y + height, x : x + width] for m, (y, x) in zip(framed, corners, strict=True)])


@jax.jit
@jax.default_matmul_precision("highest")  # otherwise a GPU rounds the products, and its scores differ from a CPU's
def _step(state: State, classes: Bool[Array, "B H W K"], side: Int[Array, "B"]) -> State:
    variables, moments = state

    def loss(params: dict[str, Any]) -> tuple[Float[Array, ""], Variables]:
        inputs = {**variables, "params": params}, classes.astype(jnp.float32)
        logits, statistics = MapClassifier().apply(*inputs, train=True, mutable=["batch_stats"])
        return optax.sigmoid_binary_cross_entropy(logits, side).mean(), dict(statistics)

    gradient, statistics = jax.grad(loss, has_aux=True)(variables["params"])
    updates, moments = _OPTIMISER.update(gradient, moments, variables["params"])
    return {"params": optax.apply_updates(variables["params"], updates), **statistics}, moments


@jax.jit
@jax.default_matmul_precision("highest")
def _logits(variables: Variables, classes: Bool[Array, "B H W K"]) -> Float[Array, "B"]:
    logits: Any = MapClassifier().apply(variables, classes.astype(jnp.float32))
    return logits
