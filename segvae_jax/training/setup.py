"""What a configuration builds: data, label space, model, step, packing and optimiser."""

import dataclasses
from collections.abc import Collection, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import optax
from ml_collections import ConfigDict

from segvae_jax.data.feed.batches import batch_indices
from segvae_jax.data.prepare.builder import Prepared, open_prepared, prepare
from segvae_jax.data.prepare.drawing_order import by_area
from segvae_jax.data.prepare.recipe import RecipeOptions, make_recipe
from segvae_jax.data.sources.registry import DATA_SETS, SourceOptions, open_source
from segvae_jax.data.sources.source import Size
from segvae_jax.errors import ConfigError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.registry import MODELS, hyperparameters, make_model
from segvae_jax.training.augmentation import Augmentation
from segvae_jax.training.config import MAX_STEPS, check, is_translator, model_arguments
from segvae_jax.training.packing import Packing, foreseen_batches
from segvae_jax.training.state import adam, learning_rate_schedule
from segvae_jax.training.step import StepConfig

_FLAG = "--config.data."
_CARTOONS = "cartoon_"  # with their kind, the name of a source
_DESCRIPTION = "dataset_info.json"  # a file of every prepared data set
_DEFAULTS = vars(SourceOptions()) | vars(RecipeOptions())


def prepare_data(config: ConfigDict) -> Prepared:
    """The data set of a configuration.

    If `data.prepared` is a prepared data set, opens it. Otherwise prepares the source below that folder, or opens
    what an earlier call prepared there.

    Raises:
      ConfigError: if the prepared data set has another size, or options are given that cannot change it.
      SegVAEError: if the data cannot be read.
    """
    check(config)
    size, directory = tuple(config.model.image_size), Path(config.data.prepared).expanduser()
    if (directory / _DESCRIPTION).is_file():
        return _open_prepared(config, directory, size)
    name, options = config.data.source, RecipeOptions(**_given(config, RecipeOptions))
    source = open_source(name, SourceOptions(**_given(config, SourceOptions), seed=config.seed), _FLAG)
    if is_translator(config) and source.image is None:
        raise ConfigError(
            f"config.data.source={name}: has maps only: a translator needs their pictures: give config.data.images"
        )
    pictures = size if is_translator(config) else None
    return prepare(source, make_recipe(name, source, options, size, pictures, flag=_FLAG), directory)


def with_prepared(config: ConfigDict, typed: Collection[str] = ()) -> ConfigDict:
    """The configuration with what its prepared data set brings: the size of maps, and the name of its source.

    Args:
      config: if `data.prepared` is no prepared data set, it is returned as it is.
      typed: keys whose values a user gave beside the data set, e.g. "model.image_size".

    Raises:
      ConfigError: if such a value contradicts the data set, or the model cannot have this size.
      DataError: if the data set is damaged.
    """
    directory = Path(config.data.prepared).expanduser()
    if not (directory / _DESCRIPTION).is_file():
        return config
    prepared = open_prepared(directory)
    brought = _brought(prepared)
    _check_typed(config, typed, brought, directory)
    followed = config.copy_and_resolve_references()
    followed.update_from_flattened_dict(brought)
    try:
        check(followed)
    except ConfigError as error:
        raise ConfigError(f"config.data.prepared={directory}: holds maps of {prepared.image_size}: {error}") from None
    return followed


def _brought(prepared: Prepared) -> dict[str, Any]:
    """Keys of a configuration, and their values by a prepared data set; early versions kept no source."""
    known: dict[str, Any] = {"model.image_size": prepared.image_size}
    if prepared.source.startswith(_CARTOONS):
        known |= {"data.source": "cartoon", "data.kind": prepared.source.removeprefix(_CARTOONS)}
    elif prepared.source in DATA_SETS:
        known |= {"data.source": prepared.source}
    return known


def _check_typed(config: ConfigDict, typed: Collection[str], brought: Mapping[str, Any], directory: Path) -> None:
    """Refuses what a user typed and a prepared data set contradicts, or would ignore."""
    for key in filter(typed.__contains__, brought):
        if (given := attrgetter(key)(config)) != brought[key]:
            held = f"is a prepared data set with {key}={brought[key]}, but config.{key}={given} is given"
            raise ConfigError(f"config.data.prepared={directory}: {held}: leave it out, or prepare the data again")
    if "data.num_maps" in typed:
        held = "is a prepared data set, which has its maps"
        raise ConfigError(f"config.data.prepared={directory}: {held}: leave config.data.num_maps out")


def _open_prepared(config: ConfigDict, directory: Path, size: Size) -> Prepared:
    prepared = open_prepared(directory)
    if changed := _options_without_effect(config, prepared):
        fault = f"is a prepared data set, which config.data.{changed[0]} cannot change"
        unset = f"set it to {_DEFAULTS[changed[0]]!r}"
        raise ConfigError(f"config.data.prepared={directory}: {fault}: {unset}, or prepare the data again")
    if prepared.image_size != size:
        held = f"maps of {prepared.image_size}, but config.model.image_size={size}"
        raise ConfigError(f"config.data.prepared={directory}: holds {held}: prepare it at that size")
    if is_translator(config) and (pictures := prepared.pictures_on_disk("train").shape[:2]) != size:
        held = f"pictures of {pictures}, but config.model.image_size={size}"
        raise ConfigError(
            f"config.data.prepared={directory}: holds {held}: prepare it with --image_size={size[0]}x{size[1]}"
        )
    return prepared


def _options_without_effect(config: ConfigDict, prepared: Prepared) -> list[str]:
    """Names of options that are given although a prepared data set cannot follow them.

    Options that ask for the very classes of the set are fine, as those of `configs/clothing.py` for a set that was
    prepared with them. `configs/cartoon.py` sets the options of cartoons.
    """
    given = _given(config, SourceOptions) | _given(config, RecipeOptions)
    fulfilled = set(DATA_SETS["cartoon"].options)
    if [name.strip() for name in given["classes"].split(",")] == list(prepared.space.classes):
        fulfilled |= {"classes", "merge"}
    if given["fit"] == prepared.fit:
        fulfilled.add("fit")
    return [name for name in given if name not in fulfilled and given[name] != _DEFAULTS[name]]


def _given(config: ConfigDict, options: type[SourceOptions | RecipeOptions]) -> dict[str, Any]:
    """The values that `config.data` has for the fields of `options`."""
    return {field.name: config.data[field.name] for field in dataclasses.fields(options) if field.name in config.data}


def label_space(config: ConfigDict, data: Prepared) -> LabelSpace:
    """The classes of the data, in the drawing order that `model.order` names; they are painted as before."""
    if config.model.order in ("default", "random"):
        return data.space
    channels = data.space.num_channels
    areas = [np.unpackbits(row["map"], axis=-1, count=channels).sum((0, 1)) for row in data.split("train")]
    big_first = by_area(data.space, np.stack(areas)).drawing_order
    order = big_first if config.model.order == "area" else big_first[::-1]
    return dataclasses.replace(data.space, drawing_order=order)


def build_model(config: ConfigDict, space: LabelSpace) -> MapModel:
    """The model for the classes of `space`."""
    arguments = model_arguments(config)
    return make_model(config.model.name, space.num_channels, space.order, space.stack, arguments)


def build_step(config: ConfigDict, space: LabelSpace) -> StepConfig:
    """What a step minimises and how, on maps with the classes of `space`."""
    return StepConfig(
        reconstruction=config.loss.reconstruction,
        kl_weight=config.loss.kl_weight,
        ema_decay=config.optimizer.ema_decay,
        seed=config.seed,
        augmentation=build_augmentation(config, space),
        random_order=config.model.order == "random",
        remat=config.remat,
        accumulate=config.accumulate,
        kl_warmup=config.loss.kl_warmup,
        reduction=config.loss.reduction,
        classes_per_map=config.loss.classes_per_map,
    )


def build_augmentation(config: ConfigDict, space: LabelSpace) -> Augmentation:
    """The augmentation of training maps with the classes of `space`."""
    data = config.data
    told = config.model.get("augment_labels") and "augment_labels" in hyperparameters(config.model.name)
    return Augmentation(
        space if data.flip else None,
        rotate=data.rotate,
        scale=data.scale,
        shift=data.shift,
        drop_classes=data.get("drop_classes", 0.0),
        moved_share=0.5 if told else 1.0,
    )


def can_pack(config: ConfigDict) -> bool:
    """Whether batches are packed, if that saves enough.

    Batches with random orders are not packed, since the slots that a batch needs depend on its order. Nor are those
    of a few classes of each map, which have hardly any absent ones.
    """
    able = config.pack and MODELS[config.model.name].can_pack
    return able and not config.loss.classes_per_map and config.model.order != "random"


def build_packing(config: ConfigDict, data: Prepared, space: LabelSpace, groups: int) -> Packing | None:
    """How batches are packed, in as many groups as there are devices; None if they are not."""
    if not can_pack(config):
        return None
    label_sets = data.label_sets("train")
    batches = batch_indices(len(label_sets), config.batch_size, config.seed)
    foreseen = foreseen_batches(len(label_sets), config.batch_size)
    return Packing(label_sets, space, foreseen, batches, groups, config.accumulate, config.data.flip)


def total_steps(config: ConfigDict, num_examples: int) -> int:
    """Steps of the whole run on `num_examples` maps.

    Raises:
      ConfigError: if there are more than can be counted.
    """
    steps = config.num_steps or max(1, config.num_epochs * num_examples // config.batch_size)
    if steps > MAX_STEPS:
        raise ConfigError(f"config.num_epochs={config.num_epochs}: gives {steps} steps: expected at most {MAX_STEPS}")
    return steps


def build_optimizer(config: ConfigDict, num_steps: int) -> optax.GradientTransformation:
    """Adam or AdamW under the schedule."""
    optimizer = config.optimizer
    schedule = learning_rate_schedule(optimizer.learning_rate, num_steps, optimizer.warmup_steps, optimizer.decay_from)
    return adam(schedule, tuple(optimizer.betas), optimizer.weight_decay, optimizer.clip_norm)
