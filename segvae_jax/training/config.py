"""Checks the values of a configuration, and sets its variants.

Experiments live in `configs/`; `configs/default.py` has every key. `setup` builds what a configuration describes.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from segvae_jax.errors import ConfigError
from segvae_jax.model.losses import RECONSTRUCTION, REDUCTIONS
from segvae_jax.model.registry import MODELS, hyperparameters, make_model, names_with

_CHOICES = {
    "loss.reconstruction": tuple(RECONSTRUCTION), "loss.reduction": REDUCTIONS, "model.name": tuple(MODELS),
    "model.order": ("default", "area", "organs_first", "random"), "model.dtype": ("float32", "bfloat16"),
}  # fmt: skip
_COUNT, _SHARE = (1, math.inf), (0.0, 1.0)
_RANGES = {
    "seed": (0, 2**32 - 1), "batch_size": _COUNT, "num_steps": (0, math.inf), "num_epochs": (0, math.inf),
    "log_every": _COUNT, "checkpoint_every": _COUNT, "keep_checkpoints": _COUNT, "accumulate": _COUNT,
    "data.resident_gib": (0.0, math.inf), "data.num_maps": _COUNT, "data.ignore": (-1, 255),
    "data.rotate": (0.0, 180.0), "data.scale": (0.0, 0.9), "data.shift": _SHARE, "data.drop_classes": _SHARE,
    "model.ngf": _COUNT, "model.context_dim": _COUNT, "model.hidden_dim": _COUNT, "model.latent_dim": _COUNT,
    "model.draw_steps": _COUNT, "model.widths": _COUNT, "model.patch": _COUNT, "model.latent_channels": _COUNT,
    "loss.kl_weight": (0.0, math.inf), "loss.kl_warmup": (0, math.inf), "loss.classes_per_map": (0, math.inf),
    "optimizer.learning_rate": (0.0, math.inf), "optimizer.betas": (0.0, 0.999999),
    "optimizer.warmup_steps": (0, math.inf), "optimizer.decay_from": _SHARE, "optimizer.ema_decay": _SHARE,
    "optimizer.weight_decay": (0.0, math.inf), "optimizer.clip_norm": (0.0, math.inf),
}  # fmt: skip


def with_variant(config: ConfigDict, variant: str, variants: Mapping[str, Mapping[str, Any]]) -> ConfigDict:
    """Sets the entries of a variant, as named in `--config=FILE:variant`.

    Args:
      config: to be changed.
      variant: a key of `variants`; `""` is the experiment itself.
      variants: entries such as `"model.ngf": 16` of each variant.

    Raises:
      ConfigError: if there is no such variant.
    """
    if variant not in variants:
        known = ", ".join(name for name in variants if name)
        raise ConfigError(f"no variant {variant!r} of this configuration: known are {known}")
    config.update_from_flattened_dict(variants[variant])
    return config


def check(config: ConfigDict) -> None:
    """Checks values, as far as this is possible without data; types are checked elsewhere.

    Raises:
      ConfigError: naming the first key whose value cannot be used.
    """
    for key, kind in (("model.image_size", int), ("optimizer.betas", int | float)):
        pair = _value(config, key)
        if len(pair) != 2 or not all(isinstance(number, kind) for number in pair):
            raise ConfigError(f"config.{key}={pair}: expected two {'whole ' if kind is int else ''}numbers")
    for key, (low, high) in _RANGES.items():
        value = _value(config, key)
        if not all(low <= number <= high for number in (value if isinstance(value, tuple) else (value,))):
            bounds = f"at least {low}" if high == math.inf else f"{low} to {high}"
            raise ConfigError(f"config.{key}={value}: expected {bounds}")
    if bool(config.num_steps) == bool(config.num_epochs):
        raise ConfigError(
            f"config.num_steps={config.num_steps} and config.num_epochs={config.num_epochs}: set one, the other to 0"
        )
    for key, known in _CHOICES.items():
        if _value(config, key) not in known:
            raise ConfigError(f"config.{key}={_value(config, key)!r}: expected one of {', '.join(known)}")
    _check_model(config)


def model_arguments(config: ConfigDict) -> dict[str, Any]:
    """Hyperparameters of the model besides the classes."""
    arguments = {**config.model, "image_size": tuple(config.model.image_size)}
    return {name: arguments[name] for name in arguments if name in hyperparameters(config.model.name)}


def _check_model(config: ConfigDict) -> None:
    """What the model can do, and whether its sizes fit."""
    name, able = config.model.name, MODELS[config.model.name]
    if config.model.order == "random" and not able.can_reorder:
        raise ConfigError(f"config.model.order=random: expected model.name={names_with('can_reorder')}, not {name}")
    if config.loss.classes_per_map and not able.can_choose_steps:
        able_to = names_with("can_choose_steps")
        raise ConfigError(f"config.loss.classes_per_map: expected model.name={able_to}, not {name}: set it to 0")
    if config.loss.classes_per_map and config.model.recurrent:
        raise ConfigError(
            "config.loss.classes_per_map: LSTMs need all classes of a map: set it to 0, or model.recurrent to False"
        )
    try:
        make_model(name, 2, (1,), (1,), model_arguments(config)).require_valid_sizes()
    except ValueError as error:
        raise ConfigError(f"config.model.image_size: {error}") from None


def _value(config: ConfigDict, key: str) -> Any:
    return functools.reduce(lambda node, name: node[name], key.split("."), config)
