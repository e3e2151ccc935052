"""The parser: a small U-Net that segments pictures, trained on pairs of a map and a picture.

A parser that was trained on real pictures tells whether a picture shows what its map says; one that is trained with
generated pairs as well tells what these are worth.
"""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, UInt8

from segvae_jax.errors import DataError
from segvae_jax.evaluation.networks.random_cnn import in_batches
from segvae_jax.evaluation.pairs import Pairs
from segvae_jax.labels import LabelSpace
from segvae_jax.model.unet import Block, Conv, NormSilu, from_patches, pool, repeat, to_patches
from segvae_jax.streams import seed_key
from segvae_jax.training.augmentation import Augmentation, augment_pairs

STEPS = 1000
BATCH_SIZE = 8
LEARNING_RATE = 3e-3
WIDTHS = (16, 32, 64, 96)  # channels; each level halves the picture
PATCH = 2  # side of the patches that the first level reads and the last one writes
ROTATE, SCALE, SHIFT = 10.0, 0.1, 0.05  # degrees, relative size, share of a side

Params = dict[str, Any]
State = tuple[Params, Any]  # parameters and the state of the optimiser


class ParserNetwork(nn.Module):
    """A U-Net of residual blocks on patches of the picture.

    Attributes:
      num_channels: C, the background included.
      widths: channels of each level.
    """

    num_channels: int
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, pictures: Float[Array, "B H W 3"]) -> Float[Array, "B H W C"]:
        """Logits of the classes of each pixel, of pictures in [0, 255] of any size."""
        height, width = pictures.shape[1:3]
        unit = PATCH * 2 ** (len(self.widths) - 1)
        rest = ((0, 0), (0, -height % unit), (0, -width % unit), (0, 0))
        x = to_patches(jnp.pad(pictures, rest, mode="edge") / 128 - 1, PATCH)
        x, skipped = Conv(self.widths[0], name="stem")(x), []
        for level, features in enumerate(self.widths):
            x = self._block(features, f"down_{level}", pool(x) if level else x)
            skipped.append(x)
        for level, features in reversed(list(enumerate(self.widths[:-1]))):
            x = self._block(features, f"up_{level}", jnp.concatenate([repeat(x), skipped[level]], axis=-1))
        logits = Conv(PATCH**2 * self.num_channels, size=1, name="classes")(NormSilu(name="norm")(x))
        return from_patches(logits, PATCH)[:, :height, :width]

    def _block(self, features: int, name: str, x: Float[Array, "B h w I"]) -> Float[Array, "B h w O"]:
        return Block(features, name=name)(x, jnp.zeros((len(x), 1)))  # a block without a condition


@dataclasses.dataclass(frozen=True, eq=False)
class Parser:
    """A trained parser.

    Attributes:
      network: the network.
      params: its parameters.
    """

    network: ParserNetwork
    params: Params

    @property
    def num_channels(self) -> int:
        """C, the background included."""
        return self.network.num_channels

    def predict(self, pictures: UInt8[np.ndarray, "N H W 3"]) -> UInt8[np.ndarray, "N H W"]:
        """Index maps of pictures: the likeliest class of each pixel."""
        return in_batches(functools.partial(_predict, self.network, self.params), pictures)


def train_parser(*sets: Pairs, space: LabelSpace, seed: int, steps: int = STEPS) -> Parser:
    """Trains a parser from random weights.

    The loss is the cross-entropy of the pixels, weighted by class, the optimiser Adam with a cosine decay to zero. Each
    batch has equally many pairs of every set. Half of the pairs of a batch are flipped, with left and right classes
    exchanged, and all are rotated, scaled and shifted a little. The same pairs and seed give the same weights on
    machines of the same kind.

    Args:
      sets: one or several sets of pairs of one size, e.g. real ones and generated ones.
      space: the classes of the maps.
      seed: of the weights, the batches and the augmentation.
      steps: of the optimiser.

    Raises:
      DataError: if a set is empty.
    """
    if not all(map(len, sets)):
        raise DataError("a parser has no pairs to learn from: give at least one pair of a map and a picture")
    network = ParserNetwork(space.num_channels, WIDTHS)
    params = _initial(network, sets[0].pictures.shape[1:], seed)
    state, rng = (params, _optimiser(steps).init(params)), np.random.default_rng(seed)
    weights = _class_weights(sets, space.num_channels)
    for step in range(steps):
        batch = _batch(sets, rng)
        state = _step(network, space, steps, state, weights, batch.index_maps, batch.pictures, seed, step)
    return Parser(network, jax.device_get(state[0]))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _initial(network: ParserNetwork, shape: tuple[int, int, int], seed: Int[Array, ""]) -> Params:
    return network.init(seed_key(seed), jnp.zeros((1, *shape)))["params"]


def _optimiser(steps: int) -> optax.GradientTransformation:
    return optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))


def _class_weights(sets: tuple[Pairs, ...], num_channels: int) -> Float[np.ndarray, "C"]:
    """Weights of the pixels by their class: the inverse square root of its share, 1 on average over the pixels.

    Without them, a short training never finds classes of a few pixels, such as eyes.
    """
    counts = [np.bincount(pairs.index_maps.reshape(-1), minlength=num_channels) for pairs in sets]
    share = np.mean([np.maximum(of_set, 1) / of_set.sum() for of_set in counts], axis=0)
    return (share**-0.5 / np.sqrt(share).sum()).astype(np.float32)


def _batch(sets: tuple[Pairs, ...], rng: np.random.Generator) -> Pairs:
    """Random pairs, equally many of each set."""
    chosen = [pairs[rng.integers(len(pairs), size=BATCH_SIZE // len(sets))] for pairs in sets]
    return Pairs(*(np.concatenate([getattr(part, name) for part in chosen]) for name in ("index_maps", "pictures")))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
@jax.default_matmul_precision("highest")  # otherwise a GPU rounds the products, and its scores differ from a CPU's
def _step(
    network: ParserNetwork,
    space: LabelSpace,
    steps: int,
    state: State,
    weights: Float[Array, "C"],
    index_maps: UInt8[Array, "B H W"],
    pictures: UInt8[Array, "B H W 3"],
    seed: Int[Array, ""],
    step: Int[Array, ""],
) -> State:
    truth, inputs = _augmented(space, index_maps, pictures, seed, step)

    def loss(params: Params) -> Float[Array, ""]:
        logits: Any = network.apply({"params": params}, inputs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, truth)
        return (weights[truth] * losses).mean()

    params, moments = state
    updates, moments = _optimiser(steps).update(jax.grad(loss)(params), moments)
    return optax.apply_updates(params, updates), moments


def _augmented(
    space: LabelSpace,
    index_maps: UInt8[Array, "B H W"],
    pictures: UInt8[Array, "B H W 3"],
    seed: Int[Array, ""],
    step: Int[Array, ""],
) -> tuple[Int[Array, "B H W"], Float[Array, "B H W 3"]]:
    """Pairs that are flipped and moved alike."""
    augmentation = Augmentation(space, ROTATE, SCALE, SHIFT)
    class_maps = jax.nn.one_hot(index_maps, space.num_channels)
    moved, inputs = augment_pairs(augmentation, class_maps, pictures.astype(jnp.float32), seed, step)
    return moved.argmax(axis=-1), inputs


@functools.partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision("highest")
def _predict(network: ParserNetwork, params: Params, pictures: UInt8[Array, "B H W 3"]) -> UInt8[Array, "B H W"]:
    logits: Any = network.apply({"params": params}, pictures.astype(jnp.float32))
    return logits.argmax(axis=-1).astype(jnp.uint8)
