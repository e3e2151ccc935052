"""Weights that are not those of the model in their card, which are noticed where a program of the model is traced.

To compare all shapes when a checkpoint is loaded would trace the model once more, which takes most of a second.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flax import errors

from segvae_jax.errors import CheckpointError

_UNFIT = (
    errors.ScopeParamShapeError,
    errors.ScopeParamNotFoundError,
    errors.ScopeCollectionNotFound,
    errors.ScopeVariableNotFoundError,
)

F = TypeVar("F", bound=Callable[..., Any])


def with_fitting_weights(function: F) -> F:
    """Lets a function of a model and its weights raise a CheckpointError, in one line, where these do not fit."""

    @functools.wraps(function)
    def checked(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except _UNFIT:
            raise CheckpointError(
                "this checkpoint: its weights are not those of the model in model.json: restore both, or train again"
            ) from None

    return cast(F, checked)
