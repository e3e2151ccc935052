"""prepare.py as users run it: options, errors of one line, kills, full disks, the report."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from segvae_jax import maps, pictures
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.prepare.builder import open_prepared

ROOT = pathlib.Path(__file__).parents[3]
SPACE = CARTOON_SPACES["faces"]
CARTOONS = ("--source=cartoon", "--num_maps=400", "--size=24")


def command(*flags):
    return [sys.executable, str(ROOT / "prepare.py"), *flags]


def run(*flags, prefix=()):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run([*prefix, *command(*flags)], env=environment, capture_output=True, text=True)


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    done = run(*CARTOONS, "--workers=1", f"--out={out}")
    assert done.returncode == 0, done.stderr
    assert "400 maps read, 400 kept" in done.stdout and "400 of 400 maps, ETA" in done.stderr
    return out


def test_tfds_opens_what_is_prepared(whole):
    builder = tfds.builder_from_directory(whole)
    source = builder.as_data_source("train")
    assert builder.info.version == "2.0.0" and "label maps" in builder.info.description
    packed = maps.pack(cartoon_map("faces", 0, int(source[3]["id"]), (24, 24)))
    np.testing.assert_array_equal(source[3]["map"], packed)


def test_a_killed_run_goes_on_to_the_same_files(whole, tmp_path):
    out, chunks = tmp_path / "out", tmp_path / ".out.preparing" / "chunks"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    flags = (*CARTOONS, "--workers=2", f"--out={out}")
    with subprocess.Popen(command(*flags), env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not list(chunks.glob("*.npz")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    kept = len(list(chunks.glob("*.npz")))
    assert kept and not out.exists()
    done = run(*flags)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(whole) and not chunks.parent.exists()
    counted = [int(number) for number in re.findall(r"(\d+) of 400 maps", done.stderr)]
    assert all(number > 16 + 128 * (kept - 1) for number in counted), "complete chunks are not converted again"


def test_a_full_disk_is_one_line_and_leaves_nothing_that_loads(whole, tmp_path):
    limited = ("sh", "-c", 'ulimit -f 40; exec "$@"', "sh")  # blocks of 512 bytes
    done = run(*CARTOONS, "--workers=1", f"--out={tmp_path / 'out'}", prefix=limited)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert last.startswith("error: ") and "cannot be written" in last
    assert not (tmp_path / "out").exists()
    assert run(*CARTOONS, "--workers=1", f"--out={tmp_path / 'out'}").returncode == 0
    assert contents(tmp_path / "out") == contents(whole)


def test_the_report_has_pictures_and_needs_no_other_file(whole):
    page = (whole / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and not re.search(r"(src|href)=.?(http|/|\w+\.)", page)
    for text in ("train</b>: ", "l_brow", "100.0%", "Left and right", "Near duplicates ("):
        assert text in page


def test_every_row_of_the_report_has_a_figure_below_each_heading(whole):
    table = (whole / "report.html").read_text().partition("<table>")[2].partition("</table>")[0]
    heads, *rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("</tr>")[:-1]]
    for entry, row in zip(json.loads((whole / "survey.json").read_text())["classes"], rows, strict=True):
        figures = dict(zip(heads, row, strict=True))
        assert figures["lost by resizing"] == str(entry["lost"])
        assert figures["maps with 4 px or fewer"] == str(entry["tiny"])


@pytest.fixture
def folder(tmp_path):
    index = np.stack([maps.paint(cartoon_map("faces", 0, i, (32, 32)), SPACE) for i in range(30)])
    pictures.write_index_pngs(tmp_path / "maps", index, SPACE)
    (tmp_path / "names.txt").write_text("\n".join(SPACE.names))
    return tmp_path


def test_users_name_what_is_wrong_with_their_files(folder):
    Image.new("RGB", (4, 4)).save(folder / "maps" / "broken.png")
    (folder / "maps" / "00040.png").write_bytes((folder / "maps" / "00002.png").read_bytes())
    (folder / "odd.txt").write_text("# seen by eye\n00003 ear of three metres\n\n00004 blank  # really\n")
    flags = (
        "--source=folder", f"--path={folder / 'maps'}", f"--labels={folder / 'names.txt'}", "--size=16,24",
        "--workers=1", f"--exclude={folder / 'odd.txt'}", f"--out={folder / 'out'}",
    )  # fmt: skip
    done = run(*flags)
    assert done.returncode == 2 and re.search(r"error: .*broken\.png: image mode RGB", done.stderr), done.stderr
    done = run(*flags, "--skip_broken")
    assert done.returncode == 0, done.stderr
    assert "32 maps read, 28 kept; 3 left out, 1 exact duplicates dropped" in done.stdout
    assert "left out: 00003: excluded: ear of three metres" in done.stdout
    assert re.search(r"left out: broken: broken: .*broken\.png", done.stdout)
    assert "warning: " in done.stdout


def test_a_folder_takes_all_that_training_takes(folder):
    table = folder / "names.csv"
    table.write_text("index,name\n" + "\n".join(f"{i},{name}" for i, name in enumerate(SPACE.names)))
    index = np.asarray(Image.open(folder / "maps" / "00000.png")).copy()
    index[0] = 255
    Image.fromarray(index).save(folder / "maps" / "edge.png")
    flags = (
        "--source=folder", f"--path={folder / 'maps'}", f"--labels={table}", "--size=16", "--workers=2",
        "--merge=l_eye,r_eye=eyes;mouth=background", f"--out={folder / 'out'}",
    )  # fmt: skip
    done = run(*flags)
    assert done.returncode == 2 and "index 255 has no name" in done.stderr and "with data.ignore=255" in done.stderr
    done = run(*flags, "--ignore=255")
    assert done.returncode == 0, done.stderr
    space = open_prepared(folder / "out").space
    assert "eyes" in space.classes and not {"l_eye", "r_eye", "mouth"} & set(space.classes)
    assert space.drawing_order != space.classes and space.drawing_order[0] in ("skin", "hair")


def test_an_old_name_of_a_data_set_is_one_line_with_the_new_one():
    done = run("--source=celebamask_release", "--path=maps", "--out=out")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "(did you mean 'celebamask_hq' with layout=celebamask_release?)" in done.stderr
