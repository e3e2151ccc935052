"""How the site reads the docstrings and annotations of this project, for Griffe."""

import re

import griffe

_SHARED = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +.*)*)", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Reads `height, width: of the map` as two items, and shapes of one dimension, as `"C"`, as text and no name."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Mends one object."""
        if obj.docstring:
            obj.docstring.value = _SHARED.sub(_apart, obj.docstring.value)

    def on_function(self, *, func: griffe.Function, **kwargs: object) -> None:
        """Mends one signature."""
        for annotation in (func.returns, *(parameter.annotation for parameter in func.parameters)):
            _quote_shapes(annotation)

    def on_attribute(self, *, attr: griffe.Attribute, **kwargs: object) -> None:
        """Mends one annotation."""
        _quote_shapes(attr.annotation)


def _apart(items: re.Match[str]) -> str:
    indent, names, description = items.groups()
    return "\n".join(f"{indent}{name}: {description}" for name in names.split(", "))


def _quote_shapes(annotation: str | griffe.Expr | None) -> None:
    if not isinstance(annotation, griffe.Expr) or isinstance(annotation, griffe.ExprName):
        return
    of_an_array = annotation.canonical_path.startswith("jaxtyping.")
    if of_an_array and isinstance(annotation, griffe.ExprSubscript) and isinstance(annotation.slice, griffe.ExprTuple):
        *kind, shape = annotation.slice.elements
        annotation.slice.elements = [*kind, shape if isinstance(shape, str) else repr(str(shape))]
    for part in annotation.iterate(flat=False):
        _quote_shapes(part)
