"""Imports a checkpoint of the authors' release.

    python -m segvae_jax.interop.torch_checkpoint IN.pth OUT_DIR

PyTorch is not needed, and nothing in the file is executed.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import CheckpointError
from segvae_jax.files import locked
from segvae_jax.interop.torch_pickle import read_state_dicts, require_finite
from segvae_jax.labels import CELEBAMASK_RELEASE, HUMAN_PARSING
from segvae_jax.model.layers import level_widths
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE
from segvae_jax.paths import FOR_SAVING, require_literal

NETWORKS = {"shapeE": "context_encoder", "prior": "prior", "posterior": "posterior", "shapeD": "decoder"}
_SPACES = {space.num_channels: space for space in (HUMAN_PARSING, CELEBAMASK_RELEASE)}
_DENSE, _CONV, _UP, _UNFLATTEN = "dense", "conv", "up", "unflatten"


def release_layers(levels: int) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yields all layers except the LSTMs as (network, name in the release, path in this project, kind)."""
    encoders = {"shapeE": (), "posterior": ("shape_encoder",)}
    for network, path in encoders.items():
        yield network, "embed.0", (*path, "embed_target", "hidden"), _DENSE
        yield network, "embed.2", (*path, "embed_target", "out"), _DENSE
        for level in range(levels):
            inner = ("levels",) if level else ()
            yield network, f"layer{level + 1}.net.0", (*path, *inner, f"down_{level}"), _CONV
        last = "layer_out" if network == "shapeE" else "final_conv"
        yield network, last, (*path, "levels", "flatten"), _CONV
    yield "shapeE", "embed_label_set.0", ("embed_label_set", "hidden"), _DENSE
    yield "shapeE", "embed_label_set.2", ("embed_label_set", "out"), _DENSE
    yield "shapeD", "layer_in", ("unflatten",), _UNFLATTEN
    for level in range(levels):
        name = f"layer{level + 1}" + (".net.0" if level < levels - 1 else ".0")
        yield "shapeD", name, (f"up_{level}",), _UP
    yield "prior", "embed", ("embed",), _DENSE
    for network in ("prior", "posterior"):
        yield network, "fc_mu", ("heads", "mu"), _DENSE
        yield network, "fc_var", ("heads", "logvar"), _DENSE


def _kernel(weight: np.ndarray, kind: str) -> np.ndarray:
    """Converts a kernel to this project's layout `[k, k, in, out]`.

    PyTorch's layout is `[out, in, k, k]`, and `[in, out, k, k]` for transposed convolutions. A tensor with
    another number of dimensions is only transposed; its shape fits no layer, so it is refused later.
    """
    if kind == _DENSE or weight.ndim != 4:
        return weight.T
    if kind == _CONV:
        return weight.transpose(2, 3, 1, 0)
    kernel = weight.transpose(2, 3, 0, 1)
    return kernel[::-1, ::-1] if kind == _UP else kernel


def _put(tree: dict[str, Any], path: tuple[str, ...], value: np.ndarray) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = np.ascontiguousarray(value, np.float32)


def to_params(state: Mapping[str, Mapping[str, np.ndarray]], levels: int) -> dict[str, Any]:
    """Converts weights of the release, or their gradients, to this project's `params`. Skips missing layers."""
    params: dict[str, Any] = {}
    for network, name, path, kind in release_layers(levels):
        path = (NETWORKS[network], *path)
        if (weight := state[network].get(f"{name}.weight")) is not None:
            _put(params, (*path, "kernel"), _kernel(weight, kind))
        if (bias := state[network].get(f"{name}.bias")) is not None:
            _put(params, (*path, "bias"), bias)
    names = {"weight_ih": "kernel_input", "weight_hh": "kernel_recurrent",
             "bias_ih": "bias_input", "bias_hh": "bias_recurrent"}  # fmt: skip
    for network in ("prior", "posterior"):
        for theirs, ours in names.items():
            if (value := state[network].get(f"lstm.0.{theirs}")) is not None:
                _put(params, (NETWORKS[network], "lstm", ours), value.T)
    return params


def to_spectral(state: Mapping[str, Mapping[str, np.ndarray]], levels: int) -> dict[str, Any]:
    """Converts the left singular vectors of the release to this project's `spectral` collection."""
    spectral: dict[str, Any] = {}
    for network, name, path, _ in release_layers(levels):
        if (u := state[network].get(f"{name}.u0")) is not None:
            _put(spectral, (NETWORKS[network], *path, "u"), u.reshape(-1))
    return spectral


def model_arguments(state: Mapping[str, Mapping[str, np.ndarray]], name: str) -> dict[str, Any]:
    """The hyperparameters of a model, derived from the shapes of its weights.

    Args:
      state: the four state dicts.
      name: the name of the file, for error messages.

    Raises:
      CheckpointError: if an entry is missing or has the wrong number of dimensions, or if no model has
        images of this size.
    """
    context_encoder, prior = state["shapeE"], state["prior"]
    try:
        hidden_dim, num_channels = context_encoder["embed.0.weight"].shape
        pixels, _ = context_encoder["embed.2.weight"].shape
        ngf, _, _, _ = context_encoder["layer1.net.0.weight"].shape
        context_dim, _, _, _ = context_encoder["layer_out.weight"].shape
        latent_dim, _ = prior["fc_mu.weight"].shape
    except KeyError as missing:
        raise _foreign(name, f"it has no entry {missing}") from None
    except ValueError:
        raise _foreign(name, "a weight has too few or too many dimensions") from None
    side = math.isqrt(pixels)
    if side**2 != pixels:
        raise CheckpointError(f"{name}: the label embeddings have {pixels} pixels: expected a square image")
    try:
        level_widths((side, side), ngf)
    except ValueError as error:
        raise CheckpointError(f"{name}: {error}") from None
    return {
        "num_channels": num_channels, "image_size": (side, side), "ngf": ngf, "context_dim": context_dim,
        "hidden_dim": hidden_dim, "latent_dim": latent_dim, "spectral_norm": "layer_out.u0" in context_encoder,
    }  # fmt: skip


def read_release(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads a checkpoint of the release.

    Returns:
      the arguments of `SegVAE` except `order`, and the variables of the model.

    Raises:
      CheckpointError: if the file is not such a checkpoint, is incomplete, has weights that are not finite, or refers
        to anything executable.
    """
    tree = read_state_dicts(path)
    for network in NETWORKS:
        tensors = tree.get(network)
        if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
            raise _foreign(str(path), f"it has no state dict {network!r} of tensors")
        require_finite(path, {f"{network}.{name}": tensor for name, tensor in tensors.items()})
    state = {network: tree[network] for network in NETWORKS}
    arguments = model_arguments(state, str(path))
    levels = len(level_widths(arguments["image_size"], arguments["ngf"]))
    variables = {"params": to_params(state, levels), "spectral": to_spectral(state, levels)}
    variables = {name: tree for name, tree in variables.items() if tree}
    model = SegVAE(order=tuple(range(1, arguments["num_channels"])), **arguments)
    _check_complete(str(path), variables, jax.eval_shape(lambda: init_variables(model, 0)))
    return arguments, variables


def import_checkpoint(path: str | Path, directory: str | Path) -> None:
    """Converts a checkpoint of the release to a checkpoint of this project.

    Args:
      path: the file of the release.
      directory: the folder to write.

    Raises:
      CheckpointError: if the file is not such a checkpoint, refers to anything executable, or has another
        number of classes than the known data sets.
      OutputError: if the folder cannot be written to, another process is writing to it, or Orbax would not take its
        path literally.
    """
    require_literal(directory, FOR_SAVING)
    arguments, variables = read_release(path)
    space = _SPACES.get(num_channels := arguments.pop("num_channels"))
    if space is None:
        raise CheckpointError(
            f"{path}: the model has {num_channels} channels: expected {' or '.join(map(str, _SPACES))}"
        )
    no_label_sets = np.zeros((0, num_channels), bool), np.zeros(0, int)
    with locked(Path(directory)):
        save_variables(Path(directory), ModelCard(space, arguments, *no_label_sets), variables)


def _foreign(name: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{name}: {reason}: expected a checkpoint of the SegVAE release with the state dicts {', '.join(NETWORKS)}"
    )


def _check_complete(name: str, variables: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    shapes = lambda tree: {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    ours, theirs = shapes(dict(expected)), shapes(variables)
    if odd := sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)):
        found, wanted = theirs.get(odd[0], "missing"), ours.get(odd[0], "no such tensor")
        raise CheckpointError(f"{name}: {odd[0]} is {found}: expected {wanted}")


def main(argv: list[str]) -> None:
    """Imports the checkpoint that the command line names."""
    if len(argv) != 3:
        raise CheckpointError("expected two arguments: IN.pth OUT_DIR")
    import_checkpoint(argv[1], argv[2])
    print(f"wrote {argv[2]}. Generate maps with: python generate.py --checkpoint={argv[2]} --labels=... --out=maps.png")


if __name__ == "__main__":
    run_user_script(main)
