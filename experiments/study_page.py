"""The page of a user study: pairs of pictures, one of each folder, blind."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int, UInt8

from segvae_jax import pages
from segvae_jax.errors import DataError
from segvae_jax.files import output_errors, write_atomically
from segvae_jax.pictures import decode_rgb

Pictures = Sequence[UInt8[np.ndarray, "H W 3"]]
_WIDTH = 320  # pixels that a picture is wide on the page
_STYLE = f"""
.pair {{ display: flex; justify-content: center; gap: 32px; margin: 16px 0; }}
button {{ font: inherit; color: inherit; background: none; border: 2px solid var(--line); border-radius: 12px;
  padding: 12px; cursor: pointer; }}
button:hover, button:focus {{ border-color: var(--bar); }}
.pair img {{ width: {_WIDTH}px; margin: 0 0 8px; }}
[hidden] {{ display: none !important; }}
progress {{ width: 100%; accent-color: var(--bar); }}
"""
_SCRIPT = """
const study = JSON.parse(document.getElementById("study").textContent);
const place = "study-" + study.about.study;
const fresh = () => ({...study.about, voter: Array.from(crypto.getRandomValues(new Uint32Array(2)),
  (word) => word.toString(16).padStart(8, "0")).join(""), votes: []});
const kept = () => { try { return JSON.parse(localStorage.getItem(place)); } catch { return null; } };
let state = kept() || fresh();
let shown = performance.now();
const element = (id) => document.getElementById(id);
function show() {
  const number = state.votes.length, done = number === study.about.pairs;
  element("ask").hidden = done;
  element("done").hidden = !done;
  element("count").textContent = done ? `All ${number} pairs are done.` : `Pair ${number + 1} of ${study.about.pairs}`;
  element("bar").value = number;
  if (!done) [element("left-picture").src, element("right-picture").src] = study.pictures[number];
  element("undo").disabled = number === 0;
  shown = performance.now();
}
function keep() {
  try { localStorage.setItem(place, JSON.stringify(state)); } catch { /* refused: the file can be saved still */ }
  show();
}
function vote(side) {
  if (state.votes.length === study.about.pairs) return;
  state.votes.push({pair: state.votes.length, side, milliseconds: Math.round(performance.now() - shown)});
  keep();
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(state, null, 1)], {type: "application/json"}));
  link.download = `votes_${state.study}_${state.voter}.json`;
  link.click();
}
element("left").onclick = () => vote("left");
element("right").onclick = () => vote("right");
element("undo").onclick = () => { state.votes.pop(); keep(); };
element("save").onclick = save;
element("again").onclick = () => { if (confirm("Forget all votes?")) { state = fresh(); keep(); } };
document.onkeydown = (event) => {
  if (!event.repeat && event.key === "ArrowLeft") vote("left");
  if (!event.repeat && event.key === "ArrowRight") vote("right");
};
show();
"""
_BODY = """
<h1>Which looks more real?</h1>
<p class="soft">Choose a picture with the mouse or the arrow keys. Trust your first impression.
 What you choose stays in this browser until you save it as a file.</p>
<p id="count"></p><progress id="bar" value="0" max="{pairs}"></progress>
<div class="pair" id="ask">
<button id="left"><img id="left-picture" alt="left picture">left</button>
<button id="right"><img id="right-picture" alt="right picture">right</button>
</div>
<section id="done" hidden><h2>Thank you</h2><p>Please save your votes and hand the file back.</p></section>
<p><button id="save">save votes</button> <button id="undo">undo</button> <button id="again">start anew</button></p>
<script type="application/json" id="study">{study}</script>
"""


@dataclasses.dataclass(frozen=True)
class Study:
    """What votes and page have in common.

    Attributes:
      name: a hash of the pictures and their arrangement.
      seed: of the arrangement.
      pairs: how many.
    """

    name: str
    seed: int
    pairs: int


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """Which pictures meet, in the order of the page.

    Attributes:
      a, b: numbers of the pictures of either folder.
      a_is_left: whether the picture of the first folder is the left one.
    """

    a: Int[np.ndarray, "P"]
    b: Int[np.ndarray, "P"]
    a_is_left: Bool[np.ndarray, "P"]


def a_is_left(pairs: int, seed: int) -> Bool[np.ndarray, "P"]:
    """On which side the pictures of the first folder stand: on either as often, or nearly."""
    return np.random.default_rng([seed, 1]).permutation(pairs) % 2 == 0


def arrange(num_a: int, num_b: int, pairs: int, seed: int) -> Arrangement:
    """Random pairs of which no picture is shown twice; as many as there are pictures, and `pairs` at most."""
    rng = np.random.default_rng([seed, 0])
    pairs = min(pairs, num_a, num_b)
    return Arrangement(rng.permutation(num_a)[:pairs], rng.permutation(num_b)[:pairs], a_is_left(pairs, seed))


def write_study(
    out: str | Path, folder_a: str | Path, folder_b: str | Path, *, pairs: int = 50, seed: int = 0
) -> Study:
    """Writes the page; equal folders and settings give equal pages.

    Args:
      out: the file.
      folder_a, folder_b: of PNG pictures; index maps are coloured by their palette.
      pairs: how many to compare, at most.
      seed: of pairs, order and sides.

    Raises:
      DataError: if a folder has no pictures, or they differ in size, which would give them away.
      MapError: naming the file, if it cannot be read.
      OutputError: if the page cannot be written.
    """
    a, b = read_pictures(folder_a), read_pictures(folder_b)
    sizes = sorted({picture.shape[:2] for picture in (*a, *b)})
    if len(sizes) > 1:
        found = f"{sizes[0]} and {sizes[-1]}"
        raise DataError(f"{folder_a}, {folder_b}: pictures of sizes {found}: expected one, or it tells them apart")
    study, page = study_page(a, b, pairs, seed)
    out = Path(out).expanduser()
    with output_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda path: path.write_text(page, encoding="utf-8"))
    return study


def read_pictures(folder: str | Path) -> list[UInt8[np.ndarray, "H W 3"]]:
    """The PNG files of a folder, in colour.

    Raises:
      DataError: if there is none.
      MapError: naming the file, if it cannot be read.
    """
    files = sorted(Path(folder).expanduser().glob("*.png"))
    if not files:
        raise DataError(f"{folder}: no PNG file in it: expected a folder of pictures")
    return [decode_rgb(file.read_bytes(), str(file)) for file in files]


def study_page(a: Pictures, b: Pictures, pairs: int, seed: int) -> tuple[Study, str]:
    """The page as HTML."""
    arranged = arrange(len(a), len(b), pairs, seed)
    shown = []
    for i, j, left in zip(arranged.a, arranged.b, arranged.a_is_left, strict=True):
        pair = pages.embedded(a[i]), pages.embedded(b[j])
        shown.append(pair if left else pair[::-1])
    name = hashlib.sha256(json.dumps([shown, seed]).encode()).hexdigest()[:12]
    study = Study(name, seed, len(shown))
    about = {"format": 1, "study": name, "seed": seed, "pairs": len(shown)}
    body = _BODY.format(pairs=len(shown), study=json.dumps({"about": about, "pictures": shown}))
    return study, pages.document("Which looks more real?", body, _STYLE, _SCRIPT)
