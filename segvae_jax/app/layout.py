"""The controls of the page: classes on the left, the map in the middle, edits of it on the right."""

import functools
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from segvae_jax import pages
from segvae_jax.app import views
from segvae_jax.app.choices import ALTERNATIVES, MAX_TEMPERATURE, SAMPLES, presets
from segvae_jax.app.session import Session
from segvae_jax.generation import Generator

MAX_SEED = 2**31 - 2  # its successor is still a valid seed
KEPT = 3600  # seconds for which a session is kept after its last change
UNLISTED: Any = {"api_visibility": "private"}
_IN_RANGE = f"(seed) => Math.min(Math.max(Math.round(seed ?? 0), 0), {MAX_SEED})"
_HERE = Path(__file__).parent


def file(name: str) -> str:
    """The text of a file beside this module."""
    return (_HERE / name).read_text("utf-8")


def controls(generator: Generator, heading: Mapping[str, Any], scope: str, has_pictures: bool) -> Any:
    """Lays the page out; the controls that events need are attributes of what is returned.

    Args:
      generator: whose classes are offered.
      heading: values of its template.
      scope: class in CSS, by which the classes get their colours.
      has_pictures: whether maps can be seen as pictures.
    """
    gr.HTML(pages.render(_HERE / "heading.html.jinja", **heading), elem_id="heading", apply_default_css=False)
    with gr.Row(elem_id="columns", elem_classes=scope):
        with gr.Column(min_width=290, elem_classes="card"):
            generation = _generation_controls(generator)
        with gr.Column(min_width=320, scale=2):
            shown = _shown_parts(generator, has_pictures)
        with gr.Column(min_width=290, elem_classes="card", visible=generator.can_edit):
            editing = _editing_controls()
    return types.SimpleNamespace(**generation, **shown, **editing)


def _generation_controls(generator: Generator) -> dict[str, Any]:
    label_sets = presets(generator.card)
    first, *_ = label_sets
    preset = gr.Dropdown(list(label_sets), value=first, label="Start from")
    classes = views.choices(generator.space.classes, generator.space)
    ticked = gr.CheckboxGroup(classes, value=list(label_sets[first]), label="Classes", elem_classes="classes")
    preset.input(lambda name: list(label_sets[name]), preset, ticked, show_progress="hidden", **UNLISTED)
    number = gr.Radio(list(SAMPLES), value=SAMPLES[1], label="Maps at once")
    generate = gr.Button("Generate", variant="primary", elem_id="generate")
    temperature = gr.Slider(0, MAX_TEMPERATURE, 1, step=0.05, label="Temperature")
    with gr.Row(equal_height=True):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED, min_width=100)
        advance = gr.Checkbox(True, label="then the next", min_width=100, elem_id="advance")
    seed.blur(None, seed, seed, js=_IN_RANGE, **UNLISTED)
    return {
        "ticked": ticked, "number": number, "generate": generate, "temperature": temperature, "seed": seed,
        "advance": advance, **_own_maps(generator),
    }  # fmt: skip


def _own_maps(generator: Generator) -> dict[str, Any]:
    """What starts from the user's own: a blank map, a map, a session."""
    uploading = functools.partial(gr.UploadButton, type="binary", size="sm", min_width=120)
    with gr.Row(elem_classes="buttons"):
        upload = uploading("Upload a map", file_types=[".png"], elem_id="upload")
        blank = gr.Button("Blank map", size="sm", min_width=120, elem_id="blank")
        reopen = uploading("Open a session", file_types=[".json"], elem_id="reopen")
        anew = gr.Button("Start anew", size="sm", min_width=120, elem_id="anew")
    weights = generator.fingerprint()
    store = gr.HTML(
        weights, elem_id="store", apply_default_css=False, html_template="", js_on_load=file("store.js"),
    )  # fmt: skip
    forget = "() => [{}, 'segvae:pending'].forEach((key) => localStorage.removeItem(key))".format(
        json.dumps(f"segvae:{weights}")
    )
    return {"upload": upload, "blank": blank, "reopen": reopen, "anew": anew, "store": store, "forget": forget}


def _shown_parts(generator: Generator, has_pictures: bool) -> dict[str, Any]:
    thumbnails = functools.partial(
        gr.HTML, js_on_load=file("thumbnails.js"), apply_default_css=False, elem_classes="thumbnails"
    )
    canvas = gr.HTML(
        views.canvas(Session(), generator.space), elem_id="canvas", apply_default_css=False,
        html_template=file("canvas.html"), js_on_load=file("canvas.js"),
    )  # fmt: skip
    with gr.Row(elem_id="steps"):
        undo, redo = (gr.Button(name, size="sm", min_width=70, interactive=False) for name in ("↶ Undo", "↷ Redo"))
        look = gr.Button("Other look", size="sm", min_width=90, visible=has_pictures)
        links = gr.HTML(elem_id="links", apply_default_css=False, js_on_load=file("links.js"))
    samples = thumbnails(elem_id="samples")
    history = thumbnails(elem_id="history")
    state = gr.State(Session(), time_to_live=KEPT)
    return {
        "canvas": canvas, "undo": undo, "redo": redo, "look": look, "links": links, "samples": samples,
        "history": history, "state": state,
    }  # fmt: skip


def _editing_controls() -> dict[str, Any]:
    classes = functools.partial(gr.CheckboxGroup, [], elem_classes="classes")
    present, absent = classes(label="On the map"), classes(label="Not on the map")
    alternatives = gr.Radio(list(ALTERNATIVES), value=ALTERNATIVES[0], label="Alternatives")
    with gr.Row(elem_id="actions", elem_classes="buttons"):
        names = "Restyle", "Remove", "Add", "Add all ticked"
        restyle, remove, add, complete = (gr.Button(name, size="sm", min_width=60) for name in names)
        plausible = gr.Button("Make it plausible", size="sm", min_width=120, variant="primary", elem_id="plausible")
    return {
        "present": present, "restyle": restyle, "remove": remove, "absent": absent, "add": add,
        "complete": complete, "plausible": plausible, "alternatives": alternatives,
    }  # fmt: skip
