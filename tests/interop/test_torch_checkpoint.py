"""Import of the release's checkpoints: the arrays are exactly the same, or a one-line error is raised."""

import jax
import numpy as np
import pytest
from torch_writer import Command, release_tensors, saved, state_dicts

from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.errors import CheckpointError
from segvae_jax.interop import torch_checkpoint
from segvae_jax.interop.torch_checkpoint import import_checkpoint, model_arguments, release_layers, to_params
from segvae_jax.labels import CELEBAMASK_RELEASE, HUMAN_PARSING
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE

ARGUMENTS = {"image_size": (16, 16), "ngf": 2, "context_dim": 5, "hidden_dim": 3, "latent_dim": 4}
LEVELS = 2


def random_variables(num_channels: int, spectral_norm: bool):
    """Arrays with the shapes of the model's variables, whose entries are all different."""
    model = SegVAE(num_channels, tuple(range(1, num_channels)), spectral_norm=spectral_norm, **ARGUMENTS)
    rng = np.random.default_rng(num_channels)
    shapes = jax.eval_shape(lambda: init_variables(model, 0))
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), dict(shapes))


def release_state(num_channels: int = 19, spectral_norm: bool = True):
    variables = random_variables(num_channels, spectral_norm)
    return release_tensors(variables["params"], LEVELS, variables.get("spectral"))


def refusal(content: bytes, folder) -> str:
    """The one-line error message of a refused import. It must not leave any files."""
    path = folder / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(path, folder / "imported")
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert not (folder / "imported").exists()
    return message


@pytest.mark.parametrize(
    ("space", "spectral_norm", "layout"), [(CELEBAMASK_RELEASE, True, "zip"), (HUMAN_PARSING, False, "legacy")]
)
def test_an_imported_checkpoint_holds_the_same_arrays(space, spectral_norm, layout, tmp_path):
    variables = random_variables(space.num_channels, spectral_norm)
    state = release_tensors(variables["params"], LEVELS, variables.get("spectral"))
    (tmp_path / "weights.pth").write_bytes(saved(state_dicts(state), layout))
    import_checkpoint(tmp_path / "weights.pth", tmp_path / "imported")
    card, restored, step = load_variables(tmp_path / "imported")
    assert step == 0
    assert card.space == space
    assert card.arguments == {**ARGUMENTS, "spectral_norm": spectral_norm}
    assert card.label_sets.size == card.counts.size == 0
    assert card.model().order == space.order
    expected = {"params": variables["params"], "spectral": variables.get("spectral", {})}
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, restored, expected)


def test_hyperparameters_are_read_off_the_shapes():
    assert model_arguments(release_state(7), "x.pth") == {"num_channels": 7, **ARGUMENTS, "spectral_norm": True}


def test_every_layer_is_named_once_on_both_sides():
    names = [(network, name) for network, name, *_ in release_layers(5)]
    paths = [(network, path) for network, _, path, _ in release_layers(5)]
    assert len(set(names)) == len(set(paths)) == len(names) == 10 + 8 + 6 + 3 + 2


def test_convolution_kernels_change_axes_and_transposed_ones_are_flipped():
    rng = np.random.default_rng(0)
    tensor = lambda *shape: rng.normal(size=shape).astype(np.float32)
    conv, up, unflatten = tensor(5, 4, 3, 3), tensor(4, 5, 3, 3), tensor(6, 4, 4, 4)
    state = {
        "shapeE": {"layer2.net.0.weight": conv},
        "shapeD": {"layer1.net.0.weight": up, "layer_in.weight": unflatten},
        "prior": {"embed.weight": tensor(3, 5)},
        "posterior": {"lstm.0.weight_hh": tensor(12, 3)},
    }
    params = to_params(state, LEVELS)
    kernel = params["context_encoder"]["levels"]["down_1"]["kernel"]
    assert kernel.shape == (3, 3, 4, 5)
    assert kernel[0, 2, 3, 1] == conv[1, 3, 0, 2]
    kernel = params["decoder"]["up_0"]["kernel"]
    assert kernel.shape == (3, 3, 4, 5)
    assert kernel[0, 2, 3, 1] == up[3, 1, 2, 0]
    kernel = params["decoder"]["unflatten"]["kernel"]
    assert kernel.shape == (4, 4, 6, 4)
    assert kernel[0, 3, 5, 1] == unflatten[5, 1, 0, 3]
    assert params["prior"]["embed"]["kernel"][4, 2] == state["prior"]["embed.weight"][2, 4]
    assert params["posterior"]["lstm"]["kernel_recurrent"][1, 7] == state["posterior"]["lstm.0.weight_hh"][7, 1]


@pytest.mark.parametrize("num_channels", [3, 17, 20])
def test_another_number_of_channels_is_refused(num_channels, tmp_path):
    message = refusal(saved(state_dicts(release_state(num_channels)), "zip"), tmp_path)
    assert f"{num_channels} channels: expected 18 or 19" in message


@pytest.mark.parametrize("network", ["shapeE", "shapeD", "prior", "posterior"])
def test_a_missing_network_is_refused(network, tmp_path):
    state = release_state()
    del state[network]
    assert f"'{network}'" in refusal(saved(state_dicts(state), "zip"), tmp_path)


@pytest.mark.parametrize(
    ("network", "name", "named"),
    [
        ("shapeE", "layer_out.weight", "layer_out.weight"),
        ("shapeE", "layer2.net.0.bias", "params/context_encoder/levels/down_1/bias"),
        ("shapeE", "layer1.net.0.u0", "spectral/context_encoder/down_0/u"),
        ("shapeD", "layer2.0.weight", "params/decoder/up_1/kernel"),
        ("prior", "lstm.0.bias_hh", "params/prior/lstm/bias_recurrent"),
        ("posterior", "fc_var.weight", "params/posterior/heads/logvar/kernel"),
    ],
)
def test_a_missing_tensor_is_named(network, name, named, tmp_path):
    state = release_state()
    del state[network][name]
    message = refusal(saved(state_dicts(state), "zip"), tmp_path)
    assert named in message
    assert "expected" in message


@pytest.mark.parametrize(
    ("network", "name", "shape", "named"),
    [
        ("shapeE", "layer1.net.0.weight", (2, 20, 3, 3), "params/context_encoder/down_0/kernel is (3, 3, 20, 2)"),
        ("shapeD", "layer_in.weight", (4, 9, 4, 4), "params/decoder/unflatten/kernel is (4, 4, 4, 9)"),
        ("prior", "fc_mu.weight", (7, 3), ": expected (4, 4, 12, 4)"),
        ("posterior", "lstm.0.weight_ih", (12, 8, 1), "params/posterior/lstm/kernel_input is (1, 8, 12)"),
        ("shapeE", "layer2.net.0.weight", (4, 2, 9), "levels/down_1/kernel is (9, 2, 4)"),
        ("shapeE", "embed.0.weight", (57,), "too few or too many dimensions"),
        ("shapeE", "layer_out.u0", (), "levels/flatten/u is (1,)"),
    ],
)
def test_a_tensor_of_another_shape_is_refused(network, name, shape, named, tmp_path):
    state = release_state()
    state[network][name] = np.zeros(shape, np.float32)
    assert named in refusal(saved(state_dicts(state), "zip"), tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["prior.fc_mu.weight", "shapeE.layer_out.u0", "posterior.lstm.0.bias_hh"])
def test_weights_that_are_not_finite_are_refused(value, name, tmp_path):
    state, (network, _, entry) = release_state(), name.partition(".")
    state[network][entry] = state[network][entry].copy()
    state[network][entry].flat[0] = value
    assert f"{name} holds values that are not finite" in refusal(saved(state_dicts(state), "zip"), tmp_path)


@pytest.mark.parametrize("pixels", [15 * 16, 36])
def test_an_image_that_the_model_cannot_have_is_refused(pixels, tmp_path):
    state = release_state()
    state["shapeE"]["embed.2.weight"] = np.zeros((pixels, 3), np.float32)
    message = refusal(saved(state_dicts(state), "zip"), tmp_path)
    assert "square" in message if pixels == 15 * 16 else "6 x 6" in message


@pytest.mark.parametrize("content", [7, {"layer_out.weight": 3}, [1, 2]])
def test_a_network_that_holds_no_tensors_is_refused(content, tmp_path):
    message = refusal(saved({**state_dicts(release_state()), "shapeE": content}, "zip"), tmp_path)
    assert "it has no state dict 'shapeE' of tensors" in message


def test_a_command_in_the_file_is_refused_and_not_run(tmp_path):
    trap = tmp_path / "trap"
    tree = {**state_dicts(release_state()), "epoch": Command(f"touch {trap}")}
    assert "nothing was executed" in refusal(saved(tree, "zip"), tmp_path)
    assert not trap.exists()


def test_the_script_imports_and_says_how_to_go_on(tmp_path, capsys):
    path, out = tmp_path / "weights.pth", tmp_path / "imported"
    path.write_bytes(saved(state_dicts(release_state()), "zip"))
    torch_checkpoint.main(["", str(path), str(out)])
    assert f"--checkpoint={out}" in capsys.readouterr().out
    assert load_variables(out)[0].space == CELEBAMASK_RELEASE


@pytest.mark.parametrize("argv", [[""], ["", "a.pth"], ["", "a.pth", "b", "c"]])
def test_the_script_wants_two_arguments(argv):
    with pytest.raises(CheckpointError, match=r"IN\.pth OUT_DIR"):
        torch_checkpoint.main(argv)
