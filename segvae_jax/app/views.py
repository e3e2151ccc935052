"""What the page shows of a session: HTML and pictures in it, all of it text that needs no other file."""

import base64
import html
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segvae_jax import maps, pictures
from segvae_jax.app.session import Session
from segvae_jax.editing import present_classes
from segvae_jax.labels import LabelSpace

_FRAME = 350  # milliseconds a class in the animation


def canvas(session: Session, space: LabelSpace) -> dict[str, Any]:
    """The large map: what `canvas.js` shows, which adds the "region" that the user brushes.

    Attributes of it:
      map: URL of an index PNG, "" if there is no map yet.
      height, width: of the map.
      same: whether a region that was brushed before still stands.
      growth: URL of an animation to play, "" if none.
    """
    if session.step is None:
        return {"map": "", "height": 0, "width": 0, "same": False, "growth": "", "region": ""}
    height, width = session.index_map.shape
    same = session.step.call["call"] in ("edit", "complete")
    url = map_url(session.index_map, space)
    return {"map": url, "height": height, "width": width, "same": same, "growth": "", "region": ""}


def growth(session: Session, space: LabelSpace) -> dict[str, Any]:
    """The canvas as it plays how the map grows, class by class in drawing order."""
    frames = maps.growth(session.index_map, space)
    animation = pictures.animated_gif(np.concatenate([np.zeros_like(frames[:1]), frames]), space, _FRAME)
    return {**canvas(session, space), "same": True, "growth": _url("image/gif", animation)}


def samples(session: Session, space: LabelSpace) -> str:
    """The alternatives of the step that is shown, to pick from."""
    if session.step is None or len(session.step.index_maps) == 1:
        return ""
    return "".join(
        _thumbnail(index_map, space, number, f"map {number + 1}", number == session.step.picked)
        for number, index_map in enumerate(session.step.index_maps)
    )


def history(session: Session, space: LabelSpace) -> str:
    """The steps, to return to."""
    return "".join(
        _thumbnail(step.index_map, space, number, step.title, number == session.position, step.title)
        for number, step in enumerate(session.steps)
    )


def _thumbnail(
    index_map: UInt8[np.ndarray, "H W"], space: LabelSpace, number: int, name: str, chosen: bool, caption: str = ""
) -> str:
    """A button with a map on it, which `thumbnails.js` reports by its number."""
    return (
        f'<button type="button" data-number="{number}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="{html.escape(name)}"><img alt="" src="{map_url(index_map, space)}">'
        f"<span>{html.escape(caption)}</span></button>"
    )


def downloads(session: Session, space: LabelSpace, record: str) -> str:
    """Links to the map and to its record; nothing before there is a map."""
    if session.step is None:
        return ""
    offers = {
        "map.png": ("PNG", map_url(session.index_map, space), "the class indices, with palette and names"),
        "map.json": ("JSON", _url("application/json", record.encode()), "what was done, to repeat it from Python"),
    }
    return "".join(
        f'<a class="download" download="{file}" href="{url}" title="{title}">{name}</a>'
        for file, (name, url, title) in offers.items()
    )


def shown_classes(session: Session, space: LabelSpace) -> tuple[list[str], list[str]]:
    """Classes that the map has, and those that it has not; none before there is a map."""
    if session.step is None:
        return [], []
    present = present_classes(session.index_map, space)
    return list(present), [name for name in space.classes if name not in present]


def colours(space: LabelSpace) -> str:
    """Style that puts its colour beside the check box of every class."""
    rule = ".classes input[name={name}] + span::before {{ background: rgb({colour}) }}"
    return "\n".join(
        rule.format(name=_css_string(name), colour=", ".join(map(str, space.palette[space.channel(name)])))
        for name in space.classes
    )


def map_url(index_map: UInt8[np.ndarray, "H W"], space: LabelSpace) -> str:
    """A URL that holds the index PNG of a map; browsers show it in the colours of its palette."""
    return _url("image/png", pictures.index_png_bytes(index_map, space))


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _css_string(text: str) -> str:
    """A name as a string of CSS: whatever is no letter or digit by its number."""
    return '"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"'
