"""The models by name. `protocol` says what a new one needs."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from segvae_jax.model.baselines.cvae import GlobalVAE
from segvae_jax.model.baselines.diffusion import DiffusionModel
from segvae_jax.model.baselines.layout import LayoutModel
from segvae_jax.model.baselines.masked import MaskedModel
from segvae_jax.model.hierarchical import Hierarchical
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.segvae import SegVAE

MODELS: dict[str, type[MapModel]] = {
    "hierarchical": Hierarchical,
    "segvae": SegVAE,
    "cvae_global": GlobalVAE,
    "sg2im": LayoutModel,
    "masked": MaskedModel,
    "diffusion": DiffusionModel,
}
_OF_THE_CLASSES = {"num_channels", "order", "stack"}
_OF_LINEN = {"parent", "name"}
_DTYPES = ("float32", "bfloat16", "float16")
_OFF_AT_ZERO = {"convolved"}  # the only numbers that may be 0
_LARGEST = 2**20  # of any size, far beyond all that fits into memory


def names_with(capability: str) -> str:
    """Names of the models that have a capability of the protocol, e.g. "can_edit", for error messages."""
    return " or ".join(name for name, model in MODELS.items() if getattr(model, capability))


def hyperparameters(name: str) -> frozenset[str]:
    """Attributes of a model, without those that follow from the classes."""
    return hyperparameters_of(MODELS[name])


def hyperparameters_of(kind: type) -> frozenset[str]:
    """Fields of a dataclass, without those that follow from the classes."""
    return frozenset(field.name for field in dataclasses.fields(kind)) - _OF_THE_CLASSES - _OF_LINEN


def check_arguments(kind: type, arguments: Mapping[str, Any]) -> None:
    """Checks hyperparameters that were read from a file.

    Raises:
      ValueError: if `kind` has no such hyperparameter, or it has values of another type or out of range.
    """
    hints = get_type_hints(kind)
    for key, value in arguments.items():
        off = key in _OFF_AT_ZERO and type(value) is int and value == 0
        if key not in hyperparameters_of(kind) or not (off or _fits(hints[key], value)):
            raise ValueError(f"{key}={value!r:.40} is no hyperparameter of a {kind.__name__}")


def _fits(hint: Any, value: Any) -> bool:
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if hint is bool:
        return type(value) is bool
    if hint is str:
        return value in _DTYPES  # the only texts
    numbers, sizes = ((value,), (int,)) if hint is int else (value, get_args(hint))
    counts = isinstance(numbers, tuple) and all(type(number) is int and 0 <= number <= _LARGEST for number in numbers)
    return counts and (Ellipsis in sizes or (len(numbers) == len(sizes) and 0 not in numbers))


def make_model(
    name: str, num_channels: int, order: tuple[int, ...], stack: tuple[int, ...], arguments: Mapping[str, Any]
) -> MapModel:
    """A model.

    Args:
      name: a key of `MODELS`.
      num_channels: C.
      order: channels of the K classes in drawing order.
      stack: the same from the bottom to the top of a painted map.
      arguments: those of its `hyperparameters` that differ from their defaults.
    """
    return MODELS[name](num_channels, order, stack=stack, **arguments)
