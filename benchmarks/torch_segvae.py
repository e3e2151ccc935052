"""SegVAE in PyTorch as the paper describes it: one class after the other, in training and in generation.

The benchmarks compare with it, so it does no unnecessary work: training decodes no map from the prior,
a class that is absent from the whole batch is not decoded, and the label-set is embedded once for all
steps. Spectral norm is PyTorch's own, with one power iteration per call. Samples without the class of a
step pass through the networks like all others and are masked, as in the paper.

Arrays follow PyTorch's convention: channels first, and steps as the leading dimension, `[K, B, ...]`.
"""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from segvae_jax.model.layers import base_size, level_widths

_GAIN = 0.02
_State = tuple[Tensor, Tensor]  # hidden, cell


@dataclasses.dataclass
class Gaussian:
    """A diagonal normal distribution."""

    mu: Float[Tensor, "*b Z"]
    logvar: Float[Tensor, "*b Z"]

    def sample(self, eps: Float[Tensor, "*b Z"]) -> Float[Tensor, "*b Z"]:
        """`mu + sigma * eps` for standard normal noise."""
        return self.mu + torch.exp(self.logvar / 2) * eps


@dataclasses.dataclass
class Output:
    """The result of a pass over the K classes."""

    context: Float[Tensor, "K B F"]
    prior: Gaussian  # mu, logvar [K, B, Z]
    posterior: Gaussian | None  # mu, logvar [K, B, Z]; None in generation
    shapes: Float[Tensor, "K B H W"]  # in (0, 1); zero if the class is absent


class LabelEmbedding(nn.Module):
    """Turns a label vector into an additional input channel."""

    def __init__(self, num_channels: int, hidden_dim: int, size: tuple[int, int], spectral: bool):
        super().__init__()
        self.size = size
        self.hidden = _linear(num_channels, hidden_dim, spectral)
        self.out = _linear(hidden_dim, size[0] * size[1], spectral)

    def forward(self, labels: Float[Tensor, "B C"]) -> Float[Tensor, "B 1 H W"]:
        """The embedded labels as a map, in row-major order."""
        return functional.relu(self.out(functional.relu(self.hidden(labels)))).view(-1, 1, *self.size)


class Levels(nn.Module):
    """Strided convolutions with InstanceNorm until the shorter side is 4, then a convolution to one vector."""

    def __init__(self, num_inputs: int, features: int, size: tuple[int, int], ngf: int):
        super().__init__()
        widths = level_widths(size, ngf)
        inputs = (num_inputs, *widths)
        self.down = nn.ModuleList(_spectral(nn.Conv2d(i, o, 3, 2, 1)) for i, o in zip(inputs[:-1], widths, strict=True))
        self.flatten = _spectral(nn.Conv2d(widths[-1], features, base_size(size)))

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B F"]:
        """One vector per sample."""
        for layer in self.down:
            x = _instance_norm_leaky_relu(layer(x))
        return self.flatten(x).flatten(1)


class ContextEncoder(nn.Module):
    """E_c: encodes the canvas, the label-set and the target class of the step."""

    def __init__(self, num_channels: int, features: int, hidden_dim: int, size: tuple[int, int], ngf: int):
        super().__init__()
        self.embed_label_set = LabelEmbedding(num_channels, hidden_dim, size, spectral=True)
        self.embed_target = LabelEmbedding(num_channels, hidden_dim, size, spectral=True)
        self.levels = Levels(num_channels + 2, features, size, ngf)

    def forward(
        self,
        canvas: Float[Tensor, "B C H W"],
        embedded_label_set: Float[Tensor, "B 1 H W"],
        target: Float[Tensor, "B C"],
    ) -> Float[Tensor, "B F"]:
        """The context of one step."""
        return self.levels(torch.cat([canvas, embedded_label_set, self.embed_target(target)], 1))


class ShapeEncoder(nn.Module):
    """E_phi: encodes the true shape of the target class of the step."""

    def __init__(self, num_channels: int, features: int, size: tuple[int, int], ngf: int):
        super().__init__()
        self.embed_target = LabelEmbedding(num_channels, features, size, spectral=False)
        self.levels = Levels(2, features, size, ngf)

    def forward(self, shape: Float[Tensor, "B H W"], target: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        """The features of the shapes of one step."""
        return self.levels(torch.cat([shape[:, None], self.embed_target(target)], 1))


class Recurrence(nn.Module):
    """An LSTM cell with two heads for the parameters of a Gaussian."""

    def __init__(self, num_inputs: int, hidden_dim: int, latent_dim: int):
        super().__init__()
        self.lstm = nn.LSTMCell(num_inputs, hidden_dim)
        self.mu = _linear(hidden_dim, latent_dim, spectral=True)
        self.logvar = _linear(hidden_dim, latent_dim, spectral=True)

    def forward(self, x: Float[Tensor, "B I"], state: _State | None) -> tuple[_State, Gaussian]:
        """The next state and its Gaussian. A state of None means zeros."""
        hidden, cell = self.lstm(x, state)
        return (hidden, cell), Gaussian(self.mu(hidden), self.logvar(hidden))


class Decoder(nn.Module):
    """D: decodes a shape from a context and a latent."""

    def __init__(self, num_inputs: int, size: tuple[int, int], ngf: int):
        super().__init__()
        widths = level_widths(size, ngf)[::-1]
        self.unflatten = _initialised(nn.ConvTranspose2d(num_inputs, widths[0], base_size(size)))
        self.up = nn.ModuleList(
            _initialised(nn.ConvTranspose2d(i, o, 3, 2, 1, 1)) for i, o in zip(widths, (*widths[1:], 1), strict=True)
        )

    def forward(self, context: Float[Tensor, "B F"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B H W"]:
        """The shape, in (0, 1)."""
        x = self.unflatten(torch.cat([context, z], 1)[:, :, None, None])
        for layer in self.up[:-1]:
            x = _instance_norm_leaky_relu(layer(x))
        return torch.sigmoid(self.up[-1](x))[:, 0]


class TorchSegVAE(nn.Module):
    """The model. Its arguments are those of `segvae_jax.model.segvae.SegVAE`."""

    def __init__(
        self,
        num_channels: int,
        order: Sequence[int],
        image_size: tuple[int, int] = (128, 128),
        ngf: int = 64,
        context_dim: int = 512,
        hidden_dim: int = 256,
        latent_dim: int = 384,
    ):
        super().__init__()
        self.num_channels, self.order, self.image_size = num_channels, tuple(order), image_size
        self.context_encoder = ContextEncoder(num_channels, context_dim, hidden_dim, image_size, ngf)
        self.prior_embed = _linear(context_dim, hidden_dim, spectral=True)
        self.prior = Recurrence(hidden_dim, hidden_dim, latent_dim)
        self.shape_encoder = ShapeEncoder(num_channels, hidden_dim, image_size, ngf)
        self.posterior = Recurrence(hidden_dim + context_dim, hidden_dim, latent_dim)
        self.decoder = Decoder(context_dim + latent_dim, image_size, ngf)

    def forward(
        self, class_maps: Float[Tensor, "B C H W"], label_set: Float[Tensor, "B C"], eps: Float[Tensor, "K B Z"]
    ) -> Output:
        """Teacher-forced pass for training: decodes each class from its posterior, on a canvas of true shapes."""
        canvas, embedded_label_set = torch.zeros_like(class_maps), self.context_encoder.embed_label_set(label_set)
        prior_state = posterior_state = None
        steps = []
        for channel, noise, occurs in zip(self.order, eps, self._occurring(label_set), strict=True):
            target, shape = self._target(label_set, channel), class_maps[:, channel]
            context = self.context_encoder(canvas, embedded_label_set, target)
            prior_state, prior = self.prior(self.prior_embed(context), prior_state)
            features = torch.cat([self.shape_encoder(shape, target), context], 1)
            posterior_state, posterior = self.posterior(features, posterior_state)
            decoded = self._decode(context, posterior.sample(noise), label_set[:, channel], occurs)
            canvas[:, channel] = shape
            steps.append((context, prior, posterior, decoded))
        contexts, priors, posteriors, shapes = zip(*steps, strict=True)
        return Output(torch.stack(contexts), _stacked(priors), _stacked(posteriors), torch.stack(shapes))

    @torch.inference_mode()
    def generate(self, label_set: Float[Tensor, "B C"], eps: Float[Tensor, "K B Z"]) -> Output:
        """Samples one class after the other from the learned prior, each on the canvas of the generated shapes."""
        canvas = label_set.new_zeros(len(label_set), self.num_channels, *self.image_size)
        embedded_label_set, state = self.context_encoder.embed_label_set(label_set), None
        steps = []
        for channel, noise, occurs in zip(self.order, eps, self._occurring(label_set), strict=True):
            context = self.context_encoder(canvas, embedded_label_set, self._target(label_set, channel))
            state, prior = self.prior(self.prior_embed(context), state)
            canvas[:, channel] = self._decode(context, prior.sample(noise), label_set[:, channel], occurs)
            steps.append((context, prior, canvas[:, channel]))
        contexts, priors, shapes = zip(*steps, strict=True)
        return Output(torch.stack(contexts), _stacked(priors), None, torch.stack(shapes))

    def fold_spectral_norm(self) -> None:
        """Divides every kernel by its largest singular value and removes the normalisation, for generation."""
        self.eval()
        for module in self.modules():
            if parametrize.is_parametrized(module, "weight"):
                parametrize.remove_parametrizations(module, "weight")

    def _occurring(self, label_set: Tensor) -> list[bool]:
        """For each step, whether any sample has its class. Read from the device once per batch."""
        return label_set[:, list(self.order)].any(0).tolist()

    def _target(self, label_set: Tensor, channel: int) -> Tensor:
        target = torch.zeros_like(label_set)
        target[:, channel] = label_set[:, channel]
        return target

    def _decode(self, context: Tensor, z: Tensor, present: Tensor, occurs: bool) -> Tensor:
        if not occurs:
            return context.new_zeros(len(context), *self.image_size)
        return self.decoder(context, z) * present[:, None, None]


def losses(
    output: Output,
    shapes: Float[Tensor, "K B H W"],
    present: Float[Tensor, "K B"],
    kl_weight: float = 1e-5,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Total, KL and L1 reconstruction losses: means over the samples with the class, summed over the steps."""
    prior, posterior = output.prior, output.posterior
    assert posterior is not None
    difference = posterior.logvar - prior.logvar
    squared = (posterior.mu - prior.mu).square() * torch.exp(-prior.logvar)
    kl = 0.5 * (difference.exp() + squared - 1 - difference).sum(-1)
    recon = (output.shapes - shapes).abs().mean((-2, -1))
    kl, recon = (((term * present).sum(1) / present.sum(1).clamp(min=1)).sum() for term in (kl, recon))
    return kl_weight * kl + recon, kl, recon


def _instance_norm_leaky_relu(x: Tensor) -> Tensor:
    return functional.leaky_relu(functional.instance_norm(x), 0.2, inplace=True)


def _stacked(steps: Sequence[Gaussian]) -> Gaussian:
    return Gaussian(torch.stack([step.mu for step in steps]), torch.stack([step.logvar for step in steps]))


def _initialised(layer: nn.Module) -> nn.Module:
    nn.init.xavier_normal_(layer.weight, _GAIN)
    nn.init.zeros_(layer.bias)
    return layer


def _spectral(layer: nn.Module) -> nn.Module:
    return spectral_norm(_initialised(layer), eps=1e-8)


def _linear(inputs: int, outputs: int, spectral: bool) -> nn.Module:
    layer = nn.Linear(inputs, outputs)
    return _spectral(layer) if spectral else _initialised(layer)
