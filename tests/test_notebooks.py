"""The notebooks run from top to bottom, and are stored with small outputs of such a run."""

import ast
import base64
import io
import json
import pathlib
import re
import runpy
import shutil

import pytest
from pages import ROOT
from PIL import Image

from experiments import results
from experiments.runs import Run, Setting
from experiments.tables import BUDGETS, TABLES

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat, nbclient and ipykernel: see the extra dev")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

STORE = runpy.run_path(str(ROOT / "notebooks/store.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KERNEL = {  # differs from the environment of the tests: users have one device
    "PYTHONPATH": str(ROOT),
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a notebook in an empty folder and returns its outputs. A cell that fails raises an error."""
    for name, value in KERNEL.items():
        monkeypatch.setenv(name, value)

    def execute(name: str) -> list:
        notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
        place = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
        return [output for cell in notebook.cells for output in cell.get("outputs", [])]

    return execute


def pictures(outputs: list) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(outputs: list) -> str:
    shown = [output.get("data", {}) for output in outputs]
    return "\n".join([output.get("text", "") for output in outputs] + [str(data) for data in shown])


@pytest.mark.slow
def test_the_first_notebook_generates_edits_and_keeps_maps(run, tmp_path):
    outputs = run("quickstart")
    assert pictures(outputs) == 8
    assert "uncovered: " in printed(outputs) and "uncovered: 0%" not in printed(outputs)
    assert "'skin'" in printed(outputs) and ") True" in printed(outputs)
    assert len(list((tmp_path / "maps").glob("*.png"))) == 4


@pytest.mark.slow
def test_the_second_notebook_trains_on_a_folder_and_scores(run, tmp_path):
    outputs = run("train_your_own")
    assert pictures(outputs) == 3
    assert "exact label-set" in printed(outputs) and "cloth, skin, hair" in printed(outputs)
    assert "UserWarning" not in printed(outputs)
    assert {path.name for path in tmp_path.iterdir()} == {"masks", "labels.txt", "prepared", "run", "evaluation"}
    assert json.loads((tmp_path / "evaluation/scores.json").read_text())["step"] == 80


def test_the_third_notebook_shows_saved_tables(run, tmp_path):
    """The tables of the repository, if there are any, and one that `experiments.results` makes here."""
    folder = tmp_path / "docs/results"
    shutil.copytree(ROOT / "docs/results", folder) if (ROOT / "docs/results").is_dir() else folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps(table()))
    shown = printed(run("reproduce"))
    results = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    for name, result in results.items():
        assert (f"### {name}" in shown) == ("rows" in result)
        assert all(f"| {title} |" in shown for title in result.get("rows", ()))
    assert "16 px, 20 steps" in shown and "0.75 +- 0.35" in shown
    assert re.search(r"SegVAE +0.5 +1\n", shown)


def table() -> dict:
    """A table with the scores of two runs of one row."""
    row = lambda value: {"fsd": {"value": value}, "c2st": {"layout": {"value": value}}}
    runs = {Run(TABLES["ablations"][0], seed, Setting(BUDGETS["trial"], {}, ROOT)): seed / 2 for seed in (1, 2)}
    names = ("generated", *results.ANCHORS)
    rows = results.summary({run: {"rows": dict.fromkeys(names, row(value))} for run, value in runs.items()})
    conditions = {"budget": BUDGETS["trial"].title, "seeds": 2, "size": [16, 16], "num_maps": 24}
    return {"name": "trial", **conditions, "splits": {"train": 90}, "rows": rows}


def test_the_commands_that_make_tables_anew_exist():
    text = (ROOT / "notebooks/reproduce.ipynb").read_text()
    assert set(re.findall(r"--table=(\w+)", text)) == set(TABLES)
    assert set(re.findall(r"--budget=(\w+)", text)) <= set(BUDGETS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_what_there_is(path):
    cells = nbformat.read(path, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    code = re.sub(r"^(\s*)[!%].*", r"\1pass", code, flags=re.MULTILINE)
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports
    for node in imports:
        exec(compile(ast.Module([node], []), path.name, "exec"), {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_holds_outputs_and_nothing_of_a_machine(path):
    text = path.read_text()
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert len(text) < 100_000
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run python notebooks/store.py"
    outputs = [output for cell in code for output in cell.outputs]
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert STORE["small"](STORE["named"](notebook)) == notebook, "run python notebooks/store.py"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert not re.search(r"/(home|root|tmp|work|Users|content)\b", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_the_repository_of_one_variable_and_its_badge_leads_to_itself(path):
    cells = nbformat.read(path, as_version=4).cells
    (repository,) = re.findall(
        r'REPOSITORY = "https://github.com/([\w.-]+/[\w.-]+)"', "\n".join(c.source for c in cells)
    )
    assert repository == STORE["REPOSITORY"]
    badge = f"(https://colab.research.google.com/github/{repository}/blob/main/notebooks/{path.name})"
    assert badge in cells[0].source


def test_another_repository_is_written_into_badge_and_cells(monkeypatch):
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    monkeypatch.setitem(STORE["named"].__globals__, "REPOSITORY", "someone/elsewhere")
    text = nbformat.writes(STORE["named"](notebook))
    assert STORE["REPOSITORY"] not in text and text.count("someone/elsewhere") == 2


@pytest.mark.parametrize("name", ["quickstart", "train_your_own"])
def test_the_first_picture_comes_before_anything_that_takes_long(name):
    cells = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells
    before: list[str] = []
    for cell in cells:
        if pictures(cell.get("outputs", [])):
            break
        before.append(cell.source)
    assert len(before) < len(cells) and not any("train(" in source for source in before)
    assert sum("generate" in source for source in before if "\n" in source) <= 2


def test_outputs_are_cut_to_what_readers_need():
    stream = lambda text: nbformat.v4.new_output("stream", text=text)
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "x"}
    Image.new("RGB", (20, 10), "red").save(png := io.BytesIO(), "PNG")
    picture = base64.b64encode(png.getvalue()).decode()
    cell = nbformat.v4.new_code_cell("1", outputs=[
        nbformat.v4.new_output("stream", name="stderr", text="slow"),
        nbformat.v4.new_output("display_data", data={"text/plain": "\x1b[1m\x1b[0m\n"}),
        stream("10 %\r100 %\n" + "line\n" * 100),
        nbformat.v4.new_output("display_data", data=widget),
        nbformat.v4.new_output("display_data", data={"image/png": picture, "text/html": "", "text/plain": "<PIL>"}),
    ])  # fmt: skip
    (small,) = STORE["small"](nbformat.v4.new_notebook(cells=[cell])).cells
    assert small.outputs[0].text == "line\n" * STORE["LINES"] and len(small.outputs) == 2
    assert small.outputs[1].data["text/plain"] == "<picture>" and "text/html" not in small.outputs[1].data
    with Image.open(io.BytesIO(base64.b64decode(small.outputs[1].data["image/png"]))) as stored:
        assert stored.mode == "P" and stored.convert("RGB").getcolors() == [(200, (255, 0, 0))]


def test_every_notebook_is_run_here():
    here = pathlib.Path(__file__).read_text()
    assert NOTEBOOKS and all(f'run("{path.stem}")' in here for path in NOTEBOOKS)
