"""The command `segvae`: what it lists and refuses, help without heavy imports, many commands in one process."""

import importlib
import pathlib
import re
import subprocess
import sys

import pytest
from absl import flags

from segvae_jax.cli import generate, script, train
from segvae_jax.cli.main import COMMANDS, main
from segvae_jax.data.shards.formats import FORMATS

ROOT = pathlib.Path(__file__).parents[2]
SLOW = {"jax", "tensorflow_datasets", "sklearn", "PIL", "grain", "flax"}
IMPORTED = """
import sys
from segvae_jax.cli.main import main
status = main(sys.argv[1:])
print("imported", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(status)
"""


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_all_commands_are_listed_with_a_line_each(words, capsys):
    assert main(words) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in listed] == list(COMMANDS)
    assert all(0 < len(summary) < 72 and ":" not in summary for _, summary in listed)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian", "unknown command 'trian': did you mean 'train'?"),
        ("xyz", "unknown command 'xyz': expected one of train, generate, edit,"),
    ],
)
def test_an_unknown_command_is_one_line(name, message, capsys):
    assert main([name, "--num=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_what_a_command_does_and_its_flags(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"segvae {name}" in shown
    assert name in ("import-release", "verify") or "--" in shown.rpartition("\n\n")[2]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--help"], 0),
        *[([name, "--help"], 0) for name in ("train", "generate")],
        (["generate"], 2),
        (["generate", "--nun=3"], 2),
        (["eval"], 2),
    ],
)
def test_help_and_mistakes_need_no_slow_imports(words, status):
    done = subprocess.run([sys.executable, "-c", IMPORTED, *words], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    assert not SLOW & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "--num=0", "--out=x.png"], "flag --num=0: expected a whole number from 1 to 2147483647"),
        (["generate", "--nun=3"], "Unknown command line flag 'nun'. Did you mean: num ?"),
        (["generate", "--format=png", "--out=x", "--save_maps=y"], "--save_maps: --format=png writes to one folder"),
        (["generate", "--out=x.png", "y.png"], "unexpected argument 'y.png': expected flags only, see --help"),
        (["edit", "--map=x.png"], "missing --out: give a value, see --help"),
        (["eval"], "nothing to score: give --checkpoint=DIR, or --maps=DIR with --data=DIR"),
        (["eval", "--checkpoint=cartoon", "--inception_weights=x"], "--inception_weights is for the FID"),
        (
            ["train", "--config=absent.py", "--workdir=x"],
            "--config=absent.py: no such file: expected an experiment, as in configs/cartoon.py",
        ),
        (["verify", "x"], "expected 2 arguments, IN.pth FIXTURE.npz, got 1"),
        (["import-release", "absent.pth", "x"], "absent.pth: cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_the_flags_of_one_call_do_not_reach_the_next(words, message, capsys):
    for _ in range(2):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {message}") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "groups"),
    [
        ("generate", ["Maps", "Files and pictures", "Many maps, over all devices and hosts"]),
        ("edit", ["Model and map", "Edit", "Files and pictures"]),
        ("train", ["Flags", "Several hosts"]),
        ("prepare", ["Flags", "Maps of the data set", "Sizes, and what is left out"]),
        ("export", ["Flags"]),
        ("demo", ["Flags"]),
    ],
)
def test_help_lists_all_flags_by_groups(command, groups, capsys):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^(\S.*):\n  --", text, re.MULTILINE) == groups
    own = flags.FlagValues()
    importlib.import_module(f"segvae_jax.cli.{command}").define_flags(own, [])
    assert sorted(re.findall(r"^  --(?:\[no\])?(\w+): ", text, re.MULTILINE)) == sorted(set(own))


def test_the_formats_are_those_that_there_are():
    assert tuple(FORMATS) == generate._FORMATS


@pytest.mark.parametrize("words", [["generate.py"], ["train.py", "--help"], ["-m", "segvae_jax.cli.main"]])
def test_a_python_without_the_requirements_is_one_line(words):
    """As outside of the environment: -S leaves out the installed packages."""
    run = subprocess.run([sys.executable, "-S", *words], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and not run.stdout
    assert run.stderr == (
        f"error: absl is not installed for {sys.executable}: "
        "enter the environment that `make` made, or run: pip install -e .\n"
    )


def test_a_module_of_the_project_that_is_missing_keeps_its_traceback(monkeypatch):
    monkeypatch.setitem(sys.modules, "segvae_jax.cli.generate", None)
    with pytest.raises(ModuleNotFoundError, match="generate"):
        main(["generate"])


def test_what_is_no_mistake_of_the_user_keeps_its_traceback(monkeypatch):
    def failing(given):
        raise RuntimeError("a bug")

    monkeypatch.setattr(generate, "main", failing)
    with pytest.raises(RuntimeError, match="a bug"):
        script.run_command(generate, [])


def test_experiments_of_the_package_are_found_by_name(capsys, tmp_path):
    (config,) = train.complete(["--config=celeba:tiny"])
    path, _, variant = config.removeprefix("--config=").rpartition(":")
    assert variant == "tiny" and pathlib.Path(path).samefile(ROOT / "configs" / "celeba.py")
    for word in ("--config=configs/celeba.py:tiny", "--config.batch_size=8", "--workdir=celeba"):
        assert train.complete([word]) == [word]
    assert main(["train", "--config=cartoom:tiny", f"--workdir={tmp_path}"]) == 2
    message = "error: --config=cartoom: no such experiment (did you mean 'cartoon'?): expected a file, or one of "
    assert capsys.readouterr().err.startswith(message)
