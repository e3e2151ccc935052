"""The values of an evaluation result, whatever rows it has: finds them, names them and formats them for readers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segvae_jax.evaluation.rows import ESTIMATE, ROWS, MetricRow, Place


def named(place: Place, rows: Sequence[MetricRow] = ROWS) -> str:
    """The title of a metric row; the keys of any other value."""
    row = _row_at(place, rows)
    return row.title if row else ": ".join(place).replace("_", " ")


def described(place: Place, rows: Sequence[MetricRow] = ROWS) -> str:
    """The title and the better direction of a metric row; the keys of any other value."""
    row = _row_at(place, rows)
    return row.description if row else named(place, rows)


def _row_at(place: Place, rows: Sequence[MetricRow]) -> MetricRow | None:
    return next((row for row in rows if row.place == place), None)


def leaves(tree: Any, classes: Sequence[str], place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Places and values of a nested result, in order.

    A value is a number or text, a list, an estimate, or a mapping with one entry per class. An estimate is a mapping
    with a `value`; its interval belongs to it, and its other keys follow as values of their own. Lists of records, e.g.
    of pairs of maps, are left out.
    """
    if _records(tree):
        return
    if not isinstance(tree, Mapping) or by_class(place, tree, classes):
        yield place, tree
        return
    if "value" in tree:
        yield place, {part: tree[part] for part in ESTIMATE if part in tree}
    for key, value in tree.items():
        if key not in ESTIMATE:
            yield from leaves(value, classes, (*place, key))


def _records(tree: Any) -> bool:
    return isinstance(tree, list) and any(isinstance(part, Mapping) and "value" not in part for part in tree)


def by_class(place: Place, value: Any, classes: Sequence[str]) -> dict[str, Any] | None:
    """Value of each class, from a mapping of classes or a list with one number or estimate per class; else None.

    A list named `by_network` or the like is not a list of classes, whatever its length.
    """
    if isinstance(value, Mapping) and value and set(value) <= set(classes):
        return dict(value)
    other = place and place[-1].startswith("by_") and place[-1] != "by_class"
    if isinstance(value, list) and len(value) == len(classes) and not other and all(map(_is_of_class, value)):
        return dict(zip(classes, value, strict=True))
    return None


def _is_of_class(value: Any) -> bool:
    return value is None or isinstance(value, float | Mapping)


def columns(
    trees: Mapping[str, Any], classes: Sequence[str], rows: Sequence[MetricRow] = ROWS
) -> dict[Place, dict[str, Any]]:
    """The values of several trees by place and by name of the tree, in the order in which the places first occur.

    Values of metric rows are in the units of their titles.
    """
    found: dict[Place, dict[str, Any]] = {}
    for name, tree in trees.items():
        for place, value in leaves(tree, classes):
            row = _row_at(place, rows)
            found.setdefault(place, {})[name] = row.scaled(value) if row else value
    return found


def written(value: Any) -> str:
    """A value for readers: `0.91 (0.87 to 0.95)`, `0.848 +- 0.021`; a dash for None."""
    if isinstance(value, Mapping):
        number = written(value["value"])
        if value.get("low") is not None:
            return f"{number} ({written(value['low'])} to {written(value['high'])})"
        return f"{number} +- {written(value['sd'])}" if "sd" in value else number
    if isinstance(value, list | tuple):
        return ", ".join(map(written, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(round(value)) >= 1000 else f"{value:#.3g}".rstrip(".")
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def interval(value: Any) -> tuple[float, float, float] | None:
    """Low end, number and high end of a value; None if it is not one, e.g. text or a count."""
    if isinstance(value, Mapping) and isinstance(value.get("value"), int | float):
        number, spread = float(value["value"]), value.get("sd", 0.0)
        low, high = value.get("low"), value.get("high")  # None where resampled maps could not be compared
        return number - spread if low is None else float(low), number, number + spread if high is None else float(high)
    return (value,) * 3 if isinstance(value, float) else None


def extent(values: Iterable[Any]) -> tuple[float, float]:
    """The lowest and the highest end of all values; 0 and 1 if there are none."""
    ends = [end for value in values if (found := interval(value)) for end in found]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)
