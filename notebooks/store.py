"""Runs the notebooks, and stores them with small outputs: python notebooks/store.py [NAME ..]

REPOSITORY below is the one place that says where the repository is: this script writes it into the badges and the cells
of all notebooks. It needs the extra `dev`. Nothing of the machine is stored but texts and pictures.
"""

import base64
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
from PIL import Image

REPOSITORY = "OWNER/segvae_jax"  # on GitHub

FOLDER = Path(__file__).resolve().parent
LINES = 40  # of a text that are stored, from its end
_STYLE = re.compile(r"\x1b\[[\d;]*m")
KINDS = ("image/png", "text/markdown", "text/plain")  # the first one that an output has is stored

_Notebook = nbformat.NotebookNode
_ADDRESS = re.compile(r'(REPOSITORY = "https://github\.com/|colab\.research\.google\.com/github/)[\w.-]+/[\w.-]+')


def named(notebook: _Notebook) -> _Notebook:
    """The notebook, with its badge and its cells leading to `REPOSITORY`."""
    changed = nbformat.from_dict(notebook)
    for cell in changed.cells:
        cell.source = _ADDRESS.sub(rf"\g<1>{REPOSITORY}", cell.source)
    return changed


def run(notebook: _Notebook, root: Path) -> _Notebook:
    """The notebook after a run from top to bottom in a folder with docs/results alone, with the package of `root`."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(root / "docs/results", Path(place, "docs/results"))
        os.environ["PYTHONPATH"] = str(root)
        resources = {"metadata": {"path": place}}
        done = nbclient.NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=resources).execute()
    return nbformat.reads(nbformat.writes(done).replace(f"{place}/", ""), as_version=4)


def small(notebook: _Notebook) -> _Notebook:
    """The notebook with the outputs of a run, each cut to what a reader needs."""
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.metadata, cell.execution_count = {}, number
        cell.outputs = [small for output in cell.outputs if (small := _small(output, number))]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _small(output: _Notebook, number: int) -> _Notebook | None:
    if output.output_type == "stream":
        text = _plain(output.text) if output.name == "stdout" else ""
        return nbformat.v4.new_output("stream", name="stdout", text=text) if text else None
    data = output.get("data", {})
    kind = next((kind for kind in KINDS if kind in data), None)
    if kind is None or "application/vnd.jupyter.widget-view+json" in data:
        return None
    if kind == "image/png":
        kept = {kind: _with_palette(data[kind]), "text/plain": "<picture>"}
    elif text := _plain(data[kind]):
        kept = {kind: text}
    else:
        return None
    count = {"execution_count": number} if output.output_type == "execute_result" else {}
    return nbformat.v4.new_output(output.output_type, data=kept, **count)


def _plain(text: str) -> str:
    """The last `LINES` of a text without colours and progress; empty if nothing is left."""
    lines = [line.rpartition("\r")[2].rstrip() for line in _STYLE.sub("", text).splitlines()]
    kept = "\n".join("\n".join(lines).strip("\n").splitlines()[-LINES:])
    return f"{kept}\n" if kept else ""


def _with_palette(png: str) -> str:
    """The same picture, in less than half of the bytes if it has 256 colours at most, as sheets of maps have."""
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    if picture.mode != "RGB" or picture.getcolors(256) is None:
        return png
    picture.quantize(256).save(stored := io.BytesIO(), "PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def main(names: list[str]) -> None:
    """Stores the notebooks with these names, or all of them."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            nbformat.write(small(run(named(nbformat.read(path, as_version=4)), FOLDER.parent)), path)
            print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
