"""HTML pages that need no other file: Jinja2 templates that escape every value, and pictures inside the page."""

import base64
import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segvae_jax.labels import LabelSpace
from segvae_jax.pictures import png_bytes

_SHARED = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture for the macro `image`.

    Attributes:
      url: a data URL that holds the PNG.
      width: CSS pixels.
      alt: what the picture shows, as plain text.
    """

    url: str
    width: int
    alt: str


@dataclasses.dataclass(frozen=True)
class Swatch:
    """A class for the macros `class_name` and `legend`.

    Attributes:
      colour: in CSS.
      title: what people call the class.
    """

    colour: str
    title: str


def render(template: Path, **values: object) -> str:
    """Fills a template with values; every value is escaped, and a missing one is an error.

    Args:
      template: the file. It can include and extend the files beside it and the shared ones in `templates/`, no others.
      values: what the template shows. Plain text and numbers need no preparation.

    Raises:
      jinja2.UndefinedError: if the template asks for a value that is not given.
    """
    page: str = _environment(template.parent).get_template(template.name).render(values)
    return page


@functools.cache
def _environment(folder: Path) -> Any:
    import jinja2  # not at the top: it takes a tenth of a second, and most commands make no page

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([_SHARED, folder]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": "{:,}".format, "percent": _percent}
    return environment


def _percent(share: float, digits: int = 1) -> str:
    return f"{share:.{digits}%}"


def colours(space: LabelSpace) -> dict[str, Swatch]:
    """How each of the C names of the space is shown."""
    css = [f"rgb({','.join(map(str, rgb))})" for rgb in space.palette]
    return {name: Swatch(colour, space.title(name)) for name, colour in zip(space.names, css, strict=True)}


def picture(rgb: UInt8[np.ndarray, "H W 3"], alt: str, fill: int = 0) -> Picture:
    """A picture inside the page.

    Args:
      rgb: its pixels.
      alt: what it shows, as plain text.
      fill: the picture is enlarged by the largest whole factor that fits this width in CSS pixels; never shrunk.
    """
    return Picture(embedded(rgb), rgb.shape[1] * max(1, fill // rgb.shape[1]), alt)


def embedded(rgb: UInt8[np.ndarray, "H W 3"]) -> str:
    """A data URL that holds the picture as a PNG."""
    return f"data:image/png;base64,{base64.b64encode(png_bytes(rgb)).decode()}"
