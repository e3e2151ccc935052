"""What the page shows of a session: values and HTML with the pictures inside, so that no other file is needed."""

import base64
import collections
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segvae_jax import maps, pages, pictures
from segvae_jax.app.session import Session
from segvae_jax.app.session_file import saved
from segvae_jax.editing import present_classes
from segvae_jax.labels import LabelSpace
from segvae_jax.translation import Translator

# Pictures of index maps, in the look that a seed gives.
Translate = Callable[[UInt8[np.ndarray, "N H W"], int], UInt8[np.ndarray, "N h w 3"]]

Note = Callable[[UInt8[np.ndarray, "H W"]], str]  # of an index map

_HERE = Path(__file__).parent
_REMEMBERED = 64  # pictures
_FRAME = 350  # milliseconds per class in the animation


def translated(
    translator: Translator, index_maps: UInt8[np.ndarray, "N H W"], look: int
) -> UInt8[np.ndarray, "N h w 3"]:
    """Pictures of maps of any size, all with the same noise, so that what an edit leaves alone keeps its look."""
    return translator.translate(index_maps, seed=look)[:, 0]


def remembering(translate: Translate) -> Translate:
    """The same pictures, of which the last ones are kept: an answer shows a picture several times."""
    kept: collections.OrderedDict[Any, UInt8[np.ndarray, "N h w 3"]] = collections.OrderedDict()

    def translated_once(index_maps: UInt8[np.ndarray, "N H W"], look: int) -> UInt8[np.ndarray, "N h w 3"]:
        key = np.asarray(index_maps).tobytes(), index_maps.shape, look
        if key not in kept:
            kept[key] = translate(index_maps, look)
            while len(kept) > _REMEMBERED:
                kept.popitem(last=False)
        return kept[key]

    return translated_once


def canvas(
    session: Session, space: LabelSpace, translate: Translate | None = None, note: Note = lambda index_map: ""
) -> dict[str, Any]:
    """The values that `canvas.js` shows as the large map.

    Args:
      session: whose current map is shown.
      space: its classes.
      translate: makes pictures of maps; without it, there are none.
      note: what to say of a map of the user.

    Returns:
      map: the URL of an index PNG, or "" if there is no map yet.
      picture: the URL of the picture that the map is translated to, or "" if it is not.
      before, before_picture: the same of the step before; "" if there is none of that size.
      height, width: the size of the map in pixels.
      step: changes with the step that is shown; a region and strokes are kept as long as it does not.
      classes: title and colour of each of the C channels.
      growth: the URL of an animation to play, or "" if there is none.
      note: what is said of the map, or "".
      region, paint: "", to which `canvas.js` writes the region and the strokes of the user.
    """
    colours = space.palette_array().tolist()
    classes = [{"title": space.title(name), "colour": rgb} for name, rgb in zip(space.names, colours, strict=True)]
    texts = "map", "picture", "before", "before_picture", "step", "growth", "note", "region", "paint"
    values = {**dict.fromkeys(texts, ""), "classes": classes, "height": 0, "width": 0}
    if session.step is None:
        return values
    index_map = session.index_map
    urls = {"map": map_url(index_map, space), "picture": picture_url(index_map, session.look, translate)}
    height, width = index_map.shape
    said = note(index_map) if session.step.call["call"] == "load" else ""
    own = {"height": height, "width": width, "step": _key(session), "note": said}
    return {**values, **urls, **_before(session, space, translate), **own}


def _before(session: Session, space: LabelSpace, translate: Translate | None) -> dict[str, str]:
    if session.position < 1:
        return {}
    index_map = session.steps[session.position - 1].index_map
    if index_map.shape != session.index_map.shape:
        return {}
    return {"before": map_url(index_map, space), "before_picture": picture_url(index_map, session.look, translate)}


def _key(session: Session) -> str:
    """A text that tells the shown step from others of the session, whichever of its maps is picked."""
    assert session.step
    return hashlib.sha256(json.dumps([session.step.before, session.step.call]).encode()).hexdigest()[:16]


def growth(session: Session, space: LabelSpace, translate: Translate | None = None) -> dict[str, Any]:
    """The values of `canvas` with an animation in which the map grows, class by class in drawing order."""
    frames = maps.growth(session.index_map, space)
    animation = pictures.animated_gif(np.concatenate([np.zeros_like(frames[:1]), frames]), space, _FRAME)
    return {**canvas(session, space, translate), "growth": _url("image/gif", animation)}


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


def downloads(session: Session, space: LabelSpace, about: tuple[str, str], translate: Translate | None = None) -> str:
    """Links to the map, its picture, its record and the session, as HTML; empty before there is a map.

    Args:
      session: whose current map is offered.
      space: its classes.
      about: name of the checkpoint and fingerprint of the generator.
      translate: makes the picture; without it, no link to one is there.
    """
    if session.step is None:
        return ""
    json_url = lambda text: _url("application/json", text.encode())
    record, whole = session.record(*about), saved(session, *about, space)
    links = [
        _link("map.png", "Map", "the class indices, with palette and names", map_url(session.index_map, space)),
        _link("map.json", "Record", "how the map was made, to repeat it from Python", json_url(record)),
        _link("session.json", "Session", "all steps, to go on later", json_url(whole), about[1]),
    ]
    if translate:
        url = picture_url(session.index_map, session.look, translate)
        links.insert(1, _link("picture.png", "Picture", "the map as a picture", url))
    return pages.render(_HERE / "downloads.html.jinja", links=links)


def _link(file: str, text: str, title: str, url: str, session: str = "") -> dict[str, str]:
    """A link; `session` is the fingerprint of the generator whose session it holds."""
    return {"file": file, "text": text, "title": title, "url": url, "session": session}


def picture_url(index_map: UInt8[np.ndarray, "H W"], look: int, translate: Translate | None) -> str:
    """A data URL of the picture of a map; empty without `translate`."""
    if translate is None:
        return ""
    return _url("image/png", pictures.png_bytes(translate(index_map[None], look)[0]))


def choices(names: Iterable[str], space: LabelSpace) -> list[tuple[str, str]]:
    """Classes as check boxes have them: what people call them, and their names."""
    return [(space.title(name), name) for name in names]


def shown_classes(session: Session, space: LabelSpace) -> tuple[list[str], list[str]]:
    """The classes that are on the map, and those that are not; no class before there is a map."""
    if session.step is None:
        return [], []
    present = present_classes(session.index_map, space)
    return list(present), [name for name in space.classes if name not in present]


def colours(space: LabelSpace, scope: str) -> str:
    """CSS that puts the colour of each class beside its check box, inside of what has the class `scope`."""
    rule = f".{scope}" + " .classes input[name={name}] + span::before {{ background: rgb({colour}) }}"
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
