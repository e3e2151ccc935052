"""The scripts of the repository are the commands: the same flags, errors on stderr, exit status."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
MISTAKES = {
    "train": (["--workdir=x"], "missing --config: give a value, see --help"),
    "generate": (["--num=4"], "nowhere to write to: give --out=FILE.png, --save_maps=FOLDER, --pictures=FILE.png"),
    "edit": (["--map=absent.png", "--out=x", "y"], "unexpected argument 'y': expected flags only, see --help"),
    "eval": (["--fid"], "nothing to score: give --checkpoint=DIR, or --maps=DIR with --data=DIR"),
    "prepare": (["--source=cartoon"], "missing --out: give a value, see --help"),
    "export": (["--checkpoint=cartoon", "--otu=x"], "Unknown command line flag 'otu'. Did you mean: out ?"),
    "demo": (["--port=0"], "flag --port=0: expected a whole number from 1 to 65535"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_script_ends_with_one_line_and_status_2(name, tmp_path):
    words, message = MISTAKES[name]
    command = [sys.executable, ROOT / f"{name}.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (2, f"error: {message}\n", "")


def test_the_module_of_the_command_is_what_an_installed_package_runs(tmp_path):
    command = [sys.executable, "-m", "segvae_jax.cli.main", "edit", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "--restyle: " in done.stdout


def test_every_command_of_the_repository_has_a_script():
    for name in MISTAKES:
        assert f'run_script("{name}")' in (ROOT / f"{name}.py").read_text()
