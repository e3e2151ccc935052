"""The recurrent learned prior and posterior: a Gaussian over the latent at each step."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from segvae_jax.model.encoders import ShapeEncoder
from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.layers import Weights, dense
from segvae_jax.model.packing import Slots

Carry = tuple[Float[Array, "B D"], Float[Array, "B D"]]  # cell state, hidden state


def initial_carry(batch_size: Any, hidden_dim: int) -> Carry:
    """The zero state before the first step; `batch_size` is a number, or a symbolic size of `jax.export`."""
    return jnp.zeros((batch_size, hidden_dim)), jnp.zeros((batch_size, hidden_dim))


class LSTM(nn.Module):
    """One LSTM cell over T steps: gates i, f, g, o, an input and a recurrent bias.

    Linen's cells hold a single bias, which Adam would move at half the speed of the release's two.
    Kernels start uniform in +-1/sqrt(D), the usual start of LSTM cells.
    """

    hidden_dim: int

    @nn.compact
    def __call__(
        self, carry: Carry, xs: Float[Array, "B T I"], advances: Float[Array, "B T"] | None = None
    ) -> tuple[Carry, Float[Array, "B T D"]]:
        """Advances the state over T inputs; a single product computes the input gates of all steps.

        Args:
          carry: the state before the first step.
          xs: the inputs.
          advances: 0 where a row keeps its state in a step; all rows advance in all steps if None.
        """
        uniform = nn.initializers.uniform(2 * self.hidden_dim**-0.5)
        centred = lambda *args: uniform(*args) - self.hidden_dim**-0.5
        width = 4 * self.hidden_dim
        kernel_input = self.param("kernel_input", centred, (xs.shape[-1], width))
        kernel = self.param("kernel_recurrent", centred, (self.hidden_dim, width))
        biases = [self.param(name, nn.initializers.zeros, (width,)) for name in ("bias_input", "bias_recurrent")]
        gates_input = xs @ kernel_input + (biases[0] + biases[1]).reshape(1, 1, -1)

        def advance(carry: Carry, step: tuple[Float[Array, "B 4*D"], Float[Array, "B"] | None]):
            (cell, hidden), (gates_x, moves) = carry, step
            i, f, g, o = jnp.split(gates_x + hidden @ kernel, 4, axis=-1)
            cell = nn.sigmoid(f) * cell + nn.sigmoid(i) * jnp.tanh(g)
            hidden = nn.sigmoid(o) * jnp.tanh(cell)
            if moves is not None:
                cell, hidden = (
                    jnp.where(moves[:, None] > 0, *pair) for pair in zip((cell, hidden), carry, strict=True)
                )
            return (cell, hidden), hidden

        steps = gates_input, advances
        # A turn of a loop costs a GPU more than the step; unrolled, each step is two kernels.
        unroll = jax.default_backend() == "gpu"
        carry, hidden = lax.scan(advance, carry, jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), steps), unroll=unroll)
        return carry, jnp.swapaxes(hidden, 0, 1)


class FeedForward(nn.Module):
    """A layer without memory that replaces an LSTM; its outputs are in (-1, 1) as well."""

    hidden_dim: int

    @nn.compact
    def __call__(
        self, carry: Carry, xs: Float[Array, "B T I"], advances: Float[Array, "B T"] | None = None
    ) -> tuple[Carry, Float[Array, "B T D"]]:
        """The unchanged state, and the output for each input."""
        del advances
        return carry, jnp.tanh(dense(xs, Weights((xs.shape[-1], self.hidden_dim), gain=1.0, name="layer")()))


def _memory(recurrent: bool, hidden_dim: int) -> LSTM | FeedForward:
    return LSTM(hidden_dim, name="lstm") if recurrent else FeedForward(hidden_dim, name="feed_forward")


class Heads(nn.Module):
    """A Gaussian from a hidden state."""

    latent_dim: int
    spectral_norm: bool
    gain: float

    @nn.compact
    def __call__(self, hidden: Float[Array, "B T D"]) -> Gaussian:
        """Mean and log-variance by one linear layer each."""
        shape = (hidden.shape[-1], self.latent_dim)
        weights = lambda name: Weights(shape, self.spectral_norm, self.gain, name=name)()
        return Gaussian(dense(hidden, weights("mu")), dense(hidden, weights("logvar")))


class Prior(nn.Module):
    """The learned prior {E_psi, LSTM_psi}; it sees the context feature only."""

    hidden_dim: int
    latent_dim: int
    spectral_norm: bool = True
    gain: float = 0.02
    recurrent: bool = True

    @nn.compact
    def __call__(
        self, carry: Carry, context: Float[Array, "B T F"], advances: Float[Array, "B T"] | None = None
    ) -> tuple[Carry, Gaussian]:
        """The next T steps from a state; `advances` is that of `LSTM`."""
        weights = Weights((context.shape[-1], self.hidden_dim), self.spectral_norm, self.gain, name="embed")()
        carry, hidden = _memory(self.recurrent, self.hidden_dim)(carry, dense(context, weights), advances)
        return carry, Heads(self.latent_dim, self.spectral_norm, self.gain, name="heads")(hidden)


class StandardPrior(nn.Module):
    """The standard normal distribution, which replaces a learned prior; it has no parameters."""

    latent_dim: int

    def __call__(
        self, carry: Carry, context: Float[Array, "B T F"], advances: Float[Array, "B T"] | None = None
    ) -> tuple[Carry, Gaussian]:
        """The same for every step."""
        del advances
        zeros = jnp.zeros((*context.shape[:2], self.latent_dim))
        return carry, Gaussian(zeros, zeros)


class Posterior(nn.Module):
    """The posterior {E_phi, LSTM_phi}; it also sees the true shape of the class."""

    image_size: tuple[int, int]
    ngf: int
    hidden_dim: int
    latent_dim: int
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"
    recurrent: bool = True

    @nn.compact
    def __call__(
        self,
        carry: Carry,
        shape: Float[Array, "B T H W"],
        target: Float[Array, "T C"],
        present: Float[Array, "B T"],
        context: Float[Array, "B T F"],
        slots: Slots | None = None,
        advances: Float[Array, "B T"] | None = None,
    ) -> tuple[Carry, Gaussian]:
        """The next T steps from a state; `advances` is that of `LSTM`."""
        norm, gain = self.spectral_norm, self.gain
        sizes = self.image_size, self.ngf, self.hidden_dim
        encoder = ShapeEncoder(*sizes, norm, gain, self.dtype, name="shape_encoder")
        inputs = jnp.concatenate([encoder(shape, target, present, slots), context], axis=-1)
        carry, hidden = _memory(self.recurrent, self.hidden_dim)(carry, inputs, advances)
        return carry, Heads(self.latent_dim, norm, gain, name="heads")(hidden)
