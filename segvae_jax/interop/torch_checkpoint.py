"""Imports a checkpoint of the authors' release.

    python -m segvae_jax.interop.torch_checkpoint IN.pth OUT_DIR

PyTorch is not needed, and nothing in the file is executed.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import app

from segvae_jax.errors import CheckpointError, SegVAEError
from segvae_jax.interop.torch_pickle import read_state_dicts
from segvae_jax.labels import CELEBAMASK_RELEASE, HUMAN_PARSING, LabelSpace
from segvae_jax.model.segvae import SegVAE

NETWORKS = {"shapeE": "context_encoder", "prior": "prior", "posterior": "posterior", "shapeD": "decoder"}
_DENSE, _CONV, _UP, _UNFLATTEN = "dense", "conv", "up", "unflatten"


def release_layers(levels: int) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Every layer but the LSTMs: (network, name in the release, path in this project, kind)."""
    for name, ours in (("embed", "embed_target"), ("embed_label_set", "embed_label_set")):
        yield "shapeE", f"{name}.0", (ours, "Dense_0"), _DENSE
        yield "shapeE", f"{name}.2", (ours, "Dense_1"), _DENSE
    for level in range(levels):
        yield "shapeE", f"layer{level + 1}.net.0", (f"Down_{level}",), _CONV
        yield "posterior", f"layer{level + 1}.net.0", ("ShapeEncoder_0", f"Down_{level}"), _CONV
        decoder_name = f"layer{level + 1}" + (".net.0" if level < levels - 1 else ".0")
        yield "shapeD", decoder_name, (f"Up_{level}",), _UP
    yield "shapeE", "layer_out", ("Flatten_0",), _CONV
    yield "shapeD", "layer_in", ("Unflatten_0",), _UNFLATTEN
    yield "posterior", "embed.0", ("ShapeEncoder_0", "embed_target", "Dense_0"), _DENSE
    yield "posterior", "embed.2", ("ShapeEncoder_0", "embed_target", "Dense_1"), _DENSE
    yield "posterior", "final_conv", ("ShapeEncoder_0", "Flatten_0"), _CONV
    yield "prior", "embed", ("embed",), _DENSE
    for network in ("prior", "posterior"):
        yield network, "fc_mu", ("mu",), _DENSE
        yield network, "fc_var", ("logvar",), _DENSE


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
                _put(params, (NETWORKS[network], "LSTM_0", ours), value.T)
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
