"""The hierarchical model, one (map, class) pair after the other: the readable definition of `hierarchical`.

One class at a time, on a canvas that is really formed, by plain functions of the parameters; the tests compare
outputs, losses, gradients and samples. Symbols are those of `reference`. The latent of a step has L + 1 scales:

    z_k = (z_vector, z_0 .. z_{L-1});   z_vector  [B, Z_v];   z_l  [B, h_l, w_l, c_l], from coarse to fine
    p(z_k | f, h)        = p(z_vector | h) p(z_0 | d_0) p(z_1 | d_1) ..,         h: state of the prior's memory
    q(z_k | shape, f, h) = q(z_vector | g) q(z_0 | s_0, d_0) q(z_1 | s_1, d_1) .., g: state of the posterior's memory

where d_l is the decoder's feature at scale l, which depends on context, canvas and all coarser latents, and s_l the
shape encoder's feature at that scale. With G groups, z_l = (z_l1 .. z_lG), and d_l of a group depends on those before
it. The loss of a pair is `-log p(shape | z_k, canvas) + beta KL(q || p)`: the cross-entropy of all pixels, and the KL
divergence of all scales.

**Absent classes.** A step of a class that the label-set lacks changes nothing: neither canvas nor memories.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, nn
from jaxtyping import Array, Float, Int

from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.hierarchical import Hierarchical
from segvae_jax.model.ladder import coordinates, latent_names
from segvae_jax.model.layers import base_size
from segvae_jax.model.protocol import Generated, GivenShapes, StepOutput, Temperature
from segvae_jax.model.recurrence import Carry, initial_carry
from segvae_jax.model.reference import lstm

Params = Mapping[str, Any]
Feature = Float[Array, "B _ _ _"]
Vector = Float[Array, "B _"]
Shape = Float[Array, "B H W"]


def teacher_forced(
    model: Hierarchical,
    variables: Params,
    class_maps: Float[Array, "B H W C"],
    x: Float[Array, "B C"],
    eps: Float[Array, "B K Z"],
    moves: Float[Array, "B 5"] | None = None,
) -> StepOutput:
    """The training forward pass: a scan over the classes, each on a canvas of the true shapes before it."""
    params = variables["params"]

    def step(carry: Any, inputs: Any) -> tuple[Any, StepOutput]:
        prior_state, posterior_state, canvas = carry
        channel, eps = inputs
        present, truth = x[:, channel], class_maps[..., channel]
        e = condition(params["conditions"], known(model, x, moves), _target(model, channel, x))
        skips, f = canvas_encoder(model, params["canvas_encoder"], canvas, e)
        features, seen = shape_encoder(model, params["shape_encoder"], truth, e)
        prior_state, h = memory(model, params["prior_memory"], prior_state, f, present)
        both = jnp.concatenate([f, seen], axis=-1)
        posterior_state, g = memory(model, params["posterior_memory"], posterior_state, both, present)
        vector = vector_latent(params["vector_latent"], "prior", h, e, -8.0)
        posterior = vector_latent(params["vector_latent"], "posterior", g, e, -10.0)
        logits, p, q = decoder(model, params["decoder"], f, h, vector, posterior, skips, e, eps, features)
        canvas = canvas.at[..., channel].set(truth)
        return (prior_state, posterior_state, canvas), StepOutput(p, q, logits, present, f)

    state = initial_carry(x.shape[0], model.hidden_dim)
    start = state, state, jnp.zeros_like(class_maps)
    return _batch_major(lax.scan(step, start, (jnp.asarray(model.order), jnp.swapaxes(eps, 0, 1)))[1])


def generate(
    model: Hierarchical,
    variables: Params,
    x: Float[Array, "B C"],
    eps: Float[Array, "B K Z"],
    temperature: Temperature = 1.0,
    given: GivenShapes | None = None,
) -> Generated:
    """Generation: a scan over the classes, each on a hard canvas of the shapes generated (or given) before it."""
    params = variables["params"]

    def step(carry: Any, inputs: Any) -> tuple[Any, tuple[Shape, Vector, Gaussian]]:
        state, canvas, class_maps = carry
        channel, eps, given = inputs
        present = x[:, channel]
        e = condition(params["conditions"], known(model, x, None), _target(model, channel, x))
        skips, f = canvas_encoder(model, params["canvas_encoder"], canvas, e)
        state, h = memory(model, params["prior_memory"], state, f, present)
        vector = vector_latent(params["vector_latent"], "prior", h, e, -8.0)
        draw = lambda eps: decoder(model, params["decoder"], f, h, vector, vector, skips, e, eps, None)[:2]
        sampled, p = never_lost(draw(eps), draw(-eps))
        sampled = sampled * present[:, None, None]
        shape = sampled if given is None else given.completed(sampled)
        shown = (shape >= 0.5).astype(shape.dtype) if model.hard_canvas else shape
        carry = state, canvas.at[..., channel].set(shown), class_maps.at[..., channel].set(shape)
        return carry, (sampled, f, p)

    blank = jnp.zeros((x.shape[0], *model.image_size, model.num_channels))
    scaled = jnp.reshape(jnp.asarray(temperature), (1, 1, -1)) * eps
    by_step = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (scaled, given))
    start = initial_carry(x.shape[0], model.hidden_dim), blank, blank
    (_, _, class_maps), outputs = lax.scan(step, start, (jnp.asarray(model.order), *by_step))
    return Generated(class_maps, *_batch_major(outputs))


def never_lost(first: tuple[Shape, Gaussian], second: tuple[Shape, Gaussian]) -> tuple[Shape, Gaussian]:
    """A class that was asked for is drawn: where the first sample is nowhere above one half, the second one is taken.

    If it is not either, its likeliest pixel is raised to one half.
    """
    lost = nn.sigmoid(first[0]).max((1, 2)) < 0.5
    logits, p = jax.tree.map(lambda a, b: jnp.where(lost.reshape(-1, *[1] * (a.ndim - 1)), b, a), first, second)
    shape = nn.sigmoid(logits)
    peak = shape.max((1, 2), keepdims=True)
    raised = jnp.where(shape == peak, 0.5, shape * 0.5 / jnp.maximum(peak, 1e-12))
    return jnp.where(peak < 0.5, raised, shape), p


def known(model: Hierarchical, x: Float[Array, "B C"], moves: Float[Array, "B 5"] | None) -> Vector:
    """The label-set and, with `augment_labels`, how the map was moved; generated maps are of unmoved ones."""
    if not model.augment_labels:
        return x
    told = 5 if model.flip_labels else 4
    return jnp.concatenate([x, jnp.zeros((x.shape[0], told)) if moves is None else moves[:, :told]], axis=-1)


def condition(params: Params, x: Vector, y: Float[Array, "B C"]) -> Vector:
    """e: what every network knows of map (label-set, moves) and target."""
    hidden = nn.silu(dense(params["hidden"], jnp.concatenate([x, y], axis=-1)))
    return nn.silu(dense(params["out"], hidden))


def canvas_encoder(
    model: Hierarchical, params: Params, canvas: Float[Array, "B H W C"], e: Vector
) -> tuple[list[Feature], Vector]:
    """E_c: features of the canvas at every stage, the finest first, and the context f."""
    embedded = canvas @ params["table"] + conv(params["place"], coordinates(model.image_size))
    skips = [embedded] if model.patch == 1 else []
    x = conv(params["enter"], patches(embedded, max(model.patch, 2)))
    for number in range(_count(params, "blocks_")):
        x = block(params[f"blocks_{number}"], average(x) if number else x, e)
        skips.append(x)
    return skips, dense(params["out"], x.reshape(x.shape[0], -1))


def shape_encoder(model: Hierarchical, params: Params, truth: Shape, e: Vector) -> tuple[list[Feature], Vector]:
    """E_phi: features of the true shape at the scales of the latents, the finest first, and one vector."""
    count = _count(params, "block_")
    side = model.image_size[0] // (base_size(model.image_size)[0] * 2 ** (count - 1))
    x = patches(truth[..., None], side)
    place = jnp.broadcast_to(coordinates((x.shape[1], x.shape[2])), (*x.shape[:3], 2))
    x, features = conv(params["enter"], jnp.concatenate([x, place], axis=-1)), []
    for number in range(count):
        x = block(params[f"block_{number}"], average(x) if number else x, e)
        features.append(x)
    return features, dense(params["out"], x.reshape(x.shape[0], -1))


def memory(
    model: Hierarchical, params: Params, state: Carry, x: Vector, present: Float[Array, "B"]
) -> tuple[Carry, Vector]:
    """LSTM_psi or LSTM_phi, which stands still where the class is absent; or a layer without memory."""
    if not model.recurrent:
        return state, jnp.tanh(x @ params["layer"]["kernel"] + params["layer"]["bias"][None])
    advanced = lstm(params, state, x)
    state = jax.tree.map(lambda new, old: jnp.where(present[:, None] > 0, new, old), advanced, state)
    return state, state[1]


def vector_latent(params: Params, name: str, hidden: Vector, e: Vector, lowest: float) -> Gaussian:
    """The Gaussian of z_vector; log sigma^2 is clipped."""
    x = nn.silu(dense(params[f"{name}_hidden"], jnp.concatenate([hidden, e], axis=-1)))
    mu, logvar = jnp.split(dense(params[f"{name}_out"], x), 2, axis=-1)
    return Gaussian(mu, jnp.clip(logvar, lowest, 4.0))


def decoder(
    model: Hierarchical,
    params: Params,
    f: Vector,
    h: Vector,
    prior: Gaussian,
    sampled: Gaussian,
    skips: list[Feature],
    e: Vector,
    eps: Float[Array, "B Z"],
    features: list[Feature] | None,
) -> tuple[Shape, Gaussian, Gaussian]:
    """D: logits of the shape, from coarse to fine; each scale of the latent is sampled where its feature is known."""
    noise = jnp.split(eps, list(_ends(model)), axis=-1)
    priors, all_sampled = [prior], [sampled]
    z = sampled.sample(noise[0])
    x = dense(params["enter"], jnp.concatenate([f, h, z], axis=-1))
    x = x.reshape(f.shape[0], *base_size(model.image_size), -1)
    for level in range(_count(params, "block_")):
        if level:
            x = conv(params[f"up_{level}"], x)
            x = unpatched(x, 2) if model.subpixel else double(x)
        x = x + conv(params[f"skip_{level}"], skips[-1 - level]) if model.skips else x
        x = block(params[f"block_{level}"], x, e)
        groups = [params[name] for name in latent_names(level, model.latent_groups) if name in params]
        for number, group in enumerate(groups):
            seen = None if features is None else features[-1 - level]
            part = jnp.split(noise[level + 1], len(groups), axis=-1)[number]
            x, p, q = latent_map(group, x, seen, e, part)
            priors.append(p)
            all_sampled.append(q)
    logits = conv(params["out"], nn.silu(affine(params["norm"], normalise(x))))
    joined = lambda parts: jax.tree.map(lambda *a: jnp.concatenate(a, axis=-1), *parts)
    return unpatched(logits, model.patch)[..., 0], joined(priors), joined(all_sampled)


def latent_map(
    params: Params, d: Feature, s: Feature | None, e: Vector, eps: Float[Array, "B Z"]
) -> tuple[Feature, Gaussian, Gaussian]:
    """A group of z_l: the prior sees the decoder's feature d_l, the posterior that and the shape's feature s_l."""
    p = q = spatial_gaussian(params, "prior", d, -8.0)
    if s is not None:
        y = block(params["posterior_block"], d + conv(params["feature"], s), e)
        q = spatial_gaussian(params, "posterior", y, -10.0)
    z = q.sample(eps).reshape(*d.shape[:3], -1)
    return block(params["block"], d + conv(params["sample"], z), e), p, q


def spatial_gaussian(params: Params, name: str, x: Feature, lowest: float) -> Gaussian:
    """A Gaussian per pixel and channel, flat."""
    x = conv(params[name], nn.silu(affine(params[f"{name}_norm"], normalise(x))))
    mu, logvar = (half.reshape(x.shape[0], -1) for half in jnp.split(x, 2, axis=-1))
    return Gaussian(mu, jnp.clip(logvar, lowest, 4.0))


def block(params: Params, x: Feature, e: Vector) -> Feature:
    """Residual block: norm, SiLU, convolution, norm that the condition scales and shifts, SiLU, convolution."""
    y = conv(params["conv_0"], nn.silu(affine(params["norm"], normalise(x))))
    scale, shift = jnp.split(dense(params["modulation"], e)[:, None, None], 2, axis=-1)
    y = conv(params["conv_1"], nn.silu(normalise(y) * (1 + scale) + shift))
    return y + (conv(params["shortcut"], x) if "shortcut" in params else x)


def normalise(x: Feature) -> Feature:
    """Group norm without parameters: up to 8 groups, the largest number that divides the channels."""
    groups = max(count for count in range(1, 9) if x.shape[-1] % count == 0)
    split = x.reshape(*x.shape[:3], groups, -1)
    mean, variance = split.mean((1, 2, 4), keepdims=True), split.var((1, 2, 4), keepdims=True)
    return ((split - mean) / jnp.sqrt(variance + 1e-6)).reshape(x.shape)


def affine(params: Params, x: Feature) -> Feature:
    """Scale and shift of each channel."""
    return x * params["scale"].reshape(1, 1, 1, -1) + params["shift"].reshape(1, 1, 1, -1)


def dense(params: Params, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
    """Affine map."""
    return x @ params["weights"]["kernel"] + params["weights"]["bias"][None]


def conv(params: Params, x: Feature) -> Feature:
    """Convolution that keeps the size."""
    kernel, bias = params["weights"]["kernel"], params["weights"]["bias"]
    y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + bias.reshape(1, 1, 1, -1)


def average(x: Feature) -> Feature:
    """Means of 2 x 2 pixels."""
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def double(x: Feature) -> Feature:
    """Each pixel twice in both directions."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def patches(x: Feature, side: int) -> Feature:
    """Patches of pixels as channels, row by row."""
    return jnp.concatenate([x[:, i::side, j::side] for i in range(side) for j in range(side)], axis=-1)


def unpatched(x: Feature, side: int) -> Feature:
    """The inverse of `patches`."""
    y = jnp.zeros((x.shape[0], x.shape[1] * side, x.shape[2] * side, x.shape[3] // side**2), x.dtype)
    parts = jnp.split(x, side**2, axis=-1)
    for number, part in enumerate(parts):
        y = y.at[:, number // side :: side, number % side :: side].set(part)
    return y


def _ends(model: Hierarchical) -> list[int]:
    """Where the parts of a flat latent end, without the last."""
    sizes = list(model.latent_scales.values())
    return [sum(sizes[: count + 1]) for count in range(len(sizes) - 1)]


def _target(model: Hierarchical, channel: Int[Array, ""], x: Float[Array, "B C"]) -> Float[Array, "B C"]:
    return jnp.broadcast_to(jax.nn.one_hot(channel, model.num_channels), x.shape)


def _count(params: Params, prefix: str) -> int:
    return sum(name.startswith(prefix) and name[len(prefix) :].isdigit() for name in params)


def _batch_major(outputs: Any) -> Any:
    return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), outputs)
