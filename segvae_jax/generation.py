"""Generator: what scripts, notebooks and services call.

    generator = Generator.load("runs/celeba")
    index_maps = generator.generate(["skin", "hair", "nose", "l_eye", "r_eye"], num=16, seed=0)
    picture = generator.picture(index_maps)

The classes in a map are those of `generator.space`, by channel.
"""

import dataclasses
import functools
import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from segvae_jax import maps, pictures
from segvae_jax.errors import CheckpointError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import MapModel, VAEOutput
from segvae_jax.model.segvae import fold_spectral_norm
from segvae_jax.streams import great_circle, sample_noise, stream_key
from segvae_jax.training.checkpoints import ModelCard, load_variables
from segvae_jax.training.step import device_mesh, replicated, split_batch

_BATCH = 16

Painter = Callable[[Float[np.ndarray, "B C"], int, Int[np.ndarray, "B"], float], UInt8[Array, "B H W"]]


@dataclasses.dataclass(frozen=True)
class Latents:
    """Posterior and prior of the latents of given maps, a Gaussian a step in drawing order.

    Attributes:
      mu_posterior, logvar_posterior: of the posterior, which sees the true shapes.
      mu_prior, logvar_prior: of the prior, which sees the canvas of true shapes.
      present: whether the map has the step's class; the Gaussians of other steps mean nothing.
    """

    mu_posterior: Float[np.ndarray, "N K Z"]
    logvar_posterior: Float[np.ndarray, "N K Z"]
    mu_prior: Float[np.ndarray, "N K Z"]
    logvar_prior: Float[np.ndarray, "N K Z"]
    present: Bool[np.ndarray, "N K"]


class Generator:
    """A trained model: draws semantic maps from label-sets.

    A sample is a function of the checkpoint, its label-set, the seed and its number, and of nothing
    else: not of the other samples of its batch.

    Attributes:
      space: the classes that can be asked for.
      card: what the checkpoint says of its model and data.
      step: of training at which the weights were saved.
      reconstructs: whether the model has a posterior to reconstruct from.
    """

    def __init__(self, card: ModelCard, variables: dict[str, Any], step: int = 0):
        self.card: ModelCard = card
        self.step: int = step
        self.space: LabelSpace = card.space
        self._loaded = variables
        self._model, self._variables = fold_spectral_norm(card.model(), variables)
        self.reconstructs: bool = self._model.reconstructs
        self._draw = jax.jit(functools.partial(_draw, self._model))
        self._paint = jax.jit(functools.partial(_paint, self._model, self.space))
        self._between = jax.jit(functools.partial(_paint_between, self._model, self.space))
        self._reconstruct = jax.jit(functools.partial(_reconstruct, self._model))
        self._infer = jax.jit(functools.partial(_infer, self._model))

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
        paint = functools.partial(self._padded_call, self._paint)
        return np.concatenate([paint(rows, seed, temperature, start) for start, rows in _chunks(label_sets)])

    def interpolate(
        self, labels: Iterable[str], steps: int, seeds: tuple[int, int], temperature: float = 1.0
    ) -> UInt8[np.ndarray, "S H W"]:
        """Draws index maps on the way from one map of a label-set to another.

        The noise of each class goes along a great circle, so that it stays as large as noise is
        (White 2016, "Sampling generative networks").

        Args:
          labels: class names.
          steps: how many maps, the two ends included.
          seeds: of the ends, which are the maps that `generate` draws first with them.
          temperature: of the prior.

        Raises:
          LabelError: if a name is unknown; names the nearest known one.
        """
        label_sets = np.tile(self.space.encode(labels), (_padded(steps), 1)).astype(np.float32)
        shares = np.minimum(np.arange(_padded(steps)) / max(steps - 1, 1), 1).astype(np.float32)
        drawn = self._between(self._variables, label_sets, np.asarray(seeds), shares, temperature)
        return np.asarray(drawn)[:steps]

    def class_maps(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: float = 1.0, first: int = 0
    ) -> Float[np.ndarray, "N H W C"]:
        """Draws soft class maps in [0, 1], background filled in, faint classes raised (`maps.raise_faint`).

        Args:
          label_sets: what to draw.
          seed: of the noise.
          temperature: of the prior.
          first: number of the first sample.
        """
        return self._padded_call(self._draw, label_sets, seed, temperature, first)

    def painter(self, devices: Sequence[jax.Device]) -> Painter:
        """`draw` for batches of one size over several devices: dispatched, not waited for.

        Returns:
          a function of label-sets `[B, C]`, seed, numbers of the samples `[B]` and temperature that gives
          index maps `[B, H, W]` uint8, split over the devices; B is a multiple of their number.
        """
        mesh = device_mesh(devices)
        everywhere, split = replicated(mesh), split_batch(mesh)
        paint = jax.jit(
            functools.partial(_paint, self._model, self.space),
            in_shardings=(everywhere, split, everywhere, split, everywhere),
            out_shardings=split,
        )
        return functools.partial(paint, jax.device_put(self._variables, everywhere))

    def _padded_call(
        self,
        function: Callable[..., Array],
        label_sets: Bool[np.ndarray, "N C"],
        seed: int,
        temperature: float,
        first: int,
    ) -> Shaped[np.ndarray, "N ..."]:
        """`_draw` or `_paint` of a batch that is padded to one of few sizes."""
        size = _padded(len(label_sets))
        wanted = np.pad(label_sets, ((0, size - len(label_sets)), (0, 0)), mode="edge").astype(np.float32)
        drawn = function(self._variables, wanted, seed, first + np.arange(size), temperature)
        return np.asarray(drawn)[: len(label_sets)]

    def reconstruct(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps decoded from the mean of the posterior, each class on a canvas of true shapes.

        Raises:
          CheckpointError: if the model has no posterior; see `reconstructs`.
        """
        if not self.reconstructs:
            raise CheckpointError(f"a {self.card.name} model has no posterior: it draws maps, but reconstructs none")
        return self._padded_maps_call(self._reconstruct, class_maps)

    @property
    def infers(self) -> bool:
        """Whether the model has a posterior for each class."""
        return self.reconstructs and self._model.noise_shape[0] == len(self.space.classes)

    def posterior(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Latents:
        """What the posterior makes of maps, and what the prior expected, each class on a canvas of true shapes.

        Raises:
          CheckpointError: if the model has no posterior for each class; see `infers`.
        """
        if not self.infers:
            raise CheckpointError(f"a {self.card.name} model has no posterior for each class: use a SegVAE")
        return Latents(**self._padded_maps_call(self._infer, class_maps))

    def _padded_maps_call(self, function: Callable[..., Any], class_maps: Bool[np.ndarray, "N H W C"]) -> Any:
        """`_reconstruct` or `_infer` of maps, a padded batch at a time."""
        rows = []
        for _, part in _chunks(class_maps):
            padded = np.pad(part, ((0, _padded(len(part)) - len(part)), (0, 0), (0, 0), (0, 0)))
            output = jax.device_get(function(self._variables, padded.astype(np.float32)))
            rows.append(jax.tree.map(operator.itemgetter(slice(len(part))), output))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *rows)

    def random_label_sets(self, num: int, seed: int = 0, first: int = 0) -> Bool[np.ndarray, "N C"]:
        """Label-sets as frequent as in the training data; each is a function of the seed and its number.

        Args:
          num: how many.
          seed: of the draw.
          first: number of the first.

        Raises:
          CheckpointError: if the checkpoint does not know them, as an imported one.
        """
        if not len(self.card.label_sets):
            raise CheckpointError("this checkpoint knows no label-sets of training data: name the labels instead")
        share = (self.card.counts / self.card.counts.sum()).astype(np.float32)
        rows = _choose(share, seed, first + np.arange(_padded(num)))
        return self.card.label_sets[np.asarray(rows)[:num]]

    def fingerprint(self) -> str:
        """Equal for checkpoints of equal weights and label-sets, wherever they lie."""
        model = [self.space.to_json(), sorted((key, str(value)) for key, value in self.card.arguments.items())]
        digest = hashlib.sha256(repr(model).encode())
        for array in jax.tree.leaves((self._loaded, self.card.label_sets, self.card.counts)):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()[:12]

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
    model: MapModel,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, ""],
) -> Float[Array, "B H W C"]:
    eps = sample_noise(seed, "generate", indices, model.draw_noise_shape)
    return _raised(model.draw(variables, label_set, eps, temperature))


def _raised(drawn: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """What is shown of drawn class maps."""
    return maps.with_background(maps.raise_faint(drawn))


def _paint(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, ""],
) -> UInt8[Array, "B H W"]:
    """Painted where it is drawn, so that one byte a pixel leaves the device."""
    return maps.paint(_draw(model, variables, label_set, seed, indices, temperature), space)


def _paint_between(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seeds: Int[Array, "2"],
    shares: Float[Array, "B"],
    temperature: Float[Array, ""],
) -> UInt8[Array, "B H W"]:
    noise = lambda seed: sample_noise(seed, "generate", jnp.zeros(1, int), model.draw_noise_shape)
    eps = great_circle(noise(seeds[0]), noise(seeds[1]), shares.reshape(-1, *[1] * len(model.draw_noise_shape)))
    return maps.paint(_raised(model.draw(variables, label_set, eps, temperature)), space)


@jax.jit
def _choose(share: Float[Array, "M"], seed: Int[Array, ""], indices: Int[Array, "N"]) -> Int[Array, "N"]:
    """A row for each of the numbered samples, each from its own key."""
    choose = lambda index: jax.random.choice(stream_key(seed, "label_sets", index), share.shape[0], p=share)
    return jax.vmap(choose)(indices)


def _reconstruct(model: MapModel, variables: Any, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    return maps.with_background(model.reconstruct(variables, class_maps, label_set, eps))


def _infer(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> dict[str, Shaped[Array, "B K ..."]]:
    output = _from_means(model, variables, class_maps)
    return {
        "mu_posterior": output.posterior.mu,
        "logvar_posterior": output.posterior.logvar,
        "mu_prior": output.prior.mu,
        "logvar_prior": output.prior.logvar,
        "present": output.present > 0,
    }


def _from_means(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> VAEOutput:
    """The training forward without noise."""
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    return model.apply(variables, class_maps, maps.label_set_of(class_maps).astype(jnp.float32), eps)
