"""The page of each model: what its controls do to a session, and the server."""

import functools
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from segvae_jax import pages
from segvae_jax.app import views
from segvae_jax.app.fit import Fit
from segvae_jax.app.layout import MAX_SEED, UNLISTED, controls, file
from segvae_jax.app.models import PageModel
from segvae_jax.app.requests import MAX_UPLOAD, SESSIONS, Guard
from segvae_jax.app.session import Session, loading, widely
from segvae_jax.app.session_file import restored
from segvae_jax.errors import SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.given_maps import Meaning
from segvae_jax.termination import termination

_UPLOAD_KEPT = 600  # seconds; an upload is read at once
_QUEUE = 32  # events that wait
_NEXT_SEED = f"(seed, advance) => Math.min(Math.max(Math.round(seed ?? 0) + (advance ? 1 : 0), 0), {MAX_SEED})"
_AS_CHECKED: Any = {"preprocess": False}  # what `values` has checked; a class may have left the map since
_HERE = Path(__file__).parent


def launch(models: Sequence[PageModel], host: str, port: int, uploads: Path) -> None:
    """Serves the pages of models until SIGTERM or an interrupt; prints the address once the server responds.

    Args:
      models: one page for each; the first one is at the address itself.
      host, port: where the server listens.
      uploads: the folder where Gradio keeps uploads, `GRADIO_TEMP_DIR`.
    """
    fonts: Any = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    blocks = build(models)
    guard = Middleware(Guard, page=blocks, uploads=uploads)
    _, address, _ = blocks.queue(max_size=_QUEUE, api_open=False).launch(
        server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
        theme=gr.themes.Default(primary_hue="indigo", neutral_hue="slate", **fonts),
        css="\n".join([file("page.css"), *(views.colours(model.generator.space, model.scope) for model in models)]),
        max_file_size=MAX_UPLOAD, state_session_capacity=SESSIONS, footer_links=[], run_history=False,
        enable_monitoring=False, ssr_mode=False, mcp_server=False, pwa=False,
        app_kwargs={"middleware": [guard]},
    )  # fmt: skip
    print(f"open {address} in a browser; Ctrl-C ends it", flush=True)
    try:
        with termination(signal.SIGTERM) as stopped:
            while not stopped():  # Gradio's own loop keeps a Ctrl-C to itself
                time.sleep(0.1)
    finally:
        blocks.close(verbose=False)


def build(models: Sequence[PageModel]) -> gr.Blocks:
    """The pages of models, which link to one another."""
    blocks = gr.Blocks(title="SegVAE", analytics_enabled=False, delete_cache=(60, _UPLOAD_KEPT))
    links = [{"name": model.name, "path": f"/{model.path}"} for model in models]
    for model in models:
        with blocks.route(model.name, model.path, show_in_navbar=False) if model.path else blocks:
            _page_of(model, links)
    return blocks


def _page_of(model: PageModel, links: Sequence[Mapping[str, str]]) -> None:
    gr.Navbar(visible=False)  # the heading has the links
    heading = {"checkpoint": model.name, "models": links}
    parts = controls(model.generator, heading, model.scope, has_pictures=model.translator is not None)
    translate = views.remembering(functools.partial(views.translated, model.translator)) if model.translator else None
    _connect(model.generator, translate, model.name, parts)


def _connect(generator: Generator, translate: views.Translate | None, checkpoint: str, page: Any) -> None:
    """Connects each control with what it does to the session."""
    about = checkpoint, generator.fingerprint()
    render = functools.partial(_rendered, generator, translate, Fit(generator).note, about)
    held = page.state, page.present, page.absent
    shown = [*held, page.canvas, page.samples, page.history, page.links, page.undo, page.redo]

    def on(event: Any, change: Callable[..., Session], *inputs: Any, answering: Any = _answering) -> Any:
        """Handles an event: `change` makes a new session from the current one and the values of the inputs."""
        progress = {"show_progress": "minimal", "show_progress_on": page.canvas}
        answer, limit = answering(change, render), {"concurrency_id": "model"}
        return event(answer, [*held, *inputs], shown, **limit, **progress, **UNLISTED, **_AS_CHECKED)

    _connect_calls(generator, page, on)
    _connect_starts(generator, about[1], page, on)
    on(page.undo.click, Session.undo)
    on(page.redo.click, Session.redo)
    on(page.look.click, Session.other_look)
    by_number = functools.partial(_answering_to, "number")
    on(page.samples.select, Session.pick, answering=by_number)
    on(page.history.select, Session.go_to, answering=by_number)
    play = lambda session: views.growth(session, generator.space, translate)
    page.canvas.play(_guarded(play), page.state, page.canvas, show_progress="hidden", **UNLISTED)


def _load(generator: Generator, session: Session, file: Any) -> Session:
    meaning = Meaning(generator.space, generator.card.original)
    call, note = loading(_content(file), meaning)
    loaded = session.apply(generator, call)
    if note:
        gr.Info(pages.render(_HERE / "error.html.jinja", message=note))
    return loaded


def _content(file: Any) -> bytes:
    return Path(file["path"]).read_bytes()


def _connect_calls(generator: Generator, page: Any, on: Callable[..., Any]) -> None:
    """Connects the controls that ask the generator for maps."""

    def on_sample(event: Any, change: Callable[..., Session], *inputs: Any) -> None:
        """Handles an event that samples, and advances the seed."""
        done = on(event, change, *inputs, page.seed, page.temperature)
        done.success(None, [page.seed, page.advance], page.seed, js=_NEXT_SEED, **UNLISTED)

    edited = page.canvas, page.alternatives
    on_sample(page.generate.click, functools.partial(_generated, generator), page.ticked, page.number)
    on_sample(page.add.click, functools.partial(_edited, generator, "add"), page.absent, *edited)
    on_sample(page.restyle.click, functools.partial(_edited, generator, "restyle"), page.present, *edited)
    on_sample(page.complete.click, functools.partial(_completed, generator), page.ticked, *edited)
    on_sample(page.plausible.click, functools.partial(_plausible, generator), page.ticked, *edited)
    on(page.remove.click, functools.partial(_removed, generator), page.present, page.canvas)
    on(page.canvas.keep, functools.partial(_painted, generator), page.canvas)


def _connect_starts(generator: Generator, weights: str, page: Any, on: Callable[..., Any]) -> None:
    """Connects the controls that start from the user's own."""
    reopen = lambda session, file: restored(_content(file), weights, generator.space)
    on(page.upload.upload, functools.partial(_load, generator), page.upload)
    on(page.blank.click, lambda session: session.apply(generator, {"call": "blank"}))
    on(page.reopen.upload, reopen, page.reopen)
    again = lambda session, text: restored(text, weights, generator.space)
    on(page.store.restore, again, answering=functools.partial(_answering_to, "session"))
    on(page.anew.click, lambda session: Session()).success(None, js=page.forget, **UNLISTED)


def _generated(
    generator: Generator, session: Session, labels: list[str], num: int, seed: int | None, temperature: float
) -> Session:
    call = {"call": "generate", "labels": labels, "num": num, **_noise(seed, temperature)}
    return session.apply(generator, call)


def _painted(generator: Generator, session: Session, canvas: Any) -> Session:
    """The session with the strokes on the canvas as a step, if there are any."""
    return session.apply(generator, {"call": "paint", "png": canvas["paint"]}) if canvas["paint"] else session


def _edited(
    generator: Generator, kind: str, session: Session, labels: list[str], canvas: Any, num: int, *noise: Any
) -> Session:
    asked = {kind: labels, **widely(num), **_noise(*noise), "region": canvas["region"]}
    return _painted(generator, session, canvas).apply(generator, {"call": "edit", **asked})


def _completed(
    generator: Generator, session: Session, labels: list[str], canvas: Any, num: int, *noise: Any
) -> Session:
    asked = {"labels": labels, **widely(num), **_noise(*noise), "region": canvas["region"]}
    return _painted(generator, session, canvas).apply(generator, {"call": "complete", **asked})


def _plausible(
    generator: Generator, session: Session, labels: list[str], canvas: Any, num: int, *noise: Any
) -> Session:
    painted = _painted(generator, session, canvas)
    asked = painted.completion(labels, canvas["region"], generator.space)
    return painted.apply(generator, {"call": "edit", **asked, **widely(num), **_noise(*noise)})


def _removed(generator: Generator, session: Session, labels: list[str], canvas: Any) -> Session:
    call = {"call": "edit", "remove": labels, "region": canvas["region"]}
    return _painted(generator, session, canvas).apply(generator, call)


def _noise(seed: float | None, temperature: float) -> dict[str, Any]:
    return {"seed": round(seed or 0), "temperature": float(temperature)}  # an int would be compiled for again


def _answering(change: Callable[..., Session], render: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """The function that Gradio calls at an event; classes chosen for editing stay chosen while they are offered."""

    @_guarded
    def answer(session: Session, present: list[str], absent: list[str], *values: Any) -> list[Any]:
        return render(change(session, *values), present, absent)

    return answer


def _answering_to(
    name: str, change: Callable[..., Session], render: Callable[..., list[Any]]
) -> Callable[..., list[Any]]:
    """Like `_answering`, for events that say something, which `values` has checked, under a name."""

    def answer(event: gr.EventData, *held: Any) -> list[Any]:
        return _answering(lambda session: change(session, getattr(event, name)), render)(*held)

    return answer


def _rendered(
    generator: Generator,
    translate: views.Translate | None,
    note: views.Note,
    about: tuple[str, str],
    session: Session,
    *chosen: list[str],
) -> list[Any]:
    """New values of the components that show the session, in the order of `shown` in `_connect`."""
    space = generator.space
    groups = [
        gr.CheckboxGroup(choices=views.choices(names, space), value=[name for name in before if name in names])
        for names, before in zip(views.shown_classes(session, space), chosen, strict=True)
    ]
    links = views.downloads(session, space, about, translate)
    canvas = views.canvas(session, space, translate, note)
    pictures = canvas, views.samples(session, space), views.history(session, space)
    can = session.position > 0, session.position < len(session.steps) - 1
    return [session, *groups, *pictures, links, *(gr.Button(interactive=possible) for possible in can)]


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Shows a user's mistake as one line on the page; any other error is a bug whose traceback goes to the terminal."""

    @functools.wraps(function)
    def guarded(*values: Any) -> Any:
        try:
            return function(*values)
        except SegVAEError as error:
            message = pages.render(_HERE / "error.html.jinja", message=str(error))  # Gradio shows it as HTML
            raise gr.Error(message, print_exception=False) from None

    return guarded
