"""Projects what the full schedule costs on several GPUs. Nothing here is measured but the step of one GPU.

    python -m benchmarks.projection

Every GPU computes a batch of its own in the measured time, and then all of them add their gradients in a ring, which
hides behind no computation. The ring is taken to be as slow as its slowest link; within a host, real ones are faster.
The input is taken to keep up. Prints a table in Markdown.
"""

import dataclasses
import functools
import math

import jax

from segvae_jax.configs import celeba
from segvae_jax.data.sources.registry import DATA_SETS
from segvae_jax.model.protocol import init_variables
from segvae_jax.training.setup import build_model

TRAINING_MAPS = 22_500  # 75 % of CelebAMask-HQ
MAPS_PER_GPU = 16
PAPER_STEP = 0.0132  # seconds of a step of 16 maps, 128 px, bfloat16, on one H100: measured


@dataclasses.dataclass(frozen=True)
class Link:
    """What a GPU sends through in one direction.

    Attributes:
      name: for the table.
      bandwidth: bytes per second that each GPU sends while all of them do; 80 % of the data sheet, assumed.
      latency: seconds of one message; assumed.
    """

    name: str
    bandwidth: float
    latency: float


# NVIDIA's data sheets of the H100 SXM (NVLink: 900 GB/s in both directions together) and of the DGX H100 (eight
# ConnectX-7 of 400 Gb/s, one for each GPU).
NVLINK = Link("NVLink", 0.8 * 900e9 / 2, 3e-6)
INFINIBAND = Link("InfiniBand", 0.8 * 400e9 / 8, 10e-6)


def ring_seconds(num_bytes: float, devices: int, link: Link) -> float:
    """Seconds of an all-reduce in a ring: 2 (n - 1) messages, each of the n-th part of the bytes."""
    messages = 2 * (devices - 1)
    return messages * (num_bytes / devices / link.bandwidth + link.latency)


def gradient_bytes(variant: str) -> int:
    """Bytes of the gradients of the model of `configs/celeba.py:variant`, in float32."""
    space = DATA_SETS["celebamask_hq"].space
    assert space is not None
    model = build_model(celeba.get_config(variant), space)
    params = jax.eval_shape(functools.partial(init_variables, model, 0))["params"]
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))


def table() -> list[str]:
    """The lines of the table."""
    epochs, num_bytes = celeba.get_config("paper").num_epochs, gradient_bytes("paper")
    lines = [
        "| GPUs | slowest link | maps per step | exchange, ms | step, ms | steps | hours | GPU hours | efficiency |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for gpus, link in ((1, None), (8, NVLINK), (64, INFINIBAND)):
        exchange = ring_seconds(num_bytes, gpus, link) if link else 0.0
        step, steps = PAPER_STEP + exchange, epochs * TRAINING_MAPS // (MAPS_PER_GPU * gpus)
        hours = steps * step / 3600
        cells = (
            gpus, link.name if link else "none", MAPS_PER_GPU * gpus, f"{1e3 * exchange:.2f}", f"{1e3 * step:.1f}",
            f"{steps:,}", f"{hours:.2f}", f"{gpus * hours:.2f}", f"{PAPER_STEP / step:.0%}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def exchange(name: str, variant: str) -> str:
    """What a model exchanges in a step, in one sentence."""
    num_bytes = gradient_bytes(variant)
    nvlink, infiniband = (1e3 * ring_seconds(num_bytes, *many) for many in ((8, NVLINK), (64, INFINIBAND)))
    return (
        f"The gradients of the {name} model have {num_bytes / 1e6:.1f} MB, which 8 GPUs exchange in {nvlink:.2f} ms "
        f"and 64 GPUs in {infiniband:.2f} ms."
    )


def main() -> None:
    """Prints the table, and what the default model exchanges."""
    print("\n".join([*table(), "", exchange("hierarchical", "")]))


if __name__ == "__main__":
    main()
