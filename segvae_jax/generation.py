"""Generator: what scripts, notebooks and services call.

generator = Generator.load("runs/celeba")
index_maps = generator.generate(["skin", "hair", "nose", "l_eye", "r_eye"], num=16, seed=0)
picture = generator.picture(index_maps)
"""

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from segvae_jax import maps, pictures
from segvae_jax.errors import CheckpointError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.segvae import fold_spectral_norm, generate
from segvae_jax.streams import sample_noise, stream_key
from segvae_jax.training.checkpoints import ModelCard, load_variables

_BATCH = 16


class Generator:
    """A trained model: draws semantic maps from label-sets.

    A sample is a function of the checkpoint, its label-set, the seed and its number, and of nothing
    else: not of the other samples of its batch.

    Attributes:
      space: the classes that can be asked for.
      card: what the checkpoint says of its model and data.
      step: of training at which the weights were saved.
    """

    def __init__(self, card: ModelCard, variables: dict[str, Any], step: int = 0):
        self.card, self.step = card, step
        self.space: LabelSpace = card.space
        self._model, self._variables = fold_spectral_norm(card.model(), variables)
        self._draw = jax.jit(functools.partial(_draw, self._model))
        self._reconstruct = jax.jit(functools.partial(_reconstruct, self._model))

    @classmethod
    def load(cls, directory: str | Path, step: int | None = None) -> "Generator":
        """Loads a checkpoint directory: of a training run, or imported.

        Args:
          directory: the `--workdir` of training.
          step: of the saved ones; the latest if None. Averaged weights are used where kept.

        Raises:
          CheckpointError: if it cannot be loaded.
        """
        return cls(*load_variables(directory, step))

    def generate(
        self, labels: Iterable[str], num: int = 1, seed: int = 0, temperature: float = 1.0
    ) -> UInt8[np.ndarray, "N H W"]:
        """Draws `num` index maps of one label-set.

        Args:
          labels: class names.
          num: how many.
          seed: of the noise.
          temperature: of the prior; below 1 more typical maps, above 1 more varied ones.

        Raises:
          LabelError: if a name is unknown; names the nearest known one.
        """
        return self.draw(np.tile(self.space.encode(labels), (num, 1)), seed, temperature)

    def draw(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: float = 1.0
    ) -> UInt8[np.ndarray, "N H W"]:
        """Draws one index map a label-set; number i has the noise of sample i of the seed."""
        soft = (self.class_maps(rows, seed, temperature, start) for start, rows in _chunks(label_sets))
        return np.concatenate([maps.paint(part, self.space) for part in soft])

    def class_maps(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: float = 1.0, first: int = 0
    ) -> Float[np.ndarray, "N H W C"]:
        """Draws soft class maps in (0, 1), background filled in.

        Args:
          label_sets: what to draw.
          seed: of the noise.
          temperature: of the prior.
          first: number of the first sample.
        """
        size = _padded(len(label_sets))
        wanted = np.pad(label_sets, ((0, size - len(label_sets)), (0, 0)), mode="edge").astype(np.float32)
        drawn = self._draw(self._variables, wanted, seed, first + np.arange(size), temperature)
        return np.asarray(drawn)[: len(label_sets)]

    def reconstruct(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps decoded from the mean of the posterior, each class on a canvas of true shapes."""
        rows = []
        for _, part in _chunks(class_maps):
            padded = np.pad(part, ((0, _padded(len(part)) - len(part)), (0, 0), (0, 0), (0, 0)))
            rows.append(np.asarray(self._reconstruct(self._variables, padded.astype(np.float32)))[: len(part)])
        return np.concatenate(rows)

    def random_label_sets(self, num: int, seed: int = 0) -> Bool[np.ndarray, "N C"]:
        """Label-sets as frequent as in the training data.

        Raises:
          CheckpointError: if the checkpoint does not know them, as an imported one.
        """
        if not len(self.card.label_sets):
            raise CheckpointError("this checkpoint knows no label-sets of training data: name the labels instead")
        share = jnp.asarray(self.card.counts / self.card.counts.sum())
        rows = jax.random.choice(stream_key(seed, "label_sets"), len(share), (num,), p=share)
        return self.card.label_sets[np.asarray(rows)]

    def picture(self, index_maps: UInt8[np.ndarray, "N H W"], columns: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
        """Coloured sheet of index maps with a legend of the classes on it; small maps are magnified."""
        scale = max(1, 192 // index_maps.shape[1])
        sheet = pictures.sheet(index_maps, self.space, columns, scale)
        shown = [name for name in self.space.classes if (index_maps == self.space.channel(name)).any()]
        return np.concatenate([sheet, pictures.legend(self.space, shown, sheet.shape[1])])


def _chunks(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    return ((start, rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH))


def _padded(num: int) -> int:
    """The next power of two: few shapes, so few compilations."""
    return 1 << max(num - 1, 0).bit_length()


def _draw(
    model: Any,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, ""],
) -> Float[Array, "B H W C"]:
    eps = sample_noise(seed, "generate", indices, (len(model.order), model.latent_dim))
    return maps.with_background(generate(model, variables, label_set, eps, temperature).class_maps)


def _reconstruct(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    eps = jnp.zeros((class_maps.shape[0], len(model.order), model.latent_dim))
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    shapes = model.apply(variables, class_maps, label_set, eps).shapes
    blank = jnp.zeros_like(class_maps)
    return maps.with_background(blank.at[..., jnp.asarray(model.order)].set(jnp.moveaxis(shapes, 1, -1)))
