"""Edits of a semantic map: classes added, removed, and drawn anew, among others that stay as they are.

What an edit does, step by step in drawing order: the label-set is that of the edited map; a class that stays is put
onto the canvas as it is, as in training, and the prior's LSTM steps through it; a class that is added or restyled is
drawn from the prior. So a new class is drawn for the classes before it. Those after it, which it cannot see, choose:
of several candidates the one is kept that makes them likeliest, by the evidence lower bound of their shapes. (The
paper draws one candidate.)

Where shapes meet, at the size of the map that was given, a drawn class is on top of those that it saw, which come
before it in the drawing order, and of those below it in the paint order; what lies on it (a nose on skin) and
accessories stay on top. Candidates of which nothing would be seen lose to others. Pixels that an edit lays bare show
the class that the model expects there among those that stay, or background.
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.ndimage
from jaxtyping import Array, Bool, Float, Int, Integer, UInt8

from segvae_jax import maps
from segvae_jax.errors import LabelError, MapError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.gaussian import kl_divergence
from segvae_jax.model.losses import bce
from segvae_jax.model.protocol import Generated, GivenShapes, MapModel, VAEOutput
from segvae_jax.sampling import Latents
from segvae_jax.streams import sample_noise, slerp

_NOTHING_SHOWS = 1e6  # nats: a candidate without a class that is asked for loses to any other
_SURE = 1e-6  # probabilities are kept away from 0 and 1 by this


@dataclasses.dataclass(frozen=True, eq=False)
class Edits:
    """N alternatives of an edited map, of the size of the map.

    Attributes:
      index_maps: the edited maps.
      class_maps: the shapes of all classes, parts that others hide included; those of classes that stay are the same
        bit for bit.
      occluded: where a class that stays was seen, and one that was drawn is seen now.
      uncovered: where a class that was removed or drawn anew was seen, and none of these is now.
    """

    index_maps: UInt8[np.ndarray, "N H W"]
    class_maps: Bool[np.ndarray, "N H W C"]
    occluded: Bool[np.ndarray, "N H W"]
    uncovered: Bool[np.ndarray, "N H W"]

    def first(self, num: int) -> "Edits":
        """The first alternatives."""
        return Edits(*(getattr(self, field.name)[:num] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True, eq=False)
class Change:
    """What is asked of a map.

    Attributes:
      space: of the classes.
      index_map: the map, integers `[H, W]`.
      add, remove, restyle: names of classes.
      region: pixels that may change; all if None.

    Raises:
      LabelError: if a class to add is there already, one to remove or restyle is not, one is named twice, or none is.
      MapError: if the map is none of the label space, or the region does not fit it.
    """

    space: LabelSpace
    index_map: np.ndarray
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    restyle: tuple[str, ...] = ()
    region: Bool[np.ndarray, "h w"] | None = None

    def __post_init__(self):
        _check_map(self.index_map, self.space)
        object.__setattr__(self, "index_map", self.index_map.astype(np.uint8))
        _check_region(self.region, self.index_map.shape)
        named = (*self.add, *self.remove, *self.restyle)
        if not named:
            raise LabelError("nothing to edit: name classes to add, remove or restyle")
        if twice := [name for name in named if named.count(name) > 1]:
            raise LabelError(f"{twice[0]!r} is to be edited twice: name it once, to add, to remove, or to restyle")
        for name in named:
            self.space.channel(name)
        present = present_classes(self.index_map, self.space)
        if there := [name for name in self.add if name in present]:
            raise LabelError(f"cannot add {there[0]!r}: the map has it: restyle it, or remove it first")
        if missing := [name for name in (*self.remove, *self.restyle) if name not in present]:
            shown = ", ".join(present) or "no class"
            raise LabelError(f"{missing[0]!r} is not in the map, which has {shown}: add it instead")

    @property
    def free(self) -> Bool[np.ndarray, "H W"]:
        """Pixels that may change."""
        return np.ones(self.index_map.shape, bool) if self.region is None else self.region

    @property
    def drawn(self) -> Bool[np.ndarray, "C"]:
        """Classes that are drawn."""
        return np.isin(self.space.names, (*self.add, *self.restyle))

    @property
    def touched(self) -> Bool[np.ndarray, "C"]:
        """Classes that are drawn or removed."""
        return self.drawn | np.isin(self.space.names, self.remove)

    def kept(self) -> Bool[np.ndarray, "H W C"]:
        """Shapes of all classes, without what is to be removed or drawn anew."""
        return maps.index_to_shapes(self.index_map, self.space) & ~(self.touched & self.free[..., None])

    def canvas(
        self, size: tuple[int, int]
    ) -> tuple[Float[np.ndarray, "h w C"], Float[np.ndarray, "h w C"], Float[np.ndarray, "C"]]:
        """At the model's size: shapes that are given, where they are, and the label-set of the edited map."""
        kept, free = maps.resize(self.kept(), size), maps.resize(self.free[..., None], size)
        given = np.where(self.drawn, ~free, True)
        label_set = maps.label_set_of(kept) | self.drawn
        return (kept & given).astype(np.float32), given.astype(np.float32), label_set.astype(np.float32)


def present_classes(index_map: Integer[np.ndarray, "H W"], space: LabelSpace) -> tuple[str, ...]:
    """Names of the classes seen in a map, by channel."""
    return tuple(name for name in space.classes if (index_map == space.channel(name)).any())


def names_of(labels: str | Iterable[str]) -> tuple[str, ...]:
    """One name, or several."""
    return (labels,) if isinstance(labels, str) else tuple(labels)


def _check_map(index_map: np.ndarray, space: LabelSpace) -> None:
    if index_map.ndim != 2 or not index_map.size or not np.issubdtype(index_map.dtype, np.integer):
        raise MapError(f"a map of shape {index_map.shape}, {index_map.dtype}: expected one class index a pixel")
    if (worst := index_map.max()) >= space.num_channels or index_map.min() < 0:
        raise MapError(f"the map holds index {worst}: the model knows 0 to {space.num_channels - 1}: merge or drop it")


def _check_region(region: Bool[np.ndarray, "h w"] | None, shape: tuple[int, ...]) -> None:
    if region is None:
        return
    if region.shape != shape:
        raise MapError(f"a region of {region.shape} pixels: expected that of the map, {shape}")
    if not region.any():
        raise MapError("the region is empty: mark the pixels that may change, or give none")


def candidate_noise(
    seed: Int[Array, ""], indices: Int[Array, "N"], candidates: int, shape: tuple[int, ...]
) -> Float[Array, "N M ..."]:
    """Noise of M candidates for each of the numbered alternatives; the first is that of the sample of the number."""
    streams = ("generate", *(f"candidate_{number}" for number in range(1, candidates)))
    return jnp.stack([sample_noise(seed, stream, indices, shape) for stream in streams], axis=1)


def noise_between(latents: Latents, end: Float[Array, "K Z"], steps: int) -> Float[Array, "S K Z"]:
    """Noise on the great circle from that with which the prior gives a map's own latents."""
    start = (latents.mu_posterior - latents.mu_prior) * np.exp(-latents.logvar_prior / 2)
    return slerp(jnp.asarray(start), end[None], jnp.linspace(0, 1, steps).reshape(-1, 1, 1))


def redraw(
    model: MapModel,
    above: Bool[np.ndarray, "C C"],
    variables: dict[str, Any],
    kept: Float[Array, "H W C"],
    given: Float[Array, "H W C"],
    label_set: Float[Array, "C"],
    eps: Float[Array, "N M K Z"],
    temperature: Float[Array, ""],
) -> tuple[Float[Array, "N H W C"], Float[Array, "N H W C"]]:
    """Draws what is not given, M times for each of N alternatives, and keeps the likeliest.

    Args:
      model: one that `can_edit`.
      above: see `lies_above`.
      variables: of the model.
      kept: shapes in {0, 1}, blank where they are not given.
      given: 1 where a shape is given.
      label_set: of the edited map.
      eps: standard normal noise.
      temperature: of the prior.

    Returns:
      soft shapes of the drawn classes, blank where they are given, those of which little is seen raised; and what the
      model makes of each whole map, decoded from the mean of its posterior.
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
    drawn = _raised(chosen(generated.sampled * (1 - fixed.mask)), chosen(seen))
    return model.on_channels(drawn), model.on_channels(chosen(output.shapes))


def _raised(drawn: Float[Array, "N K H W"], seen: Float[Array, "N K"]) -> Float[Array, "N K H W"]:
    """Like `maps.raise_faint`, by the largest value of each shape that will be seen."""
    faint = (seen >= maps.FAINT_THRESHOLD) & (seen < maps.PRESENCE_THRESHOLD)
    return jnp.minimum(drawn / jnp.where(faint, seen, 1.0)[..., None, None], 1.0)


def _evidence(
    generated: Generated, output: VAEOutput, fixed: GivenShapes, seen: Float[Array, "B K"]
) -> Float[Array, "B"]:
    """How likely a candidate makes what is given, in nats.

    That is the lower bound of the shapes that are given whole; of those given in part, the likelihood of that part.
    """
    pixels = fixed.mask[0, 0].size
    whole = fixed.mask.all((-2, -1))
    shapes = fixed.completed(generated.sampled)
    bound = -pixels * bce(output.logits, shapes) - kl_divergence(output.posterior, output.prior)
    soft = jnp.clip(generated.sampled, _SURE, 1 - _SURE)
    likelihood = jnp.where(shapes > 0, jnp.log(soft), jnp.log1p(-soft)) * fixed.mask
    unseen = jnp.maximum(1 - seen / maps.PRESENCE_THRESHOLD, 0)
    partly = likelihood.sum((-2, -1)) - _NOTHING_SHOWS * unseen
    return (jnp.where(whole, bound, partly) * output.present).sum(-1)


def lies_above(space: LabelSpace) -> Bool[np.ndarray, "C C"]:
    """Whether the class of the row, if it is drawn, is on top of the class of the column, which stays, or is itself."""
    rank = lambda channels: np.argsort([0, *channels])  # by channel, background first
    drawn, painted = rank(space.order), rank(space.stack)
    over = (drawn[:, None] >= drawn) | (painted[:, None] >= painted)
    accessory = np.isin(space.names, space.accessories)
    return over & ~maps.lies_on(space).T & (accessory[:, None] | ~accessory)


def weighs(change: Change) -> bool:
    """Whether there is anything that candidates can be told apart by: classes that stay, or a region."""
    return change.region is not None or bool(np.any(change.kept()))


def compose(change: Change, drawn: Float[np.ndarray, "N h w C"], expected: Float[np.ndarray, "N h w C"]) -> Edits:
    """Puts drawn shapes among those that stay, at the size of the map.

    Args:
      change: what was asked for.
      drawn: soft shapes of the classes that are drawn, at the model's size.
      expected: soft shapes of all classes, as the model expects them.
    """
    size, space, before = change.index_map.shape, change.space, change.index_map
    painted = maps.paint(maps.resize_soft(drawn, size), space)
    painted = np.where(change.free, painted, 0)
    class_maps = change.kept() | maps.index_to_shapes(painted, space)
    stays = maps.paint(change.kept(), space)[None]
    shown = np.where((painted > 0) & lies_above(space)[painted, stays], painted, stays)
    edited = np.asarray(change.touched)
    gap = edited[before] & (shown == 0)
    rest = maps.paint(maps.resize_soft(expected * ~edited, size), space)
    index_maps = np.stack([_filled(*row) for row in zip(shown, gap, rest, strict=True)])
    class_maps |= maps.index_to_class_maps(index_maps, space.num_channels) & edited
    was, now = edited[before], edited[index_maps]
    return Edits(index_maps, class_maps, occluded=~was & now & (before > 0), uncovered=was & ~now)


def _filled(
    shown: UInt8[np.ndarray, "H W"], gap: Bool[np.ndarray, "H W"], expected: UInt8[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W"]:
    """What is expected in the gap; a hole of it that no other background touches gets what is next to it."""
    shown = np.where(gap, expected, shown)
    parts, _ = scipy.ndimage.label(shown == 0)
    hole = (parts > 0) & ~np.isin(parts, parts[(shown == 0) & ~gap])
    if hole.all() or not hole.any():
        return shown
    nearest = scipy.ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    return shown[tuple(nearest)]
