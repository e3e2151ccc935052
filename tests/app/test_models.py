"""The models that the page offers."""

import pytest
from toy import save_toy

from segvae_jax.app import models
from segvae_jax.app.models import loaded, with_known
from segvae_jax.errors import CheckpointError


@pytest.fixture
def own(tmp_path):
    save_toy(tmp_path / "own")
    return tmp_path / "own"


def test_own_models_come_first_and_those_with_names_follow(own, monkeypatch):
    monkeypatch.setattr(models, "checkpoint_names", lambda: (str(own), "cartoon"))
    offered = with_known([loaded(str(own))])
    assert [(model.name, model.path) for model in offered] == [(str(own), ""), ("cartoon", "model-cartoon")]
    assert offered[0].scope == "model-first" and offered[1].scope == "model-cartoon"
    assert offered[0].translator is not None


def test_paths_are_plain_and_differ(own):
    first = loaded(str(own))
    second = loaded(str(own), [first])
    third = loaded(str(own), [first, second])
    assert set(second.path + third.path) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert second.path.startswith("model-") and third.path not in ("", second.path)


def test_a_model_that_cannot_be_loaded_is_left_out_in_one_line(own, monkeypatch, capsys):
    monkeypatch.setattr(models, "checkpoint_names", lambda: (str(own / "nowhere"),))
    assert len(with_known([loaded(str(own))])) == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(CheckpointError):
        loaded(str(own / "nowhere"))
