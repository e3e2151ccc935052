"""Checks the values of a configuration, and sets its variants.

Experiments live in `configs/`; `configs/default.py` has every key. `setup` builds what a configuration describes.
"""

import difflib
import functools
import reprlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs import default
from segvae_jax.data.cartoon import CARTOON_SPACES
from segvae_jax.errors import ConfigError
from segvae_jax.maps import FITS
from segvae_jax.model.losses import RECONSTRUCTION, REDUCTIONS
from segvae_jax.model.registry import MODELS, hyperparameters_of, make_model, names_with
from segvae_jax.translator.networks import TRANSLATOR, Networks

_CHOICES = {
    "loss.reconstruction": tuple(RECONSTRUCTION), "loss.reduction": REDUCTIONS, "model.name": (*MODELS, TRANSLATOR),
    "model.order": ("default", "area", "organs_first", "random"), "model.dtype": ("float32", "bfloat16"),
    "data.kind": tuple(CARTOON_SPACES), "data.fit": FITS,
}  # fmt: skip
MAX_STEPS = 2**31 - 1  # they are counted in 32 bits
_CHANNELS, _SHARE = (1, 16_384), (0.0, 1.0)
_RANGES = {
    "seed": (0, 2**32 - 1), "batch_size": (1, 1_000_000), "num_steps": (0, MAX_STEPS), "num_epochs": (0, 1_000_000),
    "log_every": (1, MAX_STEPS), "checkpoint_every": (1, MAX_STEPS), "keep_checkpoints": (1, 1_000_000),
    "accumulate": (1, 1_000_000), "data.resident_gib": (0.0, 1e6), "data.num_maps": (1, 10_000_000),
    "data.ignore": (-1, 255), "data.rotate": (0.0, 180.0), "data.scale": (0.0, 0.9), "data.shift": _SHARE,
    "data.drop_classes": _SHARE, "model.image_size": (8, 8_192), "model.ngf": _CHANNELS, "model.context_dim": _CHANNELS,
    "model.hidden_dim": _CHANNELS, "model.latent_dim": _CHANNELS, "model.widths": _CHANNELS, "model.patch": (1, 1_024),
    "model.latent_channels": _CHANNELS, "model.latent_groups": (1, 16), "model.gain": (1e-6, 1e3),
    "model.draw_steps": (1, 1_000),
    "loss.kl_weight": (0.0, 1e6), "loss.kl_warmup": (0, MAX_STEPS), "loss.classes_per_map": (0, 255),
    "optimizer.learning_rate": (0.0, 10.0), "optimizer.betas": (0.0, 0.999999), "optimizer.decay_from": _SHARE,
    "optimizer.warmup_steps": (0, MAX_STEPS), "optimizer.ema_decay": (0.0, 0.999999),
    "optimizer.weight_decay": (0.0, 1e3), "optimizer.clip_norm": (0.0, 1e9), "model.noise_channels": _CHANNELS,
    "model.style_dim": _CHANNELS, "model.class_style": _CHANNELS, "model.convolved": (0, 8_192),
    "model.hidden": _CHANNELS, "model.discriminator_widths": _CHANNELS, "loss.label_mix": (0.0, 1e6),
    "loss.reconstruction_weight": (0.0, 1e6),
}  # fmt: skip
_LENGTHS = {
    "model.image_size": (2, 2), "optimizer.betas": (2, 2), "model.widths": (1, 16), "model.latent_channels": (0, 16),
    "model.discriminator_widths": (2, 16),
}  # fmt: skip
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text", ConfigDict: "keys below it"}


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
    """Checks keys, types and values, as far as this is possible without data.

    Raises:
      ConfigError: naming the first key that is missing or unknown, or whose value cannot be used.
    """
    expected = default.get_translator_config() if is_translator(config) else default.get_config()
    _check_keys(config, expected, "config")
    for key, (low, high) in _RANGES.items():
        if (value := _value(config, key)) is None:
            continue
        if not all(low <= number <= high for number in (value if isinstance(value, tuple) else (value,))):
            raise ConfigError(f"config.{key}={_brief(value)}: expected {low} to {high}")
    if not config.data.prepared:
        raise ConfigError("config.data.prepared='': expected a folder for prepared data sets")
    if bool(config.num_steps) == bool(config.num_epochs):
        raise ConfigError(
            f"config.num_steps={config.num_steps} and config.num_epochs={config.num_epochs}: set one, the other to 0"
        )
    for key, known in _CHOICES.items():
        if _value(config, key) not in (*known, None):
            raise ConfigError(f"config.{key}={_brief(_value(config, key))}: expected one of {', '.join(known)}")
    (_check_translator if is_translator(config) else _check_model)(config)


def is_translator(config: Any) -> bool:
    """Whether a configuration is of a translator, with the keys of `default.get_translator_config`."""
    return isinstance(config, ConfigDict) and _value(config, "model.name") == TRANSLATOR


def _check_keys(given: Any, expected: Any, place: str) -> None:
    """Checks that a value has the keys of the default, and its types, at any depth."""
    if isinstance(expected, ConfigDict) and isinstance(given, ConfigDict):
        if unknown := sorted(set(given) - set(expected)):
            near = difflib.get_close_matches(unknown[0], expected, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ConfigError(f"{place}.{unknown[0]}: unknown key{hint}: expected those of configs/default.py")
        for key in expected:
            if key not in given:
                raise ConfigError(f"{place}.{key} is missing: begin with the configuration of configs/default.py")
            _check_keys(given[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, tuple):
        low, high = _LENGTHS[place.removeprefix("config.")]
        alike = isinstance(given, tuple) and all(_is_like(number, expected[0]) for number in given)
        if not (alike and low <= len(given) <= high):
            count = "two" if low == high else f"{low} to {high}"
            kind = "whole numbers" if isinstance(expected[0], int) else "numbers"
            raise ConfigError(f"{place}={_brief(given)}: expected {count} {kind} in parentheses, as in {expected}")
    elif not _is_like(given, expected):
        raise ConfigError(f"{place}={_brief(given)}: expected {_KINDS[type(expected)]}")


def _is_like(value: Any, expected: Any) -> bool:
    """Whether a value can stand where the default is `expected`: whole numbers are numbers, True and False are not."""
    kind = (int, float) if isinstance(expected, float) else type(expected)
    return isinstance(value, kind) and isinstance(value, bool) == isinstance(expected, bool)


def _brief(value: Any) -> str:
    """A value as it is written, shortened if it is long."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no numbers of more than 4,300 digits
        return "a number of thousands of digits"


def model_arguments(config: ConfigDict) -> dict[str, Any]:
    """Hyperparameters of the model besides the classes."""
    arguments = {**config.model, "image_size": tuple(config.model.image_size)}
    known = hyperparameters_of(Networks if is_translator(config) else MODELS[config.model.name])
    return {name: arguments[name] for name in arguments if name in known}


def _check_model(config: ConfigDict) -> None:
    """What the model can do, and whether its sizes fit."""
    name, able = config.model.name, MODELS[config.model.name]
    if config.model.order == "random" and not able.can_reorder:
        raise ConfigError(f"config.model.order=random: expected model.name={names_with('can_reorder')}, not {name}")
    if config.init_from and not able.can_transfer:
        able_to = names_with("can_transfer")
        raise ConfigError(f"config.init_from: expected model.name={able_to}, not {name}: leave it empty")
    if config.loss.classes_per_map and not able.can_choose_steps:
        able_to = names_with("can_choose_steps")
        raise ConfigError(f"config.loss.classes_per_map: expected model.name={able_to}, not {name}: set it to 0")
    if config.loss.classes_per_map and config.model.recurrent:
        raise ConfigError(
            "config.loss.classes_per_map: LSTMs need all classes of a map: set it to 0, or model.recurrent to False"
        )
    if config.loss.classes_per_map and config.loss.reduction != "pairs":
        raise ConfigError(
            "config.loss.classes_per_map: random classes are pairs: set it to 0, or loss.reduction to pairs"
        )
    try:
        make_model(name, 2, (1,), (1,), model_arguments(config)).require_valid_sizes()
    except ValueError as error:
        raise ConfigError(f"config.model.image_size: {error}") from None


def _check_translator(config: ConfigDict) -> None:
    if config.model.patch_discriminator and config.loss.label_mix:
        raise ConfigError("config.loss.label_mix: model.patch_discriminator judges no pixels: set it to 0")
    try:
        Networks(2, **model_arguments(config)).require_valid_sizes()
    except ValueError as error:
        raise ConfigError(f"config.model.image_size: {error}") from None


def _value(config: ConfigDict, key: str) -> Any:
    """The value of a key, or None where this kind of configuration has no such key."""
    get = lambda node, name: node.get(name) if isinstance(node, ConfigDict) else None
    return functools.reduce(get, key.split("."), config)
