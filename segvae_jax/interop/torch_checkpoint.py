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

from segvae_jax.errors import CheckpointError
from segvae_jax.interop.torch_pickle import read_state_dicts
from segvae_jax.labels import CELEBAMASK_RELEASE, HUMAN_PARSING
from segvae_jax.model.layers import level_widths
from segvae_jax.scripts import run_user_script
from segvae_jax.training.checkpoints import ModelCard, save_variables
from segvae_jax.training.state import init_variables

NETWORKS = {"shapeE": "context_encoder", "prior": "prior", "posterior": "posterior", "shapeD": "decoder"}
_SPACES = {space.num_channels: space for space in (HUMAN_PARSING, CELEBAMASK_RELEASE)}
_DENSE, _CONV, _UP, _UNFLATTEN = "dense", "conv", "up", "unflatten"


def release_layers(levels: int) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Every layer but the LSTMs: (network, name in the release, path in this project, kind)."""
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
    """PyTorch's `[out, in, k, k]` (transposed convolutions `[in, out, k, k]`) as `[k, k, in, out]`."""
    if kind == _DENSE:
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
    """The release's weights, or gradients for them, as this project's `params`. Missing layers stay out."""
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
    """The release's left singular vectors as this project's `spectral` collection."""
    spectral: dict[str, Any] = {}
    for network, name, path, _ in release_layers(levels):
        if (u := state[network].get(f"{name}.u0")) is not None:
            _put(spectral, (NETWORKS[network], *path, "u"), u[0])
    return spectral


def model_arguments(state: Mapping[str, Mapping[str, np.ndarray]], name: str) -> dict[str, Any]:
    """Hyperparameters of the model that `state` holds, read off the shapes of its weights.

    Args:
      state: the four state dicts.
      name: of the file, for errors.

    Raises:
      CheckpointError: if an entry is missing or the image is not square.
    """
    try:
        context_encoder, prior = state["shapeE"], state["prior"]
        hidden_dim, num_channels = context_encoder["embed.0.weight"].shape
        pixels = context_encoder["embed.2.weight"].shape[0]
        ngf = context_encoder["layer1.net.0.weight"].shape[0]
        context_dim = context_encoder["layer_out.weight"].shape[0]
        latent_dim = prior["fc_mu.weight"].shape[0]
        spectral_norm = "layer_out.u0" in context_encoder
    except KeyError as missing:
        raise CheckpointError(
            f"{name}: no entry {missing} in it: expected a checkpoint of the SegVAE release with the state dicts"
            f" {', '.join(NETWORKS)}"
        ) from None
    side = math.isqrt(pixels)
    if side**2 != pixels:
        raise CheckpointError(f"{name}: label embeddings of {pixels} pixels: expected a square image")
    return {
        "num_channels": num_channels, "image_size": (side, side), "ngf": ngf, "context_dim": context_dim,
        "hidden_dim": hidden_dim, "latent_dim": latent_dim, "spectral_norm": spectral_norm,
    }  # fmt: skip


def import_checkpoint(path: str | Path, directory: str | Path) -> None:
    """Writes a checkpoint of the release as one of this project.

    Raises:
      CheckpointError: if the file is no such checkpoint, names anything executable, or fits no known classes.
    """
    state = read_state_dicts(path)
    arguments = model_arguments(state, str(path))
    space = _SPACES.get(num_channels := arguments.pop("num_channels"))
    if space is None:
        raise CheckpointError(f"{path}: {num_channels} channels: expected {' or '.join(map(str, _SPACES))}")
    levels = len(level_widths(arguments["image_size"], arguments["ngf"]))
    none = np.zeros((0, num_channels), bool), np.zeros(0, int)
    card = ModelCard(space, arguments, *none)
    expected = jax.eval_shape(lambda: init_variables(card.model(), 0))
    variables = {"params": to_params(state, levels), "spectral": to_spectral(state, levels)}
    variables = {name: tree for name, tree in variables.items() if tree}
    _check_complete(str(path), variables, expected)
    save_variables(Path(directory), card, variables)


def _check_complete(name: str, variables: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    shapes = lambda tree: {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    ours, theirs = shapes(dict(expected)), shapes(variables)
    if odd := sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)):
        raise CheckpointError(f"{name}: {odd[0]} is {theirs.get(odd[0])}: expected {ours.get(odd[0])}")


def main(argv: list[str]) -> None:
    """Imports."""
    if len(argv) != 3:
        raise CheckpointError("expected two arguments: IN.pth OUT_DIR")
    import_checkpoint(argv[1], argv[2])
    print(f"wrote {argv[2]}: python generate.py --checkpoint={argv[2]} --labels=... --out=maps.png")


if __name__ == "__main__":
    run_user_script(main)
