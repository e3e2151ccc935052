"""A session as a file: the browser keeps it over a reload, and users download it and open it again.

It is JSON of numbers, names, calls and PNGs. Whatever a file holds, it is checked like what the page sends.
"""

import base64
import json
from typing import Any

import numpy as np
from jaxtyping import UInt8

import segvae_jax
from segvae_jax import pictures
from segvae_jax.app.painting import MAX_PIXELS, png_of
from segvae_jax.app.session import HISTORY, MAX_BYTES, STARTS, Call, Session, Step
from segvae_jax.app.values import MAX_MAPS, checked_call, checked_number, parsed, short
from segvae_jax.errors import MapError
from segvae_jax.json_objects import opened, sealed
from segvae_jax.labels import LabelSpace

MAX_FILE = 3 * 2**20  # characters; browsers keep some five million for a page
_ENTRIES = ("segvae_jax", "checkpoint", "weights", "look", "position", "before", "steps")
_MAX_CALLS = 2000  # before the first step that is kept
_MAX_LOOK = 2**31 - 1


def saved(session: Session, checkpoint: str, weights: str, space: LabelSpace) -> str:
    """JSON from which `restored` makes the session again; without its oldest steps if they make it too long.

    Args:
      session: with one step at least.
      checkpoint: the name of the checkpoint.
      weights: the fingerprint of the generator.
      space: the classes.
    """
    about = {"segvae_jax": segvae_jax.__version__, "checkpoint": checkpoint, "weights": weights, "look": session.look}
    steps = [_written(step, space) for step in session.steps]
    sizes = np.cumsum([len(json.dumps(step)) for step in steps][::-1])
    first = max(len(steps) - max(1, int((sizes <= MAX_FILE // 2).sum())), 0)
    first = min(first, session.position)
    kept = {"position": session.position - first, "before": session.steps[first].before, "steps": steps[first:]}
    return json.dumps(sealed({**about, **kept}))


def restored(text: str | bytes, weights: str, space: LabelSpace) -> Session:
    """The session of a file.

    Args:
      text: what `saved` returned, or anything.
      weights: the fingerprint of the generator.
      space: its classes.

    Raises:
      MapError: if it is no session of this generator, or was changed.
    """
    content = _opened(text)
    if content["weights"] != weights:
        raise MapError(f"the session was made with other weights: choose the model {short(content['checkpoint'])}")
    if not isinstance(steps := content["steps"], list) or not 1 <= len(steps) <= HISTORY:
        raise MapError(f"the session file has other than 1 to {HISTORY} steps: give the file that the page wrote")
    before, read, held = _calls(content["before"]), [], 0
    for number, step in enumerate(steps):
        read.append(_read(step, before, space))
        before, held = read[-1].calls, held + read[-1].index_maps.nbytes
        if held > MAX_BYTES and number:
            raise MapError(f"the session file has maps of more than {MAX_BYTES:,} bytes: give a smaller one")
    position = checked_number("position", content["position"], 0, len(read) - 1)
    return Session(tuple(read), position, checked_number("look", content["look"], 0, _MAX_LOOK))


def _opened(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_FILE + 2**16:
        raise MapError(f"the session file is too long: at most {MAX_FILE:,} characters")
    content = parsed(text)
    if not isinstance(content, dict) or not {*_ENTRIES, "sha256"} <= content.keys():
        raise MapError("this is no session of the page: give the JSON that Session downloads")
    try:
        return opened(content, _ENTRIES)
    except ValueError as error:
        raise MapError(f"this session was changed ({error}): give the JSON that the page wrote") from None


def _written(step: Step, space: LabelSpace) -> dict[str, Any]:
    """A step without the calls before it, which are those of the step before; its maps are below one another."""
    column = np.concatenate(list(step.index_maps))
    png = base64.b64encode(pictures.index_png_bytes(column, space)).decode()
    return {"call": step.call, "picked": step.picked, "num": len(step.index_maps), "maps": png}


def _read(content: Any, before: tuple[Call, ...], space: LabelSpace) -> Step:
    if not isinstance(content, dict) or content.keys() != {"call", "picked", "num", "maps"}:
        raise MapError(f"a step of a session has call, picked, num and maps: it is {short(content)}")
    call, num = checked_call(content["call"]), checked_number("num", content["num"], 1, MAX_MAPS)
    starts = call["call"] in STARTS
    if not (starts or before):
        raise MapError(f"the session starts with {call['call']!r}: expected {', '.join(STARTS)}")
    picked = checked_number("picked", content["picked"], 0, num - 1)
    return Step(() if starts else before, call, _maps(content["maps"], num, space), picked)


def _maps(text: Any, num: int, space: LabelSpace) -> UInt8[np.ndarray, "N H W"]:
    if not isinstance(text, str):
        raise MapError(f"maps is {short(text)}: expected a PNG in base64")
    column = pictures.decode_index_map(png_of(text), "the maps of the session", space, MAX_PIXELS * num)
    if len(column) % num:
        raise MapError(f"the maps of the session: {len(column)} rows: expected {num} maps below one another")
    return column.reshape(num, -1, column.shape[1])


def _calls(content: Any) -> tuple[Call, ...]:
    if not isinstance(content, list) or len(content) > _MAX_CALLS:
        raise MapError(f"before is {short(content)}: expected a list of at most {_MAX_CALLS} calls")
    return tuple(_picked(entry) for entry in content)


def _picked(entry: Any) -> Call:
    call = dict(entry) if isinstance(entry, dict) else {}
    picked = checked_number("picked", call.pop("picked", None), 0, MAX_MAPS - 1)
    return {**checked_call(call), "picked": picked}
