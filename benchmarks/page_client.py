"""A user of the web page without a browser: sends the events of its controls, and reads the answers."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

API = "/gradio_api"
_VALUES = {"checkboxgroup": [], "radio": 4, "slider": 1, "number": 0, "html": {"region": "", "paint": ""}}
_OWN = ("play", "keep", "restore")  # events of the scripts of the page
_JSON = {"content-type": "application/json"}


class PageClient:
    """A client of a running page.

    Args:
      address: of the page.

    Attributes:
      http: the connection.
      events: the event of each control that asks the server, by the id or text of the control, with values as the page
        sends them: that of the session, of the two lists of classes to edit, and of the other inputs.
    """

    def __init__(self, address: str):
        self.http: httpx.Client = httpx.Client(base_url=address, timeout=120)
        config = self.http.get("/config", params={"page": ""}).json()
        components = {component["id"]: component for component in config["components"]}
        self.events: dict[str, dict[str, Any]] = {}
        for event in config["dependencies"]:
            (number, kind), *_ = event["targets"]
            properties = components[number]["props"] if number in components else {}
            name = kind if kind in _OWN else properties.get("elem_id") or properties.get("value")
            data = [_VALUES.get(components[number]["type"]) for number in event["inputs"]]
            if event["backend_fn"]:
                self.events[str(name)] = {"fn_index": event["id"], "data": data}

    def event(self, name: str, session: str, values: Mapping[int, Any] | None = None, **others: Any) -> dict[str, Any]:
        """The event of a control in a session, with other values in some places."""
        data = [(values or {}).get(place, value) for place, value in enumerate(self.events[name]["data"])]
        return {**self.events[name], "data": data, "session_hash": session, **others}

    def join(self, event: Mapping[str, Any]) -> httpx.Response:
        """The answer of the queue to an event, which may be none of the page."""
        return self.http.post(f"{API}/queue/join", content=json.dumps(event), headers=_JSON)

    def completed(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What a user sees of an event: whether there was "success", and its "output".

        Raises:
          httpx.HTTPError: if the server does not take the event, or ends before its answer.
        """
        self.join(event).raise_for_status()
        session = {"session_hash": event["session_hash"]}
        with self.http.stream("GET", f"{API}/queue/data", params=session) as stream:
            stream.raise_for_status()
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ") or "{}")
                if message.get("msg") == "process_completed":
                    return message
        raise httpx.RemoteProtocolError("the stream ended without an answer")

    def upload(self, content: bytes) -> httpx.Response:
        """The answer to an upload: a list of one path."""
        return self.http.post(f"{API}/upload", files={"files": ("map.png", content)})
