"""Counts the floating-point operations of a program from what JAX traced, alike on every backend.

Compilers count too, but not everywhere: on a GPU JAX's `Lowered.cost_analysis` returns None, the operations of library
calls are missing, and a loop counts as one turn of it.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn


def count_operations(program: Jaxpr | ClosedJaxpr) -> int:
    """Floating-point operations of matrix products and convolutions; a multiplication and an addition are two.

    Convolutions count without what they multiply by zeros of padding and dilation. Everything else is left out: the
    rate that a machine reaches is compared with that of matrix products. Loops count as often as they run, and on
    several devices all of them count. Where this is only known when the program runs, the rule is:

    * a `while` loop counts once, as one turn of it;
    * of the branches of a `cond` the most expensive one counts.

    Args:
      program: `jax.jit(function).trace(*inputs).jaxpr`, or what `jax.make_jaxpr` returns.
    """
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    if name in _COUNTED:
        return _COUNTED[name](equation)
    parts = [count_operations(part) for part in _programs(list(equation.params.values()))]
    return _turns(equation) * (max(parts, default=0) if name == "cond" else sum(parts))


def _turns(equation: JaxprEqn) -> int:
    """How often the programs within an equation run, as far as it is known."""
    if equation.primitive.name == "shard_map":  # its shapes are those of one device; meshes here have one axis
        return equation.params["mesh"].size
    return equation.params["length"] if equation.primitive.name == "scan" else 1


def _programs(values: Sequence[Any]) -> Iterator[Jaxpr | ClosedJaxpr]:
    for value in values:
        if isinstance(value, Jaxpr | ClosedJaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _programs(value)


def _shapes(variables: Sequence[Any]) -> Iterator[tuple[int, ...]]:
    return (variable.aval.shape for variable in variables)


def _of_product(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    (left, _), (result,) = _shapes(equation.invars), _shapes(equation.outvars)
    return 2 * math.prod(result) * math.prod(left[axis] for axis in contracted)


def _of_convolution(equation: JaxprEqn) -> int:
    """Counts pairs of an entry of the kernel and an entry of the input, neither padding nor dilation, that meet."""
    params, numbers = equation.params, equation.params["dimension_numbers"]
    (image, kernel), (result,) = _shapes(equation.invars), _shapes(equation.outvars)
    sizes = lambda shape, axes: (shape[axis] for axis in axes)
    spatial = zip(
        sizes(image, numbers.lhs_spec[2:]), sizes(kernel, numbers.rhs_spec[2:]), sizes(result, numbers.out_spec[2:]),
        params["window_strides"], params["padding"], params["lhs_dilation"], params["rhs_dilation"], strict=True,
    )  # fmt: skip
    batch, features = sizes(result, numbers.out_spec[:2])
    inputs = kernel[numbers.rhs_spec[1]]  # of one group of features
    return 2 * batch * features * inputs * math.prod(_meetings(*axis) for axis in spatial)


@functools.cache
def _meetings(
    size: int, kernel: int, result: int, stride: int, padding: tuple[int, int], dilation: int, spread: int
) -> int:
    """Along one axis, how many entries of the kernel meet an entry of the input, over all entries of the result.

    Args:
      size, kernel, result: entries of the input, the kernel and the result.
      stride: of the result.
      padding: of the dilated input, before and after it.
      dilation: of the input.
      spread: dilation of the kernel.
    """
    places = [i * stride + k * spread - padding[0] for i in range(result) for k in range(kernel)]
    return sum(place % dilation == 0 and 0 <= place // dilation < size for place in places)


_COUNTED: dict[str, Callable[[JaxprEqn], int]] = {
    "dot_general": _of_product,
    "conv_general_dilated": _of_convolution,
}
