"""What comes from outside, checked: the events of the page, and the calls in its records."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from segvae_jax.app.choices import ALTERNATIVES, MAX_TEMPERATURE, SAMPLES
from segvae_jax.errors import MapError

MAX_MAPS = max(*SAMPLES, *ALTERNATIVES)  # of one call
_MAX_GENERATED = 64  # of which some are shown
_MAX_CANDIDATES = 8
_MAX_SEED = 2**31 - 1


def parsed(text: str | bytes) -> Any:
    """The content of JSON.

    Raises:
      MapError: if it is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, TypeError, RecursionError) as error:
        raise MapError(f"this is not JSON ({type(error).__name__}: {error})") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def checked_event(content: Any, functions: Mapping[int, Any], uploads: Path) -> tuple[str, bytes]:
    """The session of an event, and JSON of what Gradio needs of it, in which repeated names count once.

    Args:
      content: of the request.
      functions: of the page, by number.
      uploads: the folder of uploaded files.

    Raises:
      MapError: if the event is not one that the page sends.
    """
    if not isinstance(content, dict):
        raise MapError("an event is a JSON object")
    number, session, trigger = (content.get(key) for key in ("fn_index", "session_hash", "trigger_id"))
    if not _is_int(number) or number not in functions or functions[number].fn is None:
        raise MapError("the event is none of this page: reload the page")
    if not isinstance(session, str) or not (session.isascii() and session.isalnum() and len(session) <= 64):
        raise MapError("the event has no session: reload the page")
    values, inputs = content.get("data"), functions[number].inputs
    if not isinstance(values, list) or len(values) != len(inputs):
        raise MapError(f"the event needs {len(inputs)} values: reload the page")
    event = {
        "data": [_checked(value, component, uploads) for value, component in zip(values, inputs, strict=True)],
        "event_data": _event_data(content.get("event_data"), functions[number]), "fn_index": number,
        "session_hash": session, "trigger_id": trigger if _is_int(trigger) else None,
    }  # fmt: skip
    return session, json.dumps(event).encode()


def checked_call(call: Any) -> dict[str, Any]:
    """A call of a session, in which repeated names count once.

    Args:
      call: as `session` describes it; anything, if it is of a record.

    Raises:
      MapError: naming what is wrong.
    """
    if not isinstance(call, Mapping):
        raise MapError(f"a call is a JSON object: it is {short(call)}")
    name, fields = call.get("call"), {key: value for key, value in call.items() if key != "call"}
    if not isinstance(name, str) or name not in _CALLS:
        raise MapError(f"unknown call {short(name)}: expected {', '.join(_CALLS)}")
    needed, others = _CALLS[name]
    if missing := [key for key in needed if key not in fields]:
        raise MapError(f"the call {name!r} lacks {missing[0]!r}")
    if unknown := [key for key in fields if key not in (*needed, *others)]:
        raise MapError(f"the call {name!r} has no {short(unknown[0])}: expected {', '.join((*needed, *others))}")
    return {"call": name, **{key: _field(key, value) for key, value in fields.items()}}


def checked_number(key: str, value: Any, low: int, high: int) -> int:
    """A whole number of a record.

    Raises:
      MapError: if it is something else, or out of range.
    """
    if not _is_int(value) or not low <= value <= high:
        raise MapError(f"{key} is {short(value)}: expected a whole number from {low} to {high}")
    return int(value)


def _field(key: str, value: Any) -> Any:
    if key in ("png", "region"):
        right = isinstance(value, str)
    elif key == "temperature":
        right = isinstance(value, int | float) and not isinstance(value, bool)
        right = right and 0 <= value <= MAX_TEMPERATURE
    elif key in _WHOLE:
        return checked_number(key, value, *_WHOLE[key])
    else:
        right = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
        value = list(dict.fromkeys(value)) if right else value
    if not right:
        raise MapError(f"{key} is {short(value)}: expected {_EXPECTED.get(key, 'a list of names')}")
    return value


def short(value: Any) -> str:
    """A value for an error message, in 60 characters at most."""
    try:
        text = repr(value)
    except RecursionError:
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _event_data(data: Any, function: Any) -> dict[str, Any] | None:
    """Of an event of an own component: what its script says. Others have none."""
    name, kind = next((_SAID[event] for _, event in function.targets if event in _SAID), ("", object))
    if not name:
        return None
    if not isinstance(data, dict) or not isinstance(data.get(name), kind) or isinstance(data[name], bool):
        raise MapError(f"the event has no {name}: reload the page")
    return {name: data[name]}


def _checked(value: Any, component: Any, uploads: Path) -> Any:
    kind = component.get_block_name()
    if kind == "uploadbutton":
        return _uploaded(value, uploads)
    return _KINDS[kind](value, component)


def _names(value: Any, component: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise MapError(f"{component.label}: expected a list of names")
    return list(dict.fromkeys(value))


def _one_of(value: Any, component: Any) -> Any:
    choices = [choice for _, choice in component.choices]
    if isinstance(value, bool) or value not in choices:
        raise MapError(f"{component.label}: expected one of {', '.join(map(str, choices))}")
    return value


def _number(value: Any, component: Any) -> Any:
    low, high = component.minimum, component.maximum
    field = component.get_block_name() == "number"
    if value is None and field:  # an empty one
        return None
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if known and field:
        return round(min(max(value, low), high))  # what people type is corrected
    if not known or not low <= value <= high:
        raise MapError(f"{component.label}: expected a number from {low} to {high}")
    return value


def _written(value: Any, component: Any) -> dict[str, str]:
    """Of all that the canvas shows, what its script writes."""
    names = "region", "paint"
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in names):
        raise MapError("the canvas has no region or no painting: reload the page")
    return {name: value[name] for name in names}


def _uploaded(value: Any, uploads: Path) -> dict[str, Any]:
    path = value.get("path") if isinstance(value, dict) else None
    try:
        file = Path(path or "").resolve(strict=True)
    except (OSError, ValueError, TypeError):
        raise MapError("the uploaded file is not there: upload it again") from None
    if not (file.is_file() and file.is_relative_to(uploads.resolve())):
        raise MapError("the uploaded file is not there: upload it again")
    return {"path": str(file), "meta": {"_type": "gradio.FileData"}}


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


_SAID: Mapping[str, tuple[str, type]] = {"select": ("number", int), "restore": ("session", str)}
_KINDS: Mapping[str, Callable[[Any, Any], Any]] = {
    "state": lambda value, component: None,  # the server has it
    "checkboxgroup": _names, "html": _written, "radio": _one_of, "dropdown": _one_of, "number": _number,
    "slider": _number,
}  # fmt: skip

_NOISE = ("num", "seed", "temperature")
_MANY = ("of", "candidates")
_WHOLE = {  # the range of each whole number
    "num": (1, MAX_MAPS), "of": (1, _MAX_GENERATED), "candidates": (1, _MAX_CANDIDATES), "seed": (0, _MAX_SEED),
}  # fmt: skip
_CALLS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # its fields: those that it needs, and others
    "generate": (("labels",), _NOISE),
    "load": (("png",), ()),
    "blank": ((), ()),
    "paint": (("png",), ()),
    "edit": ((), ("add", "remove", "restyle", *_NOISE, *_MANY, "region")),
    "complete": (("labels",), (*_NOISE, *_MANY, "region")),
}
_EXPECTED = {
    "png": "a PNG in base64",
    "region": "a PNG in base64",
    "temperature": f"a number from 0 to {MAX_TEMPERATURE:g}",
}
