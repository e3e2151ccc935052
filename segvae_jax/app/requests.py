"""What the server of the page takes: the requests of the page itself, of bounded size and in bounded number.

Anything else is answered with one line and a status of 4xx, or with 503 if there is too much at once, before Gradio
sees it. `values` says what an event may hold.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segvae_jax.app.values import checked_event, parsed
from segvae_jax.errors import MapError

MAX_UPLOAD = 4 * 2**20  # bytes of a file
SESSIONS = 100  # that are kept; the one that was used least recently gives way

_API = "/gradio_api"
_JOIN, _DATA, _UPLOAD = f"{_API}/queue/join", f"{_API}/queue/data", f"{_API}/upload"
_POSTED = (_JOIN, _UPLOAD, f"{_API}/cancel", f"{_API}/reset")  # all that the page posts to
_MAX_BODY = MAX_UPLOAD + 2**16
_MAX_UPLOADS = 64 * 2**20  # bytes of all files that are kept
_BLOCK = 4096  # bytes that a file takes at least
_BODIES = 16  # that are read at once
_SECONDS = 30  # for the whole of a body
_UNREAD = 8  # answers that a session may leave unread
_UNREAD_BY_ALL = 128
# Browsers load nothing from other servers and send nothing to them. Gradio evaluates its templates, hence `eval`.
_POLICY = (
    b"default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'"
)


class Guard:
    """ASGI middleware that refuses what the page does not send, and sends `_POLICY` with every response.

    Args:
      app: what is guarded.
      page: the `gr.Blocks` whose server this is.
      uploads: the folder of uploaded files.
    """

    def __init__(self, app: ASGIApp, page: Any, uploads: Path):
        self._app, self._page, self._uploads = app, page, uploads
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY)]
            await send(message)

        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        try:
            scope, receive = await self._admitted(scope, receive)
            await self._answered(scope, receive, with_policy)
        except HTTPException as error:
            await _refusal(scope, error)(scope, receive, with_policy)

    async def _admitted(self, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        """The request as Gradio shall see it."""
        path = scope["path"].rstrip("/")
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD", "POST"):
            raise HTTPException(405, "the page answers GET and POST only")
        if scope["method"] == "POST":
            if path not in _POSTED:
                raise HTTPException(404, "the page has no such address")
            return await self._posted(path, scope, receive)
        if path == _DATA and self._session_asked_for(scope) not in self._page._queue.pending_messages_per_session:
            raise HTTPException(404, "this session waits for nothing: reload the page")
        return scope, receive

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            # Gradio's reader of forms has no other words for a bad one.
            if scope["path"].rstrip("/") != _UPLOAD:
                raise
            raise HTTPException(400, f"this is no form with files ({type(error).__name__})") from None

    def _session_asked_for(self, scope: Scope) -> str:
        return parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[-1]

    async def _posted(self, path: str, scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
        if self._bodies >= _BODIES:
            raise HTTPException(503, "too many requests at once: try again")
        self._bodies += 1
        try:
            body = await asyncio.wait_for(_read(scope, receive), _SECONDS)
        except TimeoutError:
            raise HTTPException(408, f"the request took more than {_SECONDS} seconds") from None
        finally:
            self._bodies -= 1
        if path == _UPLOAD:
            self._check_room(len(body))
        else:
            body = await self._checked(path, body)
        return _with_body(scope, receive, body)

    async def _checked(self, path: str, body: bytes) -> bytes:
        """The body without what an event does not need."""
        try:
            content = parsed(body)
            if path != _JOIN:
                return body
            session, event = checked_event(content, self._page.fns, self._uploads)
        except MapError as error:
            raise HTTPException(422, str(error)) from None
        await self._make_room(session)
        return event

    def _check_room(self, size: int) -> None:
        for folder in self._uploads.iterdir():
            with contextlib.suppress(OSError):
                folder.rmdir()  # if it is empty: Gradio makes one for each file, and deletes the file alone
        files = (path.stat().st_size for path in self._uploads.rglob("*") if path.is_file())
        if sum(max(kept, _BLOCK) for kept in files) + size > _MAX_UPLOADS:
            raise HTTPException(503, "the server holds too many uploads: try again in some minutes")

    async def _make_room(self, session: str) -> None:
        """Refuses a session that does not read its answers; drops those that others left unread for longest."""
        queue = self._page._queue
        unread = queue.pending_event_ids_session
        if len(unread.get(session, ())) >= _UNREAD:
            raise HTTPException(429, "too many requests that wait for an answer: reload the page")
        unread[session] = unread.pop(session, set())  # moves it to the end
        while len(unread) > SESSIONS or sum(map(len, unread.values())) > _UNREAD_BY_ALL:
            oldest = next(iter(unread))
            await queue.clean_events(session_hash=oldest)  # what waits or runs would write to it
            unread.pop(oldest, None)
            queue.pending_messages_per_session.pop(oldest, None)


def _refusal(scope: Scope, error: HTTPException) -> Response:
    """An answer as the page expects it: text after an upload, else an object."""
    if scope["path"].rstrip("/") == _UPLOAD:
        return PlainTextResponse(error.detail, error.status_code)
    return JSONResponse({"detail": error.detail}, error.status_code)


async def _read(scope: Scope, receive: Receive) -> bytes:
    too_long = HTTPException(413, f"the request is too long: at most {_MAX_BODY:,} bytes")
    if int(Headers(scope=scope).get("content-length", 0)) > _MAX_BODY:  # the server has checked that it is a number
        raise too_long
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "the request ended early")
        body += message.get("body", b"")
        if len(body) > _MAX_BODY:
            raise too_long
        if not message.get("more_body", False):
            return bytes(body)


def _with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """The request with another body, which comes in one piece."""
    named = [(name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")]
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return rest.pop() if rest else await receive()

    return {**scope, "headers": [*named, (b"content-length", str(len(body)).encode())]}, replayed
