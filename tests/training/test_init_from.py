"""A run that begins with the weights of another checkpoint."""

import jax
import numpy as np
import pytest
from tiny_config import get_config

from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.saving import Checkpoints
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.errors import CheckpointError, ConfigError
from segvae_jax.sharding import device_mesh
from segvae_jax.training import loop, setup
from segvae_jax.training.config import check
from segvae_jax.training.map_run import MapRun

SMALL = {"model.name": "hierarchical", "model.image_size": (8, 8), "data.num_maps": 60}


def config_of(prepared, **changes):
    config = get_config()
    config.update_from_flattened_dict({**SMALL, "data.prepared": str(prepared), **changes})
    return config


def begun(config, workdir):
    """The state before the first step, on 8 devices, and how to save it."""
    data, mesh = setup.prepare_data(config), device_mesh()
    feed = Feed(data, config.batch_size, config.seed, mesh, 2.0**30, False)
    run, checkpoints = MapRun(config, data, mesh, feed, workdir), Checkpoints(workdir)
    state = run.initial_state(checkpoints)

    def save():
        workdir.mkdir(exist_ok=True)
        loop._describe(run, state)
        checkpoints.save(state, feed.iterator, 0.0)
        checkpoints.close()

    return state, save


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint, and the folder of the prepared data."""
    root = tmp_path_factory.mktemp("trained")
    begun(config_of(root / "prepared"), root / "run")[1]()
    return root / "run", root / "prepared"


def test_a_run_begins_with_the_weights_of_a_checkpoint(trained, tmp_path, capsys):
    donor, prepared = trained
    state, _ = begun(config_of(prepared, init_from=str(donor), seed=1), tmp_path / "run")
    assert f"start: 100% of the weights are those of {donor}\n" in capsys.readouterr().out
    expected = load_variables(donor)[1]["params"]
    jax.tree.map(np.testing.assert_array_equal, state.params, expected)
    jax.tree.map(np.testing.assert_array_equal, state.ema, expected)
    assert {len(leaf.devices()) for leaf in jax.tree.leaves(state)} == {8}


def test_what_is_not_taken_is_told(trained, tmp_path, capsys):
    changes = {"data.kind": "people", "model.hidden_dim": 7, "model.image_size": (8, 16)}
    begun(config_of(tmp_path / "prepared", init_from=str(trained[0]), **changes), tmp_path / "run")
    told = capsys.readouterr().out
    assert (
        f"those of {trained[0]}; 15 of 17 classes are not in it; settings that differ: hidden_dim, image_size\n" in told
    )


def test_a_run_that_is_resumed_needs_the_checkpoint_no_more(trained):
    donor, prepared = trained
    state, _ = begun(config_of(prepared, init_from="nowhere"), donor)
    assert int(state.step) == 0 and state.ema is not None
    jax.tree.map(np.testing.assert_array_equal, state.ema, load_variables(donor)[1]["params"])


def test_a_checkpoint_of_another_kind_of_model_is_refused(trained, tmp_path, run):
    config = config_of(trained[1], init_from=str(run.workdir))
    with pytest.raises(CheckpointError, match=r"init_from=.*holds a segvae model: expected a hierarchical model"):
        begun(config, tmp_path / "run")


def test_a_model_that_cannot_begin_with_weights_is_refused(trained):
    with pytest.raises(ConfigError, match=r"init_from: expected model\.name=hierarchical, not masked"):
        check(config_of(trained[1], init_from="cartoon", **{"model.name": "masked"}))
