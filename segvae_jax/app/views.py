"""What the page shows of a session: values and HTML with the pictures inside, so that no other file is needed."""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segvae_jax import maps, pages, pictures
from segvae_jax.app.session import Session
from segvae_jax.editing import present_classes
from segvae_jax.labels import LabelSpace
from segvae_jax.translation import Translator

# Pictures of index maps, in the look that a seed gives.
Translate = Callable[[UInt8[np.ndarray, "N H W"], int], UInt8[np.ndarray, "N h w 3"]]

_HERE = Path(__file__).parent
_FRAME = 350  # milliseconds per class in the animation


def translated(
    translator: Translator, index_maps: UInt8[np.ndarray, "N H W"], look: int
) -> UInt8[np.ndarray, "N h w 3"]:
    """Pictures of maps of any size, all with the same noise, so that what an edit leaves alone keeps its look."""
    return translator.translate(index_maps, seed=look)[:, 0]


def canvas(session: Session, space: LabelSpace, translate: Translate | None = None) -> dict[str, Any]:
    """The values that `canvas.js` shows as the large map.

    Returns:
      map: the URL of an index PNG, or "" if there is no map yet.
      picture: the URL of the picture that the map is translated to, or "" if it is not.
      height, width: the size of the map in pixels.
      same: whether a region that was brushed before is kept.
      growth: the URL of an animation to play, or "" if there is none.
      region: "", to which `canvas.js` writes the region that the user brushes.
    """
    if session.step is None:
        return {"map": "", "picture": "", "height": 0, "width": 0, "same": False, "growth": "", "region": ""}
    height, width = session.index_map.shape
    same = session.step.call["call"] in ("edit", "complete")
    urls = {"map": map_url(session.index_map, space), "picture": picture_url(session, translate)}
    return {**urls, "height": height, "width": width, "same": same, "growth": "", "region": ""}


def growth(session: Session, space: LabelSpace, translate: Translate | None = None) -> dict[str, Any]:
    """The values of `canvas` with an animation in which the map grows, class by class in drawing order."""
    frames = maps.growth(session.index_map, space)
    animation = pictures.animated_gif(np.concatenate([np.zeros_like(frames[:1]), frames]), space, _FRAME)
    return {**canvas(session, space, translate), "same": True, "growth": _url("image/gif", animation)}


def samples(session: Session, space: LabelSpace) -> str:
    """Buttons with the alternatives of the current step, as HTML; empty if there are none."""
    if session.step is None or len(session.step.index_maps) == 1:
        return ""
    shown = [(index_map, f"map {number}", "") for number, index_map in enumerate(session.step.index_maps, start=1)]
    return _thumbnails(shown, space, session.step.picked)


def history(session: Session, space: LabelSpace) -> str:
    """Buttons that go back to a step, as HTML; empty if there are none."""
    shown = [(step.index_map, step.title(space), step.title(space)) for step in session.steps]
    return _thumbnails(shown, space, session.position)


def _thumbnails(shown: Iterable[tuple[UInt8[np.ndarray, "H W"], str, str]], space: LabelSpace, chosen: int) -> str:
    """One button for each map, its name and its caption."""
    thumbnails = [
        {"url": map_url(index_map, space), "name": name, "caption": caption} for index_map, name, caption in shown
    ]
    return pages.render(_HERE / "thumbnails.html.jinja", thumbnails=thumbnails, chosen=chosen)


def downloads(session: Session, space: LabelSpace, record: str, translate: Translate | None = None) -> str:
    """Links to the map, its picture and its record, as HTML; empty before there is a map.

    Args:
      session: whose current map is offered.
      space: its classes.
      record: the JSON from which the map can be made again.
      translate: makes the picture; without it, no link to one is there.
    """
    if session.step is None:
        return ""
    png, json = map_url(session.index_map, space), _url("application/json", record.encode())
    links = [
        {"file": "map.png", "text": "PNG", "url": png, "title": "the class indices, with palette and names"},
        {"file": "map.json", "text": "JSON", "url": json, "title": "what was done, to repeat it from Python"},
    ]
    if translate:
        picture = {"file": "picture.png", "text": "Picture", "title": "the map as a picture"}
        links.insert(1, {**picture, "url": picture_url(session, translate)})
    return pages.render(_HERE / "downloads.html.jinja", links=links)


def picture_url(session: Session, translate: Translate | None) -> str:
    """A data URL of the picture of the shown map; empty without `translate`."""
    if translate is None:
        return ""
    return _url("image/png", pictures.png_bytes(translate(session.index_map[None], session.look)[0]))


def choices(names: Iterable[str], space: LabelSpace) -> list[tuple[str, str]]:
    """Classes as check boxes have them: what people call them, and their names."""
    return [(space.title(name), name) for name in names]


def shown_classes(session: Session, space: LabelSpace) -> tuple[list[str], list[str]]:
    """The classes that are on the map, and those that are not; no class before there is a map."""
    if session.step is None:
        return [], []
    present = present_classes(session.index_map, space)
    return list(present), [name for name in space.classes if name not in present]


def colours(space: LabelSpace) -> str:
    """CSS that puts the colour of each class beside its check box."""
    rule = ".classes input[name={name}] + span::before {{ background: rgb({colour}) }}"
    return "\n".join(
        rule.format(name=_css_string(name), colour=", ".join(map(str, space.palette[space.channel(name)])))
        for name in space.classes
    )


def map_url(index_map: UInt8[np.ndarray, "H W"], space: LabelSpace) -> str:
    """A data URL that holds a map as an index PNG; browsers show it in the colours of its palette."""
    return _url("image/png", pictures.index_png_bytes(index_map, space))


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _css_string(text: str) -> str:
    """A string in CSS: every character that is not a letter or a digit is written as its code."""
    return '"' + "".join(c if c.isalnum() else f"\\{ord(c):x} " for c in text) + '"'
