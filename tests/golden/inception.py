"""Computes golden activations of the FID network, block by block, in PyTorch; run by hand, as tests need no PyTorch.

    python tests/golden/inception.py

The network is written here from the description of pytorch-fid (average pools without the padding in their count,
a maximum in the last block), apart from the project's own; weights and picture are those of
`tests/inception_recipe.py`, in float64 on the CPU. Writes `inception.json`: of each block what `digest` keeps.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent.parent))
from inception_recipe import BLOCKS, digest, normalised, recipe


class Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel, stride: int = 1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


def average(x):
    return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class A(nn.Module):
    def __init__(self, inputs: int, pool: int):
        super().__init__()
        self.branch1x1 = Unit(inputs, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = Unit(inputs, 48, 1), Unit(48, 64, 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(inputs, 64, 1), Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3, self.branch_pool = Unit(96, 96, 3, padding=1), Unit(inputs, pool, 1)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        five = self.branch5x5_2(self.branch5x5_1(x))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(average(x))], 1)


class B(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3 = Unit(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(inputs, 64, 1), Unit(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Unit(96, 96, 3, stride=2)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, functional.max_pool2d(x, 3, stride=2)], 1)


class C(nn.Module):
    def __init__(self, inputs: int, width: int):
        super().__init__()
        row, column = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = Unit(inputs, 192, 1)
        self.branch7x7_1, self.branch7x7_2 = Unit(inputs, width, 1), Unit(width, width, **row)
        self.branch7x7_3 = Unit(width, 192, **column)
        self.branch7x7dbl_1, self.branch7x7dbl_2 = Unit(inputs, width, 1), Unit(width, width, **column)
        self.branch7x7dbl_3, self.branch7x7dbl_4 = Unit(width, width, **row), Unit(width, width, **column)
        self.branch7x7dbl_5, self.branch_pool = Unit(width, 192, **row), Unit(inputs, 192, 1)

    def forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average(x))], 1)


class D(nn.Module):
    def __init__(self, inputs: int):
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = Unit(inputs, 192, 1), Unit(192, 320, 3, stride=2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Unit(inputs, 192, 1), Unit(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3, self.branch7x7x3_4 = Unit(192, 192, (7, 1), padding=(3, 0)), Unit(192, 192, 3, stride=2)

    def forward(self, x):
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, functional.max_pool2d(x, 3, stride=2)], 1)


class E(nn.Module):
    def __init__(self, inputs: int, maximum: bool):
        super().__init__()
        row, column = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
        self.maximum = maximum
        self.branch1x1, self.branch_pool = Unit(inputs, 320, 1), Unit(inputs, 192, 1)
        self.branch3x3_1 = Unit(inputs, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = Unit(384, 384, **row), Unit(384, 384, **column)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Unit(inputs, 448, 1), Unit(448, 384, 3, padding=1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Unit(384, 384, **row), Unit(384, 384, **column)

    def forward(self, x):
        three, double = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = functional.max_pool2d(x, 3, stride=1, padding=1) if self.maximum else average(x)
        three = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        double = [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        return torch.cat([self.branch1x1(x), *three, *double, self.branch_pool(pooled)], 1)


def network() -> nn.ModuleDict:
    """The blocks of the network in order, with the weights of the recipe, in float64."""
    stem = [Unit(3, 32, 3, stride=2), Unit(32, 32, 3), Unit(32, 64, 3, padding=1), Unit(64, 80, 1), Unit(80, 192, 3)]
    mixed = [
        A(192, 32), A(256, 64), A(288, 64), B(288), C(768, 128), C(768, 160), C(768, 160), C(768, 192), D(768),
        E(1280, maximum=False), E(2048, maximum=True),
    ]  # fmt: skip
    blocks = nn.ModuleDict(dict(zip(BLOCKS, [*stem, *mixed], strict=True)))
    state = blocks.state_dict()
    weights = {name: torch.from_numpy(recipe(name, tuple(value.shape))) for name, value in state.items() if value.ndim}
    blocks.load_state_dict(state | weights)
    return blocks.double().eval()


@torch.no_grad()
def activations() -> dict[str, list[float]]:
    """The digest of the output of each block."""
    x = torch.from_numpy(normalised()).double().permute(0, 3, 1, 2)
    found = {}
    for name, block in network().items():
        x = block(x)
        found[name] = digest(x[0].permute(1, 2, 0).numpy())
        if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
            x = functional.max_pool2d(x, 3, stride=2)
    return found


if __name__ == "__main__":
    lines = ",\n".join(f' "{name}": {json.dumps(values)}' for name, values in activations().items())
    (Path(__file__).parent / "inception.json").write_text(f"{{\n{lines}\n}}\n")
