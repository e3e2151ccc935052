"""A path is read as it was written, or refused before anything is written."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable
from segvae_jax.checkpoint.saving import Checkpoints, save_variables
from segvae_jax.data.prepare.builder import build, open_prepared
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import OutputError
from segvae_jax.files import write_atomically
from segvae_jax.interop.torch_checkpoint import import_checkpoint
from segvae_jax.labels import LabelSpace
from segvae_jax.paths import FOR_DATA_SETS, FOR_SAVING, require_literal
from segvae_jax.training.loop import train

# Once a read has failed, Orbax leaves other reads behind that nobody awaits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

ARGUMENTS = dict(image_size=(16, 8), ngf=2, context_dim=4, hidden_dim=3, latent_dim=2, spectral_norm=False, gain=0.02)
CARD = ModelCard(LabelSpace(("nose", "skin")), ARGUMENTS, np.zeros((0, 3), bool), np.zeros(0, int))
VARIABLES = {"params": {"layer": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}}
PATTERNS = ["lr[0.001,0.1]", "a [final]", "p[1]", "a[!b]", "[[]", "a[", "x]y[z", "a\\b", "\\", "a*", "?", "**"]
STORES = ["gs:", "s3:", "run:", "a\udcff"]
LITERAL = ["a b", " a", "-a", "~a", "$HOME", "{a,b}", "%20", "a#b", "a&b;c", "'a\"", "(a)", "a|b", "<a>", "a@2", "a:b"]
LITERAL += ["a]", "é中😀", "a\tb", "!a", "a=b+c^d", "a\nb", "5.orbax-checkpoint-tmp"]


@pytest.mark.parametrize("name", [*PATTERNS, *STORES])
@pytest.mark.parametrize("below", ["", "run/deeper"])
def test_a_checkpoint_that_could_not_be_read_is_refused_before_anything_is_written(tmp_path, name, below):
    directory = tmp_path / name / below
    calls = (
        lambda: train(ConfigDict(), directory),
        lambda: save_variables(directory, CARD, VARIABLES),
        lambda: import_checkpoint(tmp_path / "missing.pth", directory),
        lambda: Checkpoints(directory),
    )
    for call in calls:
        with pytest.raises(OutputError) as error:
            call()
        assert str(error.value).startswith(f"{directory}: the libraries that store arrays do not take ")
        assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_every_other_character_is_read_as_it_was_written(tmp_path):
    for name in LITERAL:
        save_variables(tmp_path / name / "run", CARD, VARIABLES)
        loaded = load_variables(tmp_path / name / "run")[1]["params"]
        np.testing.assert_array_equal(loaded["layer"]["kernel"], VARIABLES["params"]["layer"]["kernel"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(LITERAL)


def test_a_checkpoint_that_was_moved_is_read_or_refused_with_the_reason(tmp_path):
    save_variables(tmp_path / "plain", CARD, VARIABLES)
    for name in (*PATTERNS, *STORES[:-1]):
        moved = shutil.copytree(tmp_path / "plain", tmp_path / name / "run")
        if any(special in name for special in ("\\", "**", ":")):
            with pytest.raises(OutputError, match=r"do not take .* in a path literally: give a folder without it"):
                load_variables(moved)
        else:
            loaded = load_variables(moved)[1]["params"]
            np.testing.assert_array_equal(loaded["layer"]["kernel"], VARIABLES["params"]["layer"]["kernel"])


def test_a_link_stands_for_what_it_leads_to(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "a[1]").symlink_to(tmp_path / "plain")
    save_variables(tmp_path / "a[1]", CARD, VARIABLES)
    assert load_variables(tmp_path / "a[1]")[2] == 0
    (tmp_path / "b[1]").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "b[1]")
    with pytest.raises(OutputError):
        save_variables(tmp_path / "link", CARD, VARIABLES)


def test_prepared_sets_and_exports_have_any_name(tmp_path):
    source = cartoon("faces", 20, 0)
    for name in ("a [b]{c}*?\\d x[0:2]", "%20~$#;&|<>é\n**"):
        build(source, Recipe((8, 8)), tmp_path / name / "set")
        assert len(open_prepared(tmp_path / name / "set").packed("train")) > 5
        save_portable(tmp_path / name / "export", CARD, VARIABLES)
        loaded = load_variables(tmp_path / name / "export")[1]["params"]
        np.testing.assert_array_equal(loaded["layer"]["kernel"], VARIABLES["params"]["layer"]["kernel"])


@pytest.mark.parametrize("path", ["gs:/bucket/set", "gs://bucket/set", "/s3/bucket", "/gs", "/hf/a", "/az/b/c"])
def test_addresses_of_object_stores_are_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    calls = (
        lambda: build(cartoon("faces", 20, 0), Recipe((8, 8)), path),
        lambda: open_prepared(path),
        lambda: require_literal(path, FOR_SAVING),
    )
    for call in calls:
        with pytest.raises(OutputError, match=r"do not take .* in a path literally"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["/data/s3/set", "/s3x/set", "/x/gs", "/mnt/hf:1/a"])
def test_names_that_only_look_like_stores_are_fine(path):
    require_literal(path, FOR_DATA_SETS)
    require_literal(path, FOR_SAVING)


def test_what_a_killed_process_left_is_found_whatever_the_name(tmp_path):
    for name in ("a[b].json", "*.json"):
        (tmp_path / f".{name}.elsewhere-12.partial").write_text("")
        (tmp_path / ".other.json.elsewhere-12.partial").write_text("")
        write_atomically(tmp_path / name, lambda partial: partial.write_text("mine"))
        assert not (tmp_path / f".{name}.elsewhere-12.partial").exists()
        assert (tmp_path / ".other.json.elsewhere-12.partial").exists()


def test_the_home_folder_and_relative_paths_count_as_what_they_are(tmp_path, monkeypatch):
    (tmp_path / "a[1]").mkdir()
    monkeypatch.chdir(tmp_path / "a[1]")
    monkeypatch.setenv("HOME", str(tmp_path / "b[1]"))
    for path in (".", Path("runs"), "~/runs"):
        with pytest.raises(OutputError, match=r"do not take \[ in a path literally"):
            require_literal(path, FOR_SAVING)
