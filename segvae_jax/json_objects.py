"""JSON objects that files hold, some with their own digest, by which damage is noticed."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

_SHA256 = "sha256"


def json_object(text: str | bytes) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises:
      ValueError: if it holds anything else, or is no JSON.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"a {type(found).__name__}, not an object")
    return found


def sealed(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of a JSON object with their own digest, `sha256`, as the last one."""
    return {**entries, _SHA256: _digest(entries)}


def opened(entries: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The entries without their digest, which those of earlier versions lack.

    Args:
      entries: of a JSON object.
      known: names of all entries there may be; a name that is damaged is none of them.

    Raises:
      ValueError: if they are not those that were sealed.
    """
    inner = {name: value for name, value in entries.items() if name != _SHA256}
    if unknown := sorted(set(inner) - set(known)):
        raise ValueError(f"unknown entry {unknown[0]!r:.40}")
    if entries.get(_SHA256, digest := _digest(inner)) != digest:
        raise ValueError("its entries are not those that were written")
    return inner


def _digest(entries: Mapping[str, Any]) -> str:
    """SHA-256 of the entries, however they are laid out in the file."""
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
