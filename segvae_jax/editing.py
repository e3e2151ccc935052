"""Edits of a semantic map: some classes are added, removed or get new shapes, and the others stay as they are.

An edit goes through the classes of the edited map in drawing order. A class that stays is put onto the canvas as it
is, as in training, and the prior's LSTM steps through it. A class that is added or restyled is sampled from the prior,
so it fits the classes before it. It cannot see the classes after it; therefore several candidates are sampled, and the
one is kept under which the given shapes are likeliest, by their evidence lower bound. (The paper samples one.)

The shapes are put together at the size of the given map. A generated class is on top of the classes before it in the
drawing order and of those below it in the paint order. Classes that lie on it (a nose on skin) and accessories stay on
top. A candidate loses to the others if nothing of it would be seen. `uncovering.py` says what the pixels show that an
edited class has left.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, UInt8

from segvae_jax import arguments, maps
from segvae_jax.checkpoint.fitting import with_fitting_weights
from segvae_jax.errors import LabelError, MapError
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import LabelSpace, first_repeated
from segvae_jax.model.gaussian import kl_divergence
from segvae_jax.model.losses import bce
from segvae_jax.model.protocol import Generated, GivenShapes, MapModel, VAEOutput
from segvae_jax.sampling import Latents
from segvae_jax.streams import sample_noise, slerp
from segvae_jax.uncovering import fill

_UNSEEN_PENALTY = 1e6  # nats: a candidate in which a class is missing loses to any other
_MIN_PROBABILITY = 1e-6  # keeps logarithms of probabilities finite


@dataclasses.dataclass(frozen=True, eq=False)
class Edits:
    """N alternatives of an edited map, of its size. A notebook shows the edited maps.

    Attributes:
      index_maps: the edited maps.
      class_maps: the shapes of all classes, including parts hidden by others; classes that stay keep theirs exactly.
      occluded: pixels that showed a class that stays, and now show a generated one.
      uncovered: pixels that showed a removed or restyled class, and now show none of these.
    """

    index_maps: UInt8[np.ndarray, "N H W"]
    class_maps: Bool[np.ndarray, "N H W C"]
    occluded: Bool[np.ndarray, "N H W"]
    uncovered: Bool[np.ndarray, "N H W"]

    def first(self, num: int) -> "Edits":
        """The first `num` alternatives; all if there are fewer.

        Raises:
          ArgumentError: if that is no number from 1 on.
        """
        end = arguments.whole("num", num, 1)
        return Edits(*(getattr(self, field.name)[:end] for field in dataclasses.fields(self)))

    def __repr__(self) -> str:
        """How many alternatives, and their size, in one line."""
        count, height, width = self.index_maps.shape
        return f"<Edits: {count} alternatives, {height} x {width} pixels>"

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows, if the maps know their label space."""
        return self.index_maps._repr_png_() if isinstance(self.index_maps, IndexMaps) else None


def joined(edits: Sequence[Edits]) -> Edits:
    """The alternatives of several edits, one after the other; their maps are of one size and one label space."""
    arrays = {field.name: [getattr(edit, field.name) for edit in edits] for field in dataclasses.fields(Edits)}
    together = {name: np.concatenate(parts) for name, parts in arrays.items()}
    space = getattr(edits[0].index_maps, "space", None)
    return Edits(**{**together, "index_maps": IndexMaps(together["index_maps"], space)})


@dataclasses.dataclass(frozen=True, eq=False)
class Change:
    """An edit that is asked for, checked.

    Attributes:
      space: the classes.
      index_map: the map, integers `[H, W]`.
      add, remove, restyle: one class or several, by name, title or alias; tuples of names once they are checked.
      region: pixels that may change; all if None.
      fit: how maps get the size of the model, one of `maps.FITS`.

    Raises:
      LabelError: if a class to add is present, one to remove or restyle is not, one is named twice, or none is named.
      MapError: if the map does not fit the label space, or the region does not fit the map.
    """

    space: LabelSpace
    index_map: np.ndarray
    add: str | Iterable[str] = ()
    remove: str | Iterable[str] = ()
    restyle: str | Iterable[str] = ()
    region: Bool[np.ndarray, "h w"] | None = None
    fit: str = "stretch"

    def __post_init__(self):
        fill = lambda name, value: object.__setattr__(self, name, value)
        fill("index_map", checked_map(self.index_map, self.space))
        _check_region(self.region, self.index_map.shape)
        for field in ("add", "remove", "restyle"):
            fill(field, self.space.resolve(getattr(self, field)))
        named = (*self.add, *self.remove, *self.restyle)
        if not named:
            raise LabelError("nothing to edit: name classes to add, remove or restyle")
        if twice := first_repeated(named):
            raise LabelError(f"{twice!r} is named twice: name it once, to add, to remove or to restyle")
        present = present_classes(self.index_map, self.space)
        if there := [name for name in self.add if name in present]:
            raise LabelError(f"cannot add {there[0]!r}: it is in the map already: restyle it, or remove it first")
        if missing := [name for name in (*self.remove, *self.restyle) if name not in present]:
            shown = ", ".join(present) or "no class"
            raise LabelError(f"{missing[0]!r} is not in the map, which has {shown}: add it instead")

    @property
    def free(self) -> Bool[np.ndarray, "H W"]:
        """Pixels that may change."""
        return np.ones(self.index_map.shape, bool) if self.region is None else self.region

    @property
    def generated(self) -> Bool[np.ndarray, "C"]:
        """Classes that get shapes from the model: those to add and to restyle."""
        return np.isin(self.space.names, (*self.add, *self.restyle))

    @property
    def touched(self) -> Bool[np.ndarray, "C"]:
        """Classes that are generated or removed."""
        return self.generated | np.isin(self.space.names, (*self.remove,))

    def kept(self) -> Bool[np.ndarray, "H W C"]:
        """Shapes of all classes that stay, and the parts of the other classes that lie outside the region."""
        return maps.index_to_shapes(self.index_map, self.space) & ~(self.touched & self.free[..., None])

    def canvas(
        self, size: tuple[int, int]
    ) -> tuple[Float[np.ndarray, "h w C"], Float[np.ndarray, "h w C"], Float[np.ndarray, "C"]]:
        """The input of `sample_shapes` at the model's size: given shapes, where they are given, and the label-set."""
        kept, free = (self.at_size(class_maps, size) for class_maps in (self.kept(), self.free[..., None]))
        given = np.where(self.generated, ~free, True)
        label_set = maps.label_set_of(kept) | self.generated
        return (kept & given).astype(np.float32), given.astype(np.float32), label_set.astype(np.float32)

    def at_size(self, class_maps: Bool[np.ndarray, "H W C"], size: tuple[int, int]) -> Bool[np.ndarray, "h w C"]:
        """Class maps in the size of the model; blank where they are padded."""
        return maps.resize(maps.fitted(class_maps, size, self.fit), size)

    def of_map(self, soft: Float[np.ndarray, "N h w C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps of the model in the size of the map."""
        return maps.resize_soft_to(soft, self.index_map.shape, self.fit)


def present_classes(index_map: Integer[np.ndarray, "H W"], space: LabelSpace) -> tuple[str, ...]:
    """Names of the classes that a map shows, ordered by channel."""
    return tuple(name for name in space.classes if (index_map == space.channel(name)).any())


def checked_map(index_map: Any, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    """An index map of any type of whole numbers as uint8.

    Raises:
      MapError: if it is none, or holds an index that is no channel of `space`.
    """
    return arguments.index_maps(index_map, space.num_channels, 2).astype(np.uint8)


def _check_region(region: Any, shape: tuple[int, ...]) -> None:
    if region is None:
        return
    if not isinstance(region, np.ndarray) or region.dtype != bool:
        raise MapError(
            f"a region of {arguments.shown(region)}: expected an array of bool, True where pixels may change"
        )
    if region.shape != shape:
        raise MapError(f"a region of {region.shape} pixels: expected that of the map, {shape}")
    if not region.any():
        raise MapError("the region is empty: mark the pixels that may change, or give none")


def candidate_noise(
    seed: Int[Array, ""], indices: Int[Array, "N"], candidates: int, shape: tuple[int, ...]
) -> Float[Array, "N M ..."]:
    """Noise of M candidates for each numbered alternative; the first has the noise of the sample with that number."""
    streams = ("generate", *(f"candidate_{number}" for number in range(1, candidates)))
    return jnp.stack([sample_noise(seed, stream, indices, shape) for stream in streams], axis=1)


def noise_between(latents: Latents, end: Float[Array, "K Z"], steps: int) -> Float[Array, "S K Z"]:
    """Noise along a great circle, from that for which the prior returns the latents of a map, to `end`."""
    start = (latents.mu_posterior - latents.mu_prior) * np.exp(-latents.logvar_prior / 2)
    return slerp(jnp.asarray(start), end[None], jnp.linspace(0, 1, steps).reshape(-1, 1, 1))


@with_fitting_weights
def sample_shapes(
    model: MapModel,
    above: Bool[np.ndarray, "C C"],
    variables: dict[str, Any],
    kept: Float[Array, "H W C"],
    given: Float[Array, "H W C"],
    label_set: Float[Array, "C"],
    eps: Float[Array, "N M K Z"],
    temperature: Float[Array, "*Z"],
) -> tuple[Float[Array, "N H W C"], Float[Array, "N H W C"]]:
    """Samples what is not given, M candidates for each of N alternatives, and keeps the likeliest candidate.

    Args:
      model: one that `can_edit`.
      above: as `lies_above` returns it.
      variables: of the model.
      kept: shapes in {0, 1}, blank where they are not given.
      given: 1 where a shape is given.
      label_set: of the edited map.
      eps: standard normal noise.
      temperature: of the prior.

    Returns:
      soft shapes of the generated classes, blank where they are given, with faint ones raised; and soft shapes of all
      classes, reconstructed from the mean of the posterior of each edited map.
    """
    num, candidates = eps.shape[:2]
    tiled = lambda array: jnp.broadcast_to(array, (num * candidates, *array.shape))
    by_step = lambda class_maps: jnp.moveaxis(class_maps[..., np.asarray(model.order)], -1, 0)
    fixed = GivenShapes(tiled(by_step(kept)), tiled(by_step(given)))
    uncovered = by_step(kept @ ~above.T == 0)
    noise = eps.reshape(num * candidates, *eps.shape[2:])
    generated = model.sample_among(variables, tiled(label_set), noise, temperature, fixed)
    hard = (generated.class_maps >= maps.PRESENCE_THRESHOLD).astype(jnp.float32)
    output: Any = model.apply(variables, hard, tiled(label_set), jnp.zeros_like(noise))
    seen = (fixed.completed(generated.sampled) * uncovered[None]).max((-2, -1))
    best = jnp.argmax(_evidence(generated, output, fixed, seen).reshape(num, candidates), axis=1)
    chosen = lambda rows: rows.reshape(num, candidates, *rows.shape[1:])[jnp.arange(num), best]
    shapes = _raise_faint(chosen(generated.sampled * (1 - fixed.mask)), chosen(seen))
    return model.on_channels(shapes), model.on_channels(chosen(output.shapes))


def _raise_faint(shapes: Float[Array, "N K H W"], seen: Float[Array, "N K"]) -> Float[Array, "N K H W"]:
    """Like `maps.raise_faint`, but by the largest value of each shape that no other class hides."""
    faint = (seen >= maps.FAINT_THRESHOLD) & (seen < maps.PRESENCE_THRESHOLD)
    return jnp.minimum(shapes / jnp.where(faint, seen, 1.0)[..., None, None], 1.0)


def _evidence(
    generated: Generated, output: VAEOutput, fixed: GivenShapes, seen: Float[Array, "B K"]
) -> Float[Array, "B"]:
    """How likely the given shapes are under each candidate, in nats.

    Shapes that are given as a whole count by their evidence lower bound, others by the likelihood of the given part.
    """
    pixels = fixed.mask[0, 0].size
    whole = fixed.mask.all((-2, -1))
    shapes = fixed.completed(generated.sampled)
    bound = -pixels * bce(output.logits, shapes) - kl_divergence(output.posterior, output.prior)
    soft = jnp.clip(generated.sampled, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    likelihood = jnp.where(shapes > 0, jnp.log(soft), jnp.log1p(-soft)) * fixed.mask
    unseen = jnp.maximum(1 - seen / maps.PRESENCE_THRESHOLD, 0)
    partly = likelihood.sum((-2, -1)) - _UNSEEN_PENALTY * unseen
    return (jnp.where(whole, bound, partly) * output.present).sum(-1)


def lies_above(space: LabelSpace) -> Bool[np.ndarray, "C C"]:
    """Whether a generated class (row) is on top of a class that stays (column); a class is on top of itself."""
    rank = lambda channels: np.argsort([0, *channels])  # by channel, background first
    drawing, painted = rank(space.order), rank(space.stack)
    over = (drawing[:, None] >= drawing) | (painted[:, None] >= painted)
    accessory = np.isin(space.names, space.accessories)
    return over & ~maps.lies_on(space).T & (accessory[:, None] | ~accessory)


def can_rank_candidates(change: Change) -> bool:
    """Whether candidates differ, and can be ranked by likelihood: a class stays, or a region is given."""
    return bool(change.generated.any() and (change.region is not None or np.any(change.kept())))


def compose(change: Change, generated: Float[np.ndarray, "N h w C"], expected: Float[np.ndarray, "N h w C"]) -> Edits:
    """Puts generated shapes among those that stay, at the size of the map.

    Args:
      change: what was asked for.
      generated: soft shapes of the generated classes, at the model's size.
      expected: soft shapes of all classes, as the model expects them.
    """
    space, before = change.space, change.index_map
    painted = maps.paint(change.of_map(generated), space)
    painted = np.where(change.free, painted, 0)
    class_maps = change.kept() | maps.index_to_shapes(painted, space)
    stays = maps.paint(change.kept(), space)[None]
    shown = np.where((painted > 0) & lies_above(space)[painted, stays], painted, stays)
    edited = np.asarray(change.touched)
    removed = edited & ~change.generated
    parts = zip(shown, change.of_map(expected), strict=True)
    index_maps = np.stack([fill(part, before, soft, edited, removed, space) for part, soft in parts])
    class_maps |= maps.index_to_class_maps(index_maps, space.num_channels) & edited
    was, now = edited[before], edited[index_maps]
    return Edits(IndexMaps(index_maps, space), class_maps, occluded=~was & now & (before > 0), uncovered=was & ~now)
