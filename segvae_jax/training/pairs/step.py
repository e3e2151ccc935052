"""One update of a translator: of generator and style encoder, and of the discriminator, at the same time.

Both see the weights before the update. The pictures of the generator are computed once for both.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, UInt8

from segvae_jax import maps
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.labels import LabelSpace
from segvae_jax.sharding import replicated, split_batch
from segvae_jax.streams import Seed, stream_key
from segvae_jax.training.augmentation import Augmentation, augment_pairs
from segvae_jax.training.pairs.views import view
from segvae_jax.training.state import FlatState, updated
from segvae_jax.training.step import Metrics
from segvae_jax.translator.losses import label_mix, mix_loss, style_divergence
from segvae_jax.translator.networks import Networks, Styles, as_floats

Pictures = Float[Array, "B H W 3"]


@dataclasses.dataclass(frozen=True)
class PairConfig:
    """What a step minimises.

    Attributes:
      space: the classes of the maps, which says how they are painted.
      seed: of all noise; an array in a compiled step.
      label_mix: weight of the consistency of mixed pictures, of a discriminator of pixels; 0 for none.
      reconstruction: weight of the absolute difference from the real picture whose style was given.
      kl_weight: of the divergence of styles from the standard normal distribution.
      ema_decay: of the averaged weights.
      augmentation: of maps and pictures, alike.
    """

    space: LabelSpace
    seed: Seed
    label_mix: float
    reconstruction: float
    kl_weight: float
    ema_decay: float
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)


def painted(class_maps: Float[Array, "B H W C"], space: LabelSpace) -> Float[Array, "B H W C"]:
    """One-hot maps as they are painted, one class for each pixel."""
    return jax.nn.one_hot(maps.paint(class_maps, space), space.num_channels)


def train_step(
    networks: Networks,
    optimizer: optax.GradientTransformation,
    config: PairConfig,
    state: TrainState,
    packed: UInt8[Array, "B H W P"],
    pictures: UInt8[Array, "B H W 3"],
) -> tuple[TrainState, Metrics]:
    """One update on a batch of packed maps and their pictures.

    Returns:
      the new state, and metrics: losses, norms of gradients and updates, and for each parameter, in the order of the
      tree, whether its gradient is finite.
    """
    class_maps = maps.unpack(packed, networks.num_channels)
    moved, real = augment_pairs(config.augmentation, class_maps, as_floats(pictures), config.seed, state.step)
    grads, metrics, spectral = _gradients(networks, config, state, painted(moved, config.space), real)
    after, norms = updated(optimizer, config.ema_decay, state, grads, spectral)
    return after, metrics | norms


def _gradients(
    networks: Networks, config: PairConfig, state: TrainState, class_maps: Float[Array, "B H W C"], real: Pictures
) -> tuple[Any, Metrics, Any]:
    """Gradients of all parameters, the losses, and the advanced singular vectors and styles."""
    key = functools.partial(stream_key, config.seed, index=state.step)
    discriminator, losses = state.params["discriminator"], networks.adversarial
    made = {name: state.params[name] for name in ("generator", "style")}
    (fake, kl), pull, moments = jax.vjp(
        lambda made: _generated(networks, made, class_maps, real, key), made, has_aux=True
    )
    judge = functools.partial(_judge, networks, state.spectral["discriminator"])
    seen, *shown = view(key("view"), class_maps, real, fake)
    mask = label_mix(key("classes"), seen)
    mixed = [mask * shown[0] + (1 - mask) * shown[1]] if config.label_mix else []

    def discriminator_loss(params: Any) -> tuple[Array, Any]:
        count = 2 + len(mixed)
        logits, advanced = judge(params, jnp.concatenate([*shown, *mixed]), jnp.tile(seen, (count, 1, 1, 1)))
        of_real, of_fake, *of_mixed = jnp.split(logits, count)
        terms = {"real": losses.real(of_real, seen), "fake": losses.fake(of_fake, seen)}
        loss = terms["real"] + terms["fake"]
        if of_mixed:
            terms["label_mix"] = mix_loss(mask, of_real, of_fake, *of_mixed)
            loss += config.label_mix * terms["label_mix"]
        return loss, (terms, advanced)

    def generator_loss(fake: Pictures) -> tuple[Array, Metrics]:
        seen, shown = view(key("view"), class_maps, fake)
        terms = {"generator": losses.generator(judge(discriminator, shown, seen)[0], seen)}
        terms["reconstruction"] = jnp.abs(fake - real).mean()
        return terms["generator"] + config.reconstruction * terms["reconstruction"], terms

    of_discriminator, (judged, spectral) = jax.grad(discriminator_loss, has_aux=True)(discriminator)
    by_fake, terms = jax.grad(generator_loss, has_aux=True)(fake)
    (of_made,) = pull((by_fake, jnp.float32(config.kl_weight)))
    grads = {"discriminator": of_discriminator, **of_made}
    styles = Styles(**state.spectral["styles"]).updated(state.step, *moments)
    return grads, judged | terms | {"kl": kl}, {"discriminator": spectral, "styles": vars(styles)}


def _generated(
    networks: Networks, made: Any, class_maps: Float[Array, "B H W C"], real: Pictures, key: Callable[[str], Array]
) -> tuple[tuple[Pictures, Float[Array, ""]], tuple[Array, Array]]:
    """Pictures in the styles of the real ones, and the divergence of the styles; also the moments of the styles."""
    mu, logvar = networks.encode(made, real)
    style = mu + jnp.exp(0.5 * logvar) * jax.random.normal(key("posterior"), mu.shape)
    noise = jax.random.normal(key("pixels"), (*real.shape[:3], networks.noise_channels))
    return (networks.translate(made, class_maps, noise, style), style_divergence(mu, logvar)), (mu, logvar)


def _judge(
    networks: Networks, spectral: Any, params: Any, pictures: Pictures, class_maps: Float[Array, "B H W C"]
) -> tuple[Float[Array, "B ..."], Any]:
    """Logits of the discriminator, and its advanced singular vectors."""
    variables = {"params": params, "spectral": spectral}
    logits, advanced = networks.discriminator.apply(variables, pictures, class_maps, mutable=["spectral"])
    return logits, advanced["spectral"]


def jit_train_step(
    networks: Networks, optimizer: optax.GradientTransformation, config: PairConfig, mesh: Mesh
) -> jax.stages.Wrapped:
    """`train_step` over all devices of the mesh: `(flat state, packed, pictures, seed) -> (flat state, metrics)`.

    The state is donated. The seed, of type uint32, takes the place of `config.seed`, so that one program is compiled
    for all seeds.
    """
    everywhere, split = replicated(mesh), split_batch(mesh)

    def step(state: FlatState, packed: Array, pictures: Array, seed: Array) -> tuple[FlatState, Metrics]:
        seeded = dataclasses.replace(config, seed=seed)
        after, metrics = train_step(networks, optimizer, seeded, state.whole(), packed, pictures)
        return FlatState.of(after), metrics

    shardings = everywhere, split, split, everywhere
    return jax.jit(step, in_shardings=shardings, out_shardings=everywhere, donate_argnums=0)
