"""What `train` says about files that are no configuration, and about values that are none of a key."""

import pathlib
import sys

import pytest

from segvae_jax.cli.main import main

TINY_FILE = pathlib.Path(__file__).parents[1] / "training" / "tiny_config.py"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.model.nfg=4", 'unknown configuration key "nfg"'),
        ("--config.colour=red", 'unknown configuration key "colour"'),
        ("--config.batch_size=many", "flag --config.batch_size=many: expected a whole number"),
        ("--config.batch_size=2.5", "flag --config.batch_size=2.5: expected a whole number"),
        ("--config.seed=nan", "flag --config.seed=nan: expected a whole number"),
        ("--config.optimizer.learning_rate=fast", "flag --config.optimizer.learning_rate=fast: expected a number"),
        ("--config.pack=maybe", "flag --config.pack=maybe: expected True or False"),
        ("--config.model=5", "flag --config.model=5: expected a value for one of the keys in it"),
        ("--config.model.image_size=(32,", "flag --config.model.image_size=(32,: expected values in parentheses"),
    ],
)
def test_unknown_keys_and_wrong_types_are_named(capsys, override, message):
    assert main(["train", f"--config={TINY_FILE}", "--workdir=x", override]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


EXPERIMENTS = {
    "def get_config(:": "SyntaxError: ",
    "\0": "SyntaxError: source code string cannot contain null bytes: correct the file",
    "x = 1": "has no function get_config: write it as in configs/cartoon.py",
    "get_config = 3": "has no function get_config",
    "import absent_module": "ModuleNotFoundError in line 1: No module named 'absent_module': correct the file",
    "import sys\nsys.exit()": "SystemExit in line 2: ",
    "def get_config():\n  raise OSError('a\\nb')": "OSError in line 2: a b: correct the file",
    "def get_config():\n  return {}['k']": "KeyError in line 2: 'k': correct the file",
    "def get_config():\n  return get_config()": "RecursionError in line 2: maximum recursion depth exceeded",
    "def get_config():\n  return {'a': 1}": "get_config returns dict: expected a ConfigDict, as in configs/cartoon.py",
    "def get_config():\n  pass": "get_config returns NoneType: expected a ConfigDict",
    "def get_config(variant):\n  pass": "TypeError: get_config() missing 1 required positional argument",
}


@pytest.mark.parametrize("code", EXPERIMENTS)
def test_a_file_that_is_no_configuration_is_one_line(tmp_path, monkeypatch, capsys, code):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "odd.py").write_text(code)
    assert main(["train", f"--config={tmp_path / 'odd.py'}", "--workdir=x", "--config.seed=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --config={tmp_path / 'odd.py'}: {EXPERIMENTS[code]}") and error.count("\n") == 1


def test_a_file_that_is_missing_is_one_line(tmp_path, capsys):
    for name in ("absent.py", ".", ""):
        assert main(["train", f"--config={name}", "--workdir=x"]) == 2
        assert capsys.readouterr().err.startswith(f"error: --config={name}: no such file: expected an experiment")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--config.seed=-1", "seed"),
        ("--config.batch_size=0", "batch_size"),
        ("--config.model.name=none", "model.name"),
        ("--config.data.source=none", "data.source"),
        ("--config.data.num_maps=0", "data.num_maps"),
        ("--config.data.num_maps=3", "the validation split"),
        ("--config.model.image_size=(15, 16)", "image_size"),
    ],
)
def test_a_run_that_fails_before_its_first_step_leaves_no_folder(tmp_path, capsys, override, message):
    words = ["train", f"--config={TINY_FILE}", f"--workdir={tmp_path / 'runs' / 'new'}", override]
    assert main([*words, f"--config.data.prepared={tmp_path / 'data'}"]) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert message in error and error.startswith("error: ")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_was_there_before_stays(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    assert main(["train", f"--config={TINY_FILE}", f"--workdir={tmp_path / 'run'}", "--config.batch_size=0"]) == 2
    assert list((tmp_path / "run").iterdir()) == []
