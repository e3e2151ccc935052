"""SegVAE as figure 2 of the paper shows it: the readable definition that the fast path (`segvae`) is held to.

One class at a time, on a canvas that is really formed, by plain functions of the parameters of a `SegVAE`; the tests
compare outputs, losses, gradients and samples. Symbols follow the paper (see `segvae_jax.model`):

    x       label-set, [B, C] in {0, 1}: all classes that the map is to hold
    y_k     target, [B, C]: one-hot class of step k
    canvas  [B, H, W, C]: the shapes of the classes before step k; the class of step k is in channel `channel`
    f       context feature, [B, F];   z  latent, [B, Z];   shape  [B, H, W] in (0, 1)

**Absent classes.** The iteration takes a step for every class, whether a label-set has it or not; K stays the same for
all rows of a batch. In a row whose label-set lacks the class, y_k is all zeros and the true shape is blank. Both LSTMs
advance all the same (unless `skip_absent`). The decoded shape is multiplied by 0, so the canvas does not change, and
the row is left out of the loss of the step, which is a mean over the rows that have the class
(`losses.reduce_losses`).
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax, nn
from jaxtyping import Array, Float, Int

from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.layers import dense, fold_spectral_norm, map_to_vector, vector_to_map
from segvae_jax.model.protocol import Generated, GivenShapes, StepOutput
from segvae_jax.model.recurrence import Carry, initial_carry
from segvae_jax.model.segvae import SegVAE

Params = Mapping[str, Any]
State = Carry  # of an LSTM: cell state c and hidden state h, [B, D] each
Canvas = Float[Array, "B H W C"]
Shape = Float[Array, "B H W"]
LabelSet = Float[Array, "B C"]
Feature = Float[Array, "B F"]
Latent = Float[Array, "B Z"]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_STRIDED: Any = {"window_strides": (2, 2), "padding": [(1, 1)] * 2, "dimension_numbers": _LAYOUT}
# A transposed convolution with stride 2 is a convolution of the input dilated by 2.
_TRANSPOSED: Any = {
    "window_strides": (1, 1), "padding": [(1, 2)] * 2, "lhs_dilation": (2, 2), "dimension_numbers": _LAYOUT,
}  # fmt: skip


def teacher_forced(
    model: SegVAE, variables: Params, class_maps: Canvas, x: LabelSet, eps: Float[Array, "B K Z"]
) -> StepOutput:
    """The training forward pass: a scan over the classes, each on a canvas of the true shapes before it."""
    folded, params = _without_spectral_norm(model, variables)
    step = lambda carry, inputs: teacher_forced_step(folded, params, carry, class_maps, x, *inputs)
    state = initial_carry(x.shape[0], model.hidden_dim)
    _, outputs = lax.scan(step, (state, state, jnp.zeros_like(class_maps)), _by_step(model, eps))
    return _batch_major(outputs)


def generate(
    model: SegVAE,
    variables: Params,
    x: LabelSet,
    eps: Float[Array, "B K Z"],
    temperature: float | Float[Array, ""] = 1.0,
    given: GivenShapes | None = None,
) -> Generated:
    """Generation: a scan over the classes, each on a canvas of the shapes generated (or given) before it.

    The temperature scales the standard deviation of the prior.
    """
    folded, params = _without_spectral_norm(model, variables)
    step = lambda carry, inputs: generation_step(folded, params, carry, x, *inputs)
    canvas = jnp.zeros((x.shape[0], *model.image_size, model.num_channels))
    start = initial_carry(x.shape[0], model.hidden_dim), canvas, canvas
    (_, _, class_maps), outputs = lax.scan(step, start, _by_step(model, temperature * eps, given))
    return Generated(class_maps, *_batch_major(outputs))


def teacher_forced_step(
    model: SegVAE, params: Params, carry: Any, class_maps: Canvas, x: LabelSet, channel: Int[Array, ""], eps: Latent
) -> tuple[Any, StepOutput]:
    """Step k of training: the shape is decoded from the posterior, and the canvas gains the true shape."""
    prior_state, posterior_state, canvas = carry
    present, y, truth = x[:, channel], _target(model, x, channel), class_maps[..., channel]
    f = context_encoder(model, params["context_encoder"], canvas, x, y)  # f = E_c(canvas_k, x, y_k)
    prior_state, p = prior(model, params.get("prior"), prior_state, f, present)  # p(z_k | f_1 .. f_k)
    posterior_state, q = posterior(model, params["posterior"], posterior_state, truth, y, f, present)
    z = q.mu + jnp.exp(q.logvar / 2) * eps  # z ~ q(z_k | shape_1 .. shape_k, f_1 .. f_k)
    logits = decoder(params["decoder"], f, z)  # shape = sigmoid(D(f, z))
    canvas = canvas.at[..., channel].set(truth)
    return (prior_state, posterior_state, canvas), StepOutput(p, q, logits, present, f)


def generation_step(
    model: SegVAE,
    params: Params,
    carry: Any,
    x: LabelSet,
    channel: Int[Array, ""],
    eps: Latent,
    given: GivenShapes | None = None,
) -> tuple[Any, tuple[Shape, Feature, Gaussian]]:
    """Step k of generation: the shape is decoded from the prior, and the canvas gains it."""
    state, canvas, class_maps = carry
    present, y = x[:, channel], _target(model, x, channel)
    f = context_encoder(model, params["context_encoder"], canvas, x, y)  # f = E_c(canvas_k, x, y_k)
    state, p = prior(model, params.get("prior"), state, f, present)
    z = p.mu + jnp.exp(p.logvar / 2) * eps  # z ~ p(z_k | f_1 .. f_k)
    sampled = nn.sigmoid(decoder(params["decoder"], f, z)) * present[:, None, None]
    shape = sampled if given is None else given.completed(sampled)
    shown = (shape >= 0.5).astype(shape.dtype) if model.hard_canvas else shape
    return (state, canvas.at[..., channel].set(shown), class_maps.at[..., channel].set(shape)), (sampled, f, p)


def context_encoder(model: SegVAE, params: Params, canvas: Canvas, x: LabelSet, y: LabelSet) -> Feature:
    """E_c: the canvas, and label-set and target as one more input channel each."""
    labels = [embed_label(model, params["embed_label_set"], x), embed_label(model, params["embed_target"], y)]
    return encode(params, jnp.concatenate([*([canvas] if model.canvas else []), *labels], axis=-1))


def prior(
    model: SegVAE, params: Params | None, state: State, f: Feature, present: Float[Array, "B"]
) -> tuple[State, Gaussian]:
    """E_psi and LSTM_psi: a Gaussian over the latent, from the contexts so far."""
    if params is None:  # without a learned prior
        zeros = jnp.zeros((f.shape[0], model.latent_dim))
        return state, Gaussian(zeros, zeros)
    return recurrent_gaussian(model, params, state, dense(f, _weights(params["embed"])), present)


def posterior(
    model: SegVAE, params: Params, state: State, truth: Shape, y: LabelSet, f: Feature, present: Float[Array, "B"]
) -> tuple[State, Gaussian]:
    """E_phi and LSTM_phi: a Gaussian over the latent, from the true shapes and contexts so far."""
    encoder = params["shape_encoder"]
    label = embed_label(model, encoder["embed_target"], y)
    features = encode(encoder, jnp.concatenate([truth[..., None], label], axis=-1))
    return recurrent_gaussian(model, params, state, jnp.concatenate([features, f], axis=-1), present)


def decoder(params: Params, f: Feature, z: Latent) -> Shape:
    """D: logits of a shape, by transposed convolutions from a small map to the full size."""
    x = vector_to_map(jnp.concatenate([f, z], axis=-1), _weights(params["unflatten"]))
    levels = sum(name.startswith("up_") for name in params)
    for level in range(levels):
        kernel, bias = _weights(params[f"up_{level}"])
        x = lax.conv_general_dilated(x, kernel, **_TRANSPOSED)
        x = x + bias.reshape(1, 1, 1, -1)
        x = activate(x) if level < levels - 1 else x
    return x[..., 0]


def encode(params: Params, x: Float[Array, "B H W I"]) -> Float[Array, "B O"]:
    """Strided convolutions down to a small map, and one product with all of it."""
    levels = params["levels"]
    for layer in (params["down_0"], *(levels[f"down_{level}"] for level in range(1, len(levels)))):
        kernel, bias = _weights(layer)
        x = lax.conv_general_dilated(x, kernel, **_STRIDED)
        x = activate(x + bias.reshape(1, 1, 1, -1))
    return map_to_vector(x, _weights(levels["flatten"]))


def activate(x: Float[Array, "B H W I"]) -> Float[Array, "B H W I"]:
    """Instance norm without parameters (biased variance, eps 1e-5), then leaky ReLU with slope 0.2."""
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    return nn.leaky_relu((x - mean) / jnp.sqrt(variance + 1e-5), 0.2)


def embed_label(model: SegVAE, params: Params, label: LabelSet) -> Float[Array, "B H W 1"]:
    """Linear, ReLU, linear, ReLU: a value per pixel, row by row."""
    hidden = nn.relu(dense(label, _weights(params["hidden"])))
    return nn.relu(dense(hidden, _weights(params["out"]))).reshape(-1, *model.image_size, 1)


def recurrent_gaussian(
    model: SegVAE, params: Params, state: State, x: Float[Array, "B I"], present: Float[Array, "B"]
) -> tuple[State, Gaussian]:
    """One step of an LSTM (or of a layer without memory), and the heads mu and log sigma^2 of its output."""
    if model.recurrent:
        advanced = lstm(params["lstm"], state, x)
        moves = (present if model.skip_absent else jnp.ones_like(present))[:, None] > 0
        state = jax.tree.map(lambda new, old: jnp.where(moves, new, old), advanced, state)
        hidden = state[1]
    else:
        hidden = jnp.tanh(dense(x, _weights(params["feed_forward"]["layer"])))
    mu, logvar = (dense(hidden, _weights(params["heads"][name])) for name in ("mu", "logvar"))
    return state, Gaussian(mu, logvar)


def lstm(params: Params, state: State, x: Float[Array, "B I"]) -> State:
    """One step of an LSTM cell: gates i, f, g, o."""
    c, h = state
    bias = (params["bias_input"] + params["bias_recurrent"])[None]
    gates = jnp.split(x @ params["kernel_input"] + h @ params["kernel_recurrent"] + bias, 4, axis=-1)
    gate_i, gate_f, gate_g, gate_o = gates
    c = nn.sigmoid(gate_f) * c + nn.sigmoid(gate_i) * jnp.tanh(gate_g)
    return c, nn.sigmoid(gate_o) * jnp.tanh(c)


def _target(model: SegVAE, x: LabelSet, channel: Int[Array, ""]) -> LabelSet:
    """y_k: one-hot, or all zeros where the label-set lacks the class."""
    return jnp.eye(model.num_channels)[channel][None] * x[:, channel][:, None]


def _weights(layer: Params) -> tuple[Array, Array]:
    return layer["kernel"], layer["bias"]


def _without_spectral_norm(model: SegVAE, variables: Params) -> tuple[SegVAE, Params]:
    """Divides each normalised kernel by the estimate of its largest singular value, once for all steps."""
    folded, variables = fold_spectral_norm(model, variables)
    return folded, variables["params"]


def _by_step(model: SegVAE, *inputs: Any) -> tuple[Any, ...]:
    """The channel of each step, and inputs `[B, K, ...]` as `[K, B, ...]`."""
    return (jnp.asarray(model.order), *jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), inputs))


def _batch_major(outputs: Any) -> Any:
    return jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), outputs)
