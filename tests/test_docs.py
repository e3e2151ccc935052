"""The commands in the README and docs/ use flags and configuration keys that exist, and its links lead to files."""

import importlib
import pathlib
import re
import runpy
from collections.abc import Iterator

import pytest
from absl import flags

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(path for part in ("docs", "addons/*", "segvae_jax/shipped") for path in ROOT.glob(f"{part}/*.md")),
]
COMMAND = re.compile(r"(?:python |segvae )(train|generate|eval|export|edit|prepare|demo)(?:\.py\b|\b(?= +-))(.*)")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Name and flags of every command in the fenced blocks, wherever in a line or a YAML string it begins."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines()
    found = [match for line in lines for match in COMMAND.finditer(line)]
    return [(match[1], re.findall(r"(?<!\S)--[^\s\"]+", match[2])) for match in found]


def flags_of(command: str) -> set[str]:
    own = flags.FlagValues()
    importlib.import_module(f"segvae_jax.cli.{command}").define_flags(own, [])
    return set(own)


def unknown(command: str, given: list[str]) -> list[str]:
    """Those flags that the command would refuse."""
    named = dict(flag.removeprefix("--").partition("=")[::2] for flag in given)
    keys = [name for name in named if name.startswith("config.")]
    refused = sorted(set(named) - set(keys) - flags_of(command))
    if keys:
        path, _, variant = named["config"].partition(":")
        config = runpy.run_path(str(ROOT / path))["get_config"](variant)
        known = {f"config.{key}" for key in flattened(config.to_dict())}
        refused += [key for key in keys if key not in known]
    return refused


def flattened(tree: dict, prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        yield from flattened(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_the_commands_of_a_page_use_flags_that_exist(page):
    for command, given in commands(page.read_text()):
        assert not unknown(command, given), f"{command} {given}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_every_file_that_a_page_links_to_exists(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_commands_are_found_in_scripts_and_yaml_and_their_faults_are_seen():
    text = """
```bash
srun python train.py --config=configs/celeba.py:paper --config.batch_size=8 \\
    --config.data.pth=x --distributed
ssh --command="cd x && bin/python generate.py --num=1 --nmu=1"
```
python train.py --outside_of_a_block
```yaml
  - |
    exec python eval.py --fid \\
      --process=$INDEX
```
```bash
segvae prepare --config=x --source=cartoon
```
"""
    found = commands(text)
    assert [command for command, _ in found] == ["train", "generate", "eval", "prepare"]
    assert [unknown(*command) for command in found] == [["config.data.pth"], ["nmu"], ["process"], ["config"]]


def test_the_page_on_several_hosts_has_commands_to_check():
    found = commands((ROOT / "docs/scaling.md").read_text())
    assert {command for command, given in found if "--distributed" in given} == {"train", "generate"}
