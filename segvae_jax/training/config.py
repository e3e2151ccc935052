"""What a configuration may say, and what it builds.

Experiments live in `configs/`; each starts from `default_config` and changes what differs.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optax
from ml_collections import ConfigDict

from segvae_jax.data.feed.batches import batch_indices
from segvae_jax.data.prepare.builder import Prepared, open_prepared, prepare
from segvae_jax.data.prepare.catalog import SourceOptions, open_source
from segvae_jax.data.prepare.drawing_order import by_area
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import ConfigError
from segvae_jax.labels import LabelSpace
from segvae_jax.losses import RECONSTRUCTION
from segvae_jax.model.layers import level_widths
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.registry import MODELS, hyperparameters, make_model
from segvae_jax.training.augmentation import Augmentation
from segvae_jax.training.packing import Packing
from segvae_jax.training.state import adam, learning_rate_schedule
from segvae_jax.training.step import Objective

_SOURCES = {"cartoon": "cartoon", "celebamask": "celebamask_hq", "folder": "folder", "human_parsing": "humanparsing"}
_ORDERS = ("default", "area", "organs_first", "random")
_COUNT, _SHARE = (1, math.inf), (0.0, 1.0)
_RANGES = {
    "seed": (0, 2**32 - 1), "batch_size": _COUNT, "num_steps": (0, math.inf), "num_epochs": (0, math.inf),
    "log_every": _COUNT, "checkpoint_every": _COUNT, "keep_checkpoints": _COUNT, "accumulate": _COUNT,
    "data.resident_gib": (0.0, math.inf), "data.num_maps": _COUNT, "data.ignore": (-1, 255),
    "data.rotate": (0.0, 180.0), "data.scale": (0.0, 0.9), "data.shift": _SHARE, "data.drop_classes": _SHARE,
    "model.ngf": _COUNT, "model.context_dim": _COUNT, "model.hidden_dim": _COUNT, "model.latent_dim": _COUNT,
    "model.draw_steps": _COUNT,
    "loss.kl_weight": (0.0, math.inf), "optimizer.learning_rate": (0.0, math.inf), "optimizer.betas": (0.0, 0.999999),
    "optimizer.warmup_steps": (0, math.inf), "optimizer.decay_from": _SHARE, "optimizer.ema_decay": _SHARE,
}  # fmt: skip


def default_config() -> ConfigDict:
    """Every key with the value it has where an experiment says nothing: the release's, at 128 px."""
    config = ConfigDict()
    config.seed = 0
    config.batch_size = 16  # over all devices
    config.num_steps = 0  # either this ...
    config.num_epochs = 200  # ... or this; the other is 0
    config.log_every = 50  # steps
    config.checkpoint_every = 1_000  # steps; validation and pictures come with it
    config.pack = True  # computes what differs between the classes of a batch; saves time, changes nothing
    config.accumulate = 1  # parts of a batch computed one after the other; saves memory
    config.remat = False  # computes norms and activations again in the backward pass; saves memory
    config.keep_checkpoints = 3  # the latest; the best is kept beside them

    config.data = ConfigDict()
    config.data.source = "cartoon"  # one of cartoon, celebamask, folder, human_parsing
    config.data.path = ""  # folder of index PNGs; celebamask, human_parsing: also any published layout, or a .zip
    config.data.layout = ""  # celebamask, human_parsing: name of the layout, where several fit
    config.data.fit = "stretch"  # human_parsing: or "pad", which keeps the aspect ratio
    config.data.prepared = "~/.cache/segvae_jax"  # where prepared data sets are kept, or one of `prepare.py`
    config.data.labels = ""  # folder: .txt, .json or .csv file with the name of each index, or colour
    config.data.merge = ""  # folder: "old,old=new;old=new"; classes that become `background` are left out
    config.data.classes = ""  # folder: classes to keep, in drawing order; all, big ones first, if empty
    config.data.ignore = -1  # folder: index of pixels that become background, often 255; -1 for none
    config.data.resident_gib = 2.0  # prepared training maps up to this size are kept on the devices
    config.data.flip = False  # mirrors half of the training maps, left and right classes exchanged
    config.data.rotate = 0.0  # turns training maps by up to so many degrees ...
    config.data.scale = 0.0  # ... scales them by up to this share, 0.1: by 0.9 to 1.1 ...
    config.data.shift = 0.0  # ... and shifts them by up to this share of height and of width
    config.data.drop_classes = 0.0  # probability that a class is taken out of a training map, never all
    config.data.kind = "faces"  # cartoon: faces or people
    config.data.num_maps = 8_000  # cartoon

    config.model = ConfigDict()
    config.model.name = "segvae"  # or cvae_global, sg2im, masked, diffusion, which know fewer of the keys below
    config.model.image_size = (128, 128)
    config.model.ngf = 64
    config.model.context_dim = 512
    config.model.hidden_dim = 256
    config.model.latent_dim = 384
    config.model.spectral_norm = True
    config.model.gain = 0.02
    config.model.dtype = "float32"  # or bfloat16: of the convolutions; everything else stays float32
    config.model.recurrent = True  # False: layers without memory in the place of the LSTMs
    config.model.learned_prior = True  # False: a standard normal prior
    config.model.canvas = True  # False: no class sees those drawn before it
    config.model.hard_canvas = False  # generated shapes are thresholded before others are drawn onto them
    config.model.skip_absent = False  # the LSTMs stay where they are in steps of absent classes
    config.model.draw_steps = 24  # masked, diffusion: calls of the network for a drawn map
    config.model.order = "default"  # or area (big classes first), organs_first (small ones), random (in each batch)

    config.loss = ConfigDict()
    config.loss.reconstruction = "l1"  # or bce, bce_dice
    config.loss.kl_weight = 1e-5

    config.optimizer = ConfigDict()
    config.optimizer.learning_rate = 2.5e-5
    config.optimizer.betas = (0.5, 0.999)
    config.optimizer.warmup_steps = 0
    config.optimizer.decay_from = 0.75  # fraction of the run from which the rate falls to zero
    config.optimizer.ema_decay = 0.0  # 0 keeps no average
    return config


def with_variant(config: ConfigDict, variant: str, variants: Mapping[str, Mapping[str, Any]]) -> ConfigDict:
    """Sets the entries (`"model.ngf": 16`) of the variant named in `--config=FILE:variant`; `""` is the experiment.

    Raises:
      ConfigError: if there is no such variant.
    """
    if variant not in variants:
        known = ", ".join(name for name in variants if name)
        raise ConfigError(f"no variant {variant!r} of this configuration: known are {known}")
    config.update_from_flattened_dict(variants[variant])
    return config


def prepare_data(config: ConfigDict) -> Prepared:
    """The data set of a configuration: what `data.prepared` holds, or the source, prepared now if it was not before.

    Raises:
      SegVAEError: if it cannot be read, or was prepared at another size.
    """
    check(config)
    size, directory = tuple(config.model.image_size), Path(config.data.prepared).expanduser()
    if not (directory / "dataset_info.json").is_file():
        return prepare(_source(config), size, directory)
    prepared = open_prepared(directory)
    if prepared.image_size != size:
        held = f"maps of {prepared.image_size}, but config.model.image_size={size}"
        raise ConfigError(f"config.data.prepared={directory}: holds {held}: prepare it at that size")
    return prepared


def _source(config: ConfigDict) -> Source:
    """The source that `config.data` names."""
    data = config.data
    if data.source not in _SOURCES:
        raise ConfigError(f"config.data.source={data.source!r}: expected one of {', '.join(_SOURCES)}")
    given = {field.name: data[field.name] for field in dataclasses.fields(SourceOptions) if field.name in data}
    return open_source(_SOURCES[data.source], SourceOptions(**given, seed=config.seed), "--config.data.")


def label_space(config: ConfigDict, data: Prepared) -> LabelSpace:
    """The classes of the data, in the drawing order that `model.order` names; they are painted as before."""
    if config.model.order in ("default", "random"):
        return data.space
    channels = data.space.num_channels
    areas = [np.unpackbits(row["map"], axis=-1, count=channels).sum((0, 1)) for row in data.split("train")]
    big_first = by_area(data.space, np.stack(areas)).drawing_order
    order = big_first if config.model.order == "area" else big_first[::-1]
    return dataclasses.replace(data.space, drawing_order=order)


def model_arguments(config: ConfigDict) -> dict[str, Any]:
    """Hyperparameters of the model besides the classes."""
    arguments = {**config.model, "image_size": tuple(config.model.image_size)}
    return {name: arguments[name] for name in arguments if name in hyperparameters(config.model.name)}


def build_model(config: ConfigDict, space: LabelSpace) -> MapModel:
    """The model for the classes of `space`."""
    arguments = model_arguments(config)
    return make_model(config.model.name, space.num_channels, space.order, space.stack, arguments)


def build_objective(config: ConfigDict, space: LabelSpace) -> Objective:
    """What is minimised, on maps of the classes of `space`."""
    return Objective(
        config.loss.reconstruction,
        config.loss.kl_weight,
        config.optimizer.ema_decay,
        config.seed,
        build_augmentation(config, space),
        config.model.order == "random",
    )


def build_augmentation(config: ConfigDict, space: LabelSpace) -> Augmentation:
    """What is done to training maps of the classes of `space`."""
    data = config.data
    return Augmentation(space if data.flip else None, data.rotate, data.scale, data.shift, data.drop_classes)


def build_packing(config: ConfigDict, data: Prepared, space: LabelSpace, groups: int, num_steps: int) -> Packing | None:
    """How batches are packed, each in as many groups as there are devices; None if they are not.

    Only SegVAE packs, and no random orders: what a batch asks for depends on its order.
    """
    if not config.pack or config.model.name != "segvae" or config.model.order == "random":
        return None
    label_sets = data.label_sets("train")
    batches = batch_indices(len(label_sets), config.batch_size, config.seed)
    return Packing(label_sets, space, batches, groups, config.accumulate, num_steps, config.data.flip)


def total_steps(config: ConfigDict, num_examples: int) -> int:
    """Steps of the whole run on `num_examples` maps."""
    return config.num_steps or max(1, config.num_epochs * num_examples // config.batch_size)


def build_optimizer(config: ConfigDict, num_steps: int) -> optax.GradientTransformation:
    """Adam under the schedule."""
    optimizer = config.optimizer
    schedule = learning_rate_schedule(optimizer.learning_rate, num_steps, optimizer.warmup_steps, optimizer.decay_from)
    return adam(schedule, tuple(optimizer.betas))


def check(config: ConfigDict) -> None:
    """Checks values, as far as a type check does not see and no data are needed.

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
    if config.loss.reconstruction not in RECONSTRUCTION:
        raise ConfigError(
            f"config.loss.reconstruction={config.loss.reconstruction!r}: expected one of {', '.join(RECONSTRUCTION)}"
        )
    choices = {"name": tuple(MODELS), "order": _ORDERS, "dtype": ("float32", "bfloat16")}
    for key, known in choices.items():
        if config.model[key] not in known:
            raise ConfigError(f"config.model.{key}={config.model[key]!r}: expected one of {', '.join(known)}")
    if config.model.order == "random" and config.model.name != "segvae":
        raise ConfigError(f"config.model.order=random: expected model.name=segvae, not {config.model.name}")
    try:
        level_widths(tuple(config.model.image_size), config.model.ngf)
    except ValueError as error:
        raise ConfigError(f"config.model.image_size: {error}") from None


def _value(config: ConfigDict, key: str) -> Any:
    return functools.reduce(lambda node, name: node[name], key.split("."), config)
