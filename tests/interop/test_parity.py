"""The model against golden values of the authors' release, at 128 px; `tests/golden/make.py` made the files."""

import json
from pathlib import Path

import numpy as np
import pytest

from segvae_jax.interop.verify import verify_own
from segvae_jax.labels import HUMAN_PARSING

FOLDER = Path(__file__).parent.parent / "golden"
SPACES = {"humanparsing_small": HUMAN_PARSING}


@pytest.fixture(scope="module", params=SPACES)
def golden(request):
    with np.load(FOLDER / f"{request.param}.npz") as archive:
        return request.param, dict(archive)


@pytest.fixture(scope="module")
def report(golden):
    return verify_own(FOLDER / f"{golden[0]}.npz")


def test_the_files_are_of_the_known_label_spaces(golden):
    name, values = golden
    meta, space = json.loads(str(values["meta"])), SPACES[name]
    assert space.order == tuple(values["input/order"].tolist())
    assert space.num_channels == meta["classes"] == values["input/label_set"].shape[1]
    assert meta["lambda_shape"] == 1
    maps = np.unpackbits(values["input/maps"])[: np.prod(values["input/maps_shape"])]
    np.testing.assert_array_equal(values["input/label_set"], maps.reshape(values["input/maps_shape"]).any((2, 3)))


GAUSSIANS = ("prior/mu", "prior/logvar", "context/feature")
QUANTITIES = {
    "teacher": {
        *GAUSSIANS,
        "posterior/mu",
        "posterior/logvar",
        "recon",
        "from_prior",
        "loss_kl_weighted",
        "loss_recon",
    },
    "generate": {*GAUSSIANS, "maps"},
}


@pytest.mark.parametrize("group", QUANTITIES)
def test_training_forward_losses_and_free_running_generation(report, group):
    found = {name.removeprefix(f"{group}/"): entry for name, entry in report.items() if name.startswith(f"{group}/")}
    assert set(found) == QUANTITIES[group]
    assert {name: entry for name, entry in found.items() if not entry["ok"]} == {}
    assert all(entry["tolerance"] <= 1e-4 for name, entry in found.items() if not name.startswith("loss"))


@pytest.mark.parametrize("group", ["grad", "adam1"])
def test_gradients_of_every_tensor_and_one_adam_step(golden, report, group):
    assert {name for name in report if name.startswith(group)}
    held = sum(name.startswith(f"{group}/") for name in golden[1])
    assert sum(name.startswith(f"{group}/") for name in report) == held
    assert {name: entry for name, entry in report.items() if name.startswith(group) and not entry["ok"]} == {}
