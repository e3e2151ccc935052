"""The problems that the benchmarks run, on random maps with the label frequencies of real ones."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, UInt8
from ml_collections import ConfigDict

from benchmarks.measure import Work
from segvae_jax import maps
from segvae_jax.configs import default
from segvae_jax.data.sources.registry import DATA_SETS
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.packing import Budget
from segvae_jax.model.protocol import MapModel, init_variables
from segvae_jax.sharding import device_mesh, split_batch
from segvae_jax.training import setup as training_setup
from segvae_jax.training.packing import Packing
from segvae_jax.training.state import FlatState, create_state
from segvae_jax.training.step import jit_train_step

TITLES = {"celebamask_hq": "CelebAMask-HQ", "humanparsing": "HumanParsing"}
RECIPES = {"paper": default.PAPER, "full": {}, "small": default.SMALL}  # the last two are of the hierarchical model
_PRESENT = {"celebamask_hq": 13.4 / 18, "humanparsing": 7 / 17}  # mean share of the classes in a real map
_NUM_BATCHES_FOR_BUDGET = 1_000
SEED = np.uint32(0)  # of training steps


@dataclasses.dataclass(frozen=True)
class Setup:
    """One problem: the data set, the batch size, and the model with its recipe.

    Attributes:
      dataset: a key of `DATA_SETS`, which determines classes and label frequencies.
      batch: number of maps per batch.
      size: height and width in pixels.
      ngf: of the paper's model the width of the first level. All its other widths are proportional to it.
      classes: number of classes K, taken from the start of the drawing order; 0 means all.
      dtype: the type that the networks compute in.
      accumulate: number of parts of a batch that a training step computes one after the other.
      recipe: a key of `RECIPES`, changes of `configs/default.py`: model, loss, optimiser and augmentation.
    """

    dataset: str = "celebamask_hq"
    batch: int = 16
    size: int = 128
    ngf: int = 64
    classes: int = 0
    dtype: str = "float32"
    accumulate: int = 1
    recipe: str = "paper"

    def changed(self, **changes: Any) -> "Setup":
        """A copy with some attributes changed."""
        return dataclasses.replace(self, **changes)

    @property
    def space(self) -> LabelSpace:
        """The classes; numbered ones if some are left out."""
        if self.classes:
            return LabelSpace(tuple(str(channel) for channel in range(1, self.classes + 1)))
        space = DATA_SETS[self.dataset].space
        if space is None:
            raise ValueError(f"{self.dataset}: its classes are not fixed")
        return space

    @property
    def steps(self) -> int:
        """The number of classes K, which is the number of steps."""
        return len(self.space.classes)

    def config(self) -> ConfigDict:
        """The configuration of a training run."""
        config = default.get_config()
        sizes = {"batch_size": self.batch, "model.image_size": (self.size, self.size)}
        means = {"model.dtype": self.dtype, "accumulate": self.accumulate}
        widths = {f"model.{name}": width for name, width in self.widths().items()} if self.recipe == "paper" else {}
        config.update_from_flattened_dict({**RECIPES[self.recipe], **sizes, **means, **widths})
        return config

    def widths(self) -> dict[str, Any]:
        """The widths of the paper's model. At ngf 64 they are those of the release."""
        return {
            "ngf": self.ngf, "context_dim": 8 * self.ngf, "hidden_dim": 4 * self.ngf, "latent_dim": 6 * self.ngf,
        }  # fmt: skip

    def __str__(self) -> str:
        model = f"{self.size} px, ngf {self.ngf}" if self.recipe == "paper" else f"{self.size} px, hierarchical"
        parts = f" in {self.accumulate} parts" if self.accumulate > 1 else ""
        dtype = "" if self.dtype == "float32" else f", {self.dtype}"
        return f"{TITLES[self.dataset]}, {model}, batch {self.batch}{parts}{dtype}"


def build_model(setup: Setup) -> MapModel:
    """The model of the recipe."""
    return training_setup.build_model(setup.config(), setup.space)


def label_sets(setup: Setup, seed: int = 0) -> Bool[np.ndarray, "B C"]:
    """Random label-sets. Their mean share of the classes over the batch is that of real maps."""
    rng = np.random.default_rng(seed)
    total = round(setup.batch * setup.steps * _PRESENT[setup.dataset])
    counts = total // setup.batch + (np.arange(setup.batch) < total % setup.batch)
    ranks = rng.permuted(np.tile(np.arange(setup.steps), (setup.batch, 1)), axis=1)
    return np.pad(ranks < counts[:, None], ((0, 0), (1, 0)))


def budget(setup: Setup, groups: int) -> Budget | None:
    """The packing budget of training, large enough for a thousand random batches and for `label_sets`."""
    config, rng = setup.config(), np.random.default_rng(0)
    if not training_setup.can_pack(config):
        return None
    present = rng.random((_NUM_BATCHES_FOR_BUDGET * setup.batch, setup.steps)) < _PRESENT[setup.dataset]
    sets = np.concatenate([label_sets(setup), np.pad(present, ((0, 0), (1, 0)))])
    batches = list(np.arange(len(sets)).reshape(-1, setup.batch))
    return Packing(sets, setup.space, batches, batches, groups, setup.accumulate, config.data.flip).budget


def class_maps(setup: Setup, seed: int = 0) -> Bool[np.ndarray, "B H W C"]:
    """Random label-sets with a random ellipse for each of their classes."""
    rng = np.random.default_rng(seed + 1)
    present = label_sets(setup, seed)
    centre = rng.uniform(0.3, 0.7, (2, *present.shape))[:, :, None, None]
    radius = rng.uniform(0.15, 0.4, (2, *present.shape))[:, :, None, None]
    line = (np.arange(setup.size) + 0.5) / setup.size
    rows, columns = line[None, :, None, None], line[None, None, :, None]
    inside = ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 <= 1
    return inside & present[:, None, None]


def packed_maps(setup: Setup, seed: int = 0) -> UInt8[np.ndarray, "B H W P"]:
    """The class maps, packed as the training step reads them."""
    return maps.pack(class_maps(setup, seed))


def noise(setup: Setup, seed: int = 0) -> Float[np.ndarray, "B ..."]:
    """Standard normal noise for generation."""
    shape = setup.batch, *build_model(setup).sample_noise_shape
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def optimizer(setup: Setup) -> optax.GradientTransformation:
    """The optimiser of the recipe."""
    return training_setup.build_optimizer(setup.config(), default.get_config().num_steps)


def initial_state(setup: Setup) -> FlatState:
    """The training state before the first step."""
    return jax.jit(_new_state(setup))()


def _new_state(setup: Setup) -> Callable[[], FlatState]:
    averages = setup.config().optimizer.ema_decay > 0
    return lambda: FlatState.of(create_state(build_model(setup), optimizer(setup), 0, averages))


def traced_step(setup: Setup, mesh: jax.sharding.Mesh | None = None) -> jax.stages.Traced:
    """The training step, traced. Nothing is allocated."""
    model, mesh = build_model(setup), mesh or device_mesh()
    shape = (setup.batch, setup.size, setup.size, maps.packed_channels(setup.steps + 1))
    config = training_setup.build_step(setup.config(), setup.space)
    step = jit_train_step(model, optimizer(setup), config, mesh)
    return step.trace(
        jax.eval_shape(_new_state(setup)), jax.ShapeDtypeStruct(shape, jnp.uint8), SEED, budget(setup, mesh.size)
    )


def train_work(
    setup: Setup, step: jax.stages.Compiled | None = None, each: Callable[[Any], object] = lambda metrics: None
) -> Work:
    """Training steps on packed maps that lie in host memory, as in the training loop.

    Args:
      setup: the problem.
      step: compiled, if it is already.
      each: takes the metrics of each step.
    """
    compiled, state, packed = step or traced_step(setup).lower().compile(), initial_state(setup), packed_maps(setup)
    place: Callable[..., Any] = functools.partial(jax.make_array_from_process_local_data, split_batch(device_mesh()))

    def work(calls: int) -> None:
        nonlocal state
        for _ in range(calls):
            state, metrics = compiled(state, place(packed), SEED)
            each(metrics)
        jax.block_until_ready((state, metrics))

    return work


def generate_work(setup: Setup) -> Work:
    """Generation with folded spectral norm, as in `Generator`."""
    model = build_model(setup)
    model, variables = fold_spectral_norm(model, jax.jit(functools.partial(init_variables, model, 0))())
    sample = jax.jit(model.sample)
    inputs = label_sets(setup).astype(np.float32), noise(setup)

    def work(calls: int) -> None:
        for _ in range(calls):
            generated = sample(variables, *inputs)
        jax.block_until_ready(generated)

    return work
