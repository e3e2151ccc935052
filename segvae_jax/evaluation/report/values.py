"""The figures of an evaluation result, whatever rows it has: found by walking it, named, and written for readers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segvae_jax.evaluation.rows import EDIT_ROWS, ROWS, Place

_ROWS = {row.place: row for row in (*EDIT_ROWS, *ROWS)}
_PARTS = ("value", "low", "high", "sd")  # of an estimate


def named(place: Place) -> str:
    """What a figure is called: its keys, where it has no name of its own."""
    return _ROWS[place].title if place in _ROWS else ": ".join(place).replace("_", " ")


def described(place: Place) -> str:
    """What a value is called and, of a metric row, which direction is better."""
    return _ROWS[place].description if place in _ROWS else named(place)


def leaves(tree: Any, classes: Sequence[str], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Places and figures of a nested result, in order.

    A figure is a plain value, a list, an estimate (a mapping with a `value`, whose other keys than its interval
    follow it), or one a class. Records, as of pairs of maps, are none.
    """
    if _records(tree):
        return
    if not isinstance(tree, Mapping) or by_class(place, tree, classes):
        yield place, tree
        return
    if "value" in tree:
        yield place, {part: tree[part] for part in _PARTS if part in tree}
    for key, value in tree.items():
        if key not in _PARTS:
            yield from leaves(value, classes, (*place, key))


def _records(tree: Any) -> bool:
    return isinstance(tree, list) and any(isinstance(part, Mapping) and "value" not in part for part in tree)


def by_class(place: Place, figure: Any, classes: Sequence[str]) -> dict[str, Any] | None:
    """Class -> figure, of a mapping of classes or a list of fractions or estimates for each; None of anything else.

    A list named `by_network` or the like is not one of classes, however long it is.
    """
    if isinstance(figure, Mapping) and figure and set(figure) <= set(classes):
        return dict(figure)
    other = place and place[-1].startswith("by_") and place[-1] != "by_class"
    if isinstance(figure, list) and len(figure) == len(classes) and not other and all(map(_is_of_class, figure)):
        return dict(zip(classes, figure, strict=True))
    return None


def _is_of_class(figure: Any) -> bool:
    return figure is None or isinstance(figure, float | Mapping)


def columns(trees: Mapping[str, Any], classes: Sequence[str]) -> dict[Place, dict[str, Any]]:
    """Place -> name of a tree -> figure, over several trees; places in the order in which they first occur."""
    found: dict[Place, dict[str, Any]] = {}
    for name, tree in trees.items():
        for place, value in leaves(tree, classes):
            found.setdefault(place, {})[name] = _ROWS[place].scaled(value) if place in _ROWS else value
    return found


def written(figure: Any) -> str:
    """A figure for readers: `0.91 (0.87 to 0.95)`, `0.848 +- 0.021`; a dash where there is none."""
    if isinstance(figure, Mapping):
        value = written(figure["value"])
        if "low" in figure:
            return f"{value} ({written(figure['low'])} to {written(figure['high'])})"
        return f"{value} +- {written(figure['sd'])}" if "sd" in figure else value
    if isinstance(figure, list | tuple):
        return ", ".join(map(written, figure))
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    if isinstance(figure, float):
        return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:#.3g}".rstrip(".")
    return "-" if figure is None else f"{figure:,}" if isinstance(figure, int) else str(figure)


def interval(figure: Any) -> tuple[float, float, float] | None:
    """Low end, value and high end of a figure; None of what is none, as text or a count."""
    if isinstance(figure, Mapping) and isinstance(figure.get("value"), int | float):
        value, spread = float(figure["value"]), figure.get("sd", 0.0)
        return float(figure.get("low", value - spread)), value, float(figure.get("high", value + spread))
    return (figure,) * 3 if isinstance(figure, float) else None


def extent(figures: Iterable[Any]) -> tuple[float, float]:
    """The least and the greatest number that any of the figures reaches; 0 and 1 of none."""
    ends = [end for figure in figures if (found := interval(figure)) for end in found]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)
