"""The layout of the page, and what its controls do to a session. This is the only module that imports Gradio."""

import functools
import signal
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from segvae_jax import pages
from segvae_jax.app import views
from segvae_jax.app.choices import ALTERNATIVES, MAX_TEMPERATURE, SAMPLES, presets
from segvae_jax.app.requests import MAX_UPLOAD, SESSIONS, Guard
from segvae_jax.app.session import Call, Session, loading
from segvae_jax.errors import SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.given_maps import Meaning
from segvae_jax.termination import termination
from segvae_jax.translation import Translator

_MAX_SEED = 2**31 - 2  # its successor is still a valid seed
_KEPT = 3600  # seconds for which a session is kept after its last change
_UPLOAD_KEPT = 600  # seconds; an upload is read at once
_QUEUE = 32  # events that wait
_NEXT_SEED = "(seed, advance) => (advance ? seed + 1 : seed)"
_UNLISTED: Any = {"api_visibility": "private"}
_AS_CHECKED: Any = {"preprocess": False}  # what `values` has checked; a class may have left the map since
_HERE = Path(__file__).parent
_file = lambda name: (_HERE / name).read_text("utf-8")


def launch(
    generator: Generator, translator: Translator | None, checkpoint: str, host: str, port: int, uploads: Path
) -> None:
    """Serves the page of a generator until SIGTERM or an interrupt; prints the address once the server responds.

    Args:
      generator: makes the maps.
      translator: makes pictures of them, which the page can show instead; None if there is none.
      checkpoint: the name of the generator on the page.
      host, port: where the server listens.
      uploads: the folder where Gradio keeps uploads, `GRADIO_TEMP_DIR`.
    """
    fonts: Any = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    blocks = build(generator, translator, checkpoint)
    guard = Middleware(Guard, page=blocks, uploads=uploads)
    _, address, _ = blocks.queue(max_size=_QUEUE, api_open=False).launch(
        server_name=host, server_port=port, share=False, quiet=True, prevent_thread_lock=True,
        theme=gr.themes.Default(primary_hue="indigo", neutral_hue="slate", **fonts),
        css=_file("page.css") + views.colours(generator.space),
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


def build(generator: Generator, translator: Translator | None, checkpoint: str) -> gr.Blocks:
    """The page: classes on the left, the map in the middle, edits of it on the right."""
    heading = pages.render(_HERE / "heading.html.jinja", checkpoint=checkpoint)
    with gr.Blocks(title="SegVAE", analytics_enabled=False, delete_cache=(60, _UPLOAD_KEPT)) as blocks:
        gr.HTML(heading, elem_id="heading", apply_default_css=False)
        with gr.Row(elem_id="columns"):
            with gr.Column(min_width=290, elem_classes="card"):
                generation = _generation_controls(generator)
            with gr.Column(min_width=320, scale=2):
                shown = _shown_parts(generator, has_pictures=translator is not None)
            with gr.Column(min_width=290, elem_classes="card", visible=generator.can_edit):
                editing = _editing_controls()
        parts = types.SimpleNamespace(**generation, **shown, **editing)
        translate = functools.partial(views.translated, translator) if translator else None
        _connect(generator, translate, checkpoint, parts)
    return blocks


def _generation_controls(generator: Generator) -> dict[str, Any]:
    label_sets = presets(generator.card)
    first, *_ = label_sets
    preset = gr.Dropdown(list(label_sets), value=first, label="Start from")
    classes = views.choices(generator.space.classes, generator.space)
    ticked = gr.CheckboxGroup(classes, value=list(label_sets[first]), label="Classes", elem_classes="classes")
    preset.input(lambda name: list(label_sets[name]), preset, ticked, show_progress="hidden", **_UNLISTED)
    number = gr.Radio(list(SAMPLES), value=SAMPLES[1], label="Maps at once")
    generate = gr.Button("Generate", variant="primary", elem_id="generate")
    temperature = gr.Slider(0, MAX_TEMPERATURE, 1, step=0.05, label="Temperature")
    with gr.Row(equal_height=True):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=_MAX_SEED, min_width=100)
        advance = gr.Checkbox(True, label="then the next", min_width=100, elem_id="advance")
    upload = gr.UploadButton("Upload an index PNG", file_types=[".png"], type="binary", size="sm", elem_id="upload")
    return {
        "ticked": ticked, "number": number, "generate": generate, "temperature": temperature, "seed": seed,
        "advance": advance, "upload": upload,
    }  # fmt: skip


def _shown_parts(generator: Generator, has_pictures: bool) -> dict[str, Any]:
    thumbnails = functools.partial(
        gr.HTML, js_on_load=_file("thumbnails.js"), apply_default_css=False, elem_classes="thumbnails"
    )
    canvas = gr.HTML(
        views.canvas(Session(), generator.space), elem_id="canvas", apply_default_css=False,
        html_template=_file("canvas.html"), js_on_load=_file("canvas.js"),
    )  # fmt: skip
    with gr.Row(elem_id="steps"):
        undo, redo = (gr.Button(name, size="sm", min_width=70, interactive=False) for name in ("↶ Undo", "↷ Redo"))
        look = gr.Button("Other look", size="sm", min_width=90, visible=has_pictures)
        links = gr.HTML(elem_id="links", apply_default_css=False)
    samples = thumbnails(elem_id="samples")
    history = thumbnails(elem_id="history")
    state = gr.State(Session(), time_to_live=_KEPT)
    return {
        "canvas": canvas, "undo": undo, "redo": redo, "look": look, "links": links, "samples": samples,
        "history": history, "state": state,
    }  # fmt: skip


def _editing_controls() -> dict[str, Any]:
    classes = functools.partial(gr.CheckboxGroup, [], elem_classes="classes")
    present = classes(label="On the map")
    with gr.Row(elem_classes="buttons"):
        restyle, remove = (gr.Button(name, size="sm", min_width=90) for name in ("Restyle", "Remove"))
    absent = classes(label="Not on the map")
    with gr.Row(elem_classes="buttons"):
        add, complete = (gr.Button(name, size="sm", min_width=90) for name in ("Add", "Add all ticked"))
    alternatives = gr.Radio(list(ALTERNATIVES), value=ALTERNATIVES[0], label="Alternatives")
    return {
        "present": present, "restyle": restyle, "remove": remove, "absent": absent, "add": add,
        "complete": complete, "alternatives": alternatives,
    }  # fmt: skip


def _connect(generator: Generator, translate: views.Translate | None, checkpoint: str, page: Any) -> None:
    """Connects each control with what it does to the session."""
    render = functools.partial(_rendered, generator, translate, checkpoint, generator.fingerprint())
    held = page.state, page.present, page.absent
    shown = [*held, page.canvas, page.samples, page.history, page.links, page.undo, page.redo]

    def on(event: Any, change: Callable[..., Session], *inputs: Any, answering: Any = _answering) -> Any:
        """Handles an event: `change` makes a new session from the current one and the values of the inputs."""
        progress = {"show_progress": "minimal", "show_progress_on": page.canvas}
        answer, limit = answering(change, render), {"concurrency_id": "model"}
        return event(answer, [*held, *inputs], shown, **limit, **progress, **_UNLISTED, **_AS_CHECKED)

    def on_call(event: Any, call: Callable[..., Call], *inputs: Any) -> Any:
        """Handles an event by a call of the generator."""
        return on(event, lambda session, *values: session.apply(generator, call(*values)), *inputs)

    def on_sample(event: Any, call: Callable[..., Call], *inputs: Any) -> None:
        """Handles an event by a call that samples, and advances the seed."""
        done = on_call(event, call, *inputs, page.seed, page.temperature)
        done.success(None, [page.seed, page.advance], page.seed, js=_NEXT_SEED, **_UNLISTED)

    on_sample(page.generate.click, _generate, page.ticked, page.number)
    edited = page.canvas, page.alternatives
    on_sample(page.add.click, functools.partial(_edit, "add"), page.absent, *edited)
    on_sample(page.restyle.click, functools.partial(_edit, "restyle"), page.present, *edited)
    on_sample(page.complete.click, _complete, page.ticked, *edited)
    on_call(page.remove.click, _remove, page.present, page.canvas)
    on_call(page.upload.upload, functools.partial(_load, generator), page.upload)
    on(page.undo.click, Session.undo)
    on(page.redo.click, Session.redo)
    on(page.look.click, Session.other_look)
    on(page.samples.select, Session.pick, answering=_answering_number)
    on(page.history.select, Session.go_to, answering=_answering_number)
    play = lambda session: views.growth(session, generator.space, translate)
    page.canvas.play(_guarded(play), page.state, page.canvas, show_progress="hidden", **_UNLISTED)


def _load(generator: Generator, file: Any) -> Call:
    meaning = Meaning(generator.space, generator.card.original)
    call, note = loading(Path(file["path"]).read_bytes(), meaning)
    if note:
        gr.Info(pages.render(_HERE / "error.html.jinja", message=note))
    return call


def _generate(labels: list[str], num: int, seed: int | None, temperature: float) -> Call:
    return {"call": "generate", "labels": labels, "num": num, **_noise(seed, temperature)}


def _edit(kind: str, labels: list[str], canvas: Any, num: int, seed: int | None, temperature: float) -> Call:
    return {"call": "edit", kind: labels, "num": num, **_noise(seed, temperature), "region": canvas["region"]}


def _complete(labels: list[str], canvas: Any, num: int, seed: int | None, temperature: float) -> Call:
    return {"call": "complete", "labels": labels, "num": num, **_noise(seed, temperature), "region": canvas["region"]}


def _remove(labels: list[str], canvas: Any) -> Call:
    return {"call": "edit", "remove": labels, "region": canvas["region"]}


def _noise(seed: float | None, temperature: float) -> dict[str, Any]:
    return {"seed": round(seed or 0), "temperature": float(temperature)}  # an int would be compiled for again


def _answering(change: Callable[..., Session], render: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """The function that Gradio calls at an event; classes chosen for editing stay chosen while they are offered."""

    @_guarded
    def answer(session: Session, present: list[str], absent: list[str], *values: Any) -> list[Any]:
        return render(change(session, *values), present, absent)

    return answer


def _answering_number(change: Callable[..., Session], render: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Like `_answering`, for events that carry the number of a thumbnail."""

    def answer(event: gr.EventData, *held: Any) -> list[Any]:
        return _answering(lambda session: change(session, int(event.number)), render)(*held)

    return answer


def _rendered(
    generator: Generator,
    translate: views.Translate | None,
    checkpoint: str,
    weights: str,
    session: Session,
    *chosen: list[str],
) -> list[Any]:
    """New values of the components that show the session, in the order of `shown` in `_connect`."""
    space = generator.space
    groups = [
        gr.CheckboxGroup(choices=views.choices(names, space), value=[name for name in before if name in names])
        for names, before in zip(views.shown_classes(session, space), chosen, strict=True)
    ]
    links = views.downloads(session, space, session.record(checkpoint, weights), translate)
    pictures = views.canvas(session, space, translate), views.samples(session, space), views.history(session, space)
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
