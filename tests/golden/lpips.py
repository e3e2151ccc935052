"""Computes golden LPIPS distances and activations in PyTorch; run by hand, as tests need no PyTorch.

    python tests/golden/lpips.py

The network is written here from the authors' description, apart from the project's own; weights and pictures are those
of `tests/lpips_recipe.py`, in float64 on the CPU. Writes `lpips.json`: what `digest` keeps of each layer of the first
picture, and the distance of the first picture from each.
"""

import json
import sys
from pathlib import Path

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent.parent))
from inception_recipe import digest
from lpips_recipe import alexnet, linear, pictures

MOMENTS = ((-0.03, -0.088, -0.188), (0.458, 0.448, 0.45))
SHIFT, SCALE = (torch.tensor(values).double()[:, None, None] for values in MOMENTS)


def layers(rgb: torch.Tensor) -> list[torch.Tensor]:
    """The activations `[N, C, h, w]` of five layers for pictures `[N, 3, H, W]` with values in 0..255."""
    weights = {name: torch.from_numpy(value).double() for name, value in alexnet().items()}
    of = lambda i: (weights[f"features.{i}.weight"], weights[f"features.{i}.bias"])
    convolve = lambda x, i, **how: functional.conv2d(x, *of(i), **how)
    one = functional.relu(convolve((rgb / 127.5 - 1 - SHIFT) / SCALE, 0, stride=4, padding=2))
    two = functional.relu(convolve(functional.max_pool2d(one, 3, 2), 3, padding=2))
    three = functional.relu(convolve(functional.max_pool2d(two, 3, 2), 6, padding=1))
    four = functional.relu(convolve(three, 8, padding=1))
    return [one, two, three, four, functional.relu(convolve(four, 10, padding=1))]


def distances(found: list[torch.Tensor]) -> torch.Tensor:
    """The distance of each picture from the first one."""
    total = torch.zeros(len(found[0])).double()
    for layer, weights in zip(found, linear().values(), strict=True):
        unit = layer / (layer.square().sum(1, keepdim=True).sqrt() + 1e-10)
        squares = (unit - unit[:1]).square()
        total += functional.conv2d(squares, torch.from_numpy(weights).double()).mean((1, 2, 3))
    return total


if __name__ == "__main__":
    found = layers(torch.from_numpy(pictures()).double().permute(0, 3, 1, 2))
    values = {f"layer {i}": digest(layer[0].permute(1, 2, 0).numpy()) for i, layer in enumerate(found)}
    values["distances"] = [float(f"{value:.7g}") for value in distances(found)]
    lines = ",\n".join(f' "{name}": {json.dumps(numbers)}' for name, numbers in values.items())
    (Path(__file__).parent / "lpips.json").write_text(f"{{\n{lines}\n}}\n")
