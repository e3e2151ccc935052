"""The labels of original maps: stored as JSON and read back, and refused where they are damaged."""

import dataclasses
import json

import numpy as np
import pytest

from segvae_jax.checkpoint.card import CARD, ModelCard
from segvae_jax.errors import CheckpointError, LabelError
from segvae_jax.json_objects import sealed
from segvae_jax.labels import LabelSpace
from segvae_jax.original_labels import Label, OriginalLabels

SPACE = LabelSpace(("pants", "hat"))
LABELS = (Label(0, "null", "background"), Label(3, "jeans", "pants"), Label(200, "cap", "hat"))
COLOURED = tuple(label._replace(colour=(label.index, 1, 2)) for label in LABELS)
CARD_OF_MODEL = ModelCard(SPACE, {"image_size": (8, 8)}, np.ones((1, 3), bool), np.ones(1, int))


@pytest.mark.parametrize("labels", [LABELS, COLOURED])
def test_labels_survive_json(labels):
    original = OriginalLabels(labels, ignore=7, by_index=False)
    assert OriginalLabels.from_json(json.loads(json.dumps(original.to_json())), SPACE) == original


@pytest.mark.parametrize(
    "change",
    [
        {"labels": []}, {"labels": None}, {"labels": [[0]]}, {"labels": [["0", "null", "background"]]},
        {"labels": [[0, "null", "moon"]]}, {"labels": [[256, "null", "hat"]]}, {"labels": [[0, 5, "hat"]]},
        {"labels": [[1, "a", "hat"], [0, "b", "hat"]]}, {"labels": [[1, "a", "hat"], [1, "b", "hat"]]},
        {"labels": [[1, "a", "hat", [1, 2]]]}, {"labels": [[1, "a", "hat", [1, 2, 300]]]}, {"ignore": 256},
        {"ignore": True}, {"by_index": 1}, {"more": 1}, {"labels": [[1, "a", ["hat"]]]},
    ],
)  # fmt: skip
def test_damaged_labels_are_refused(change, tmp_path):
    damaged = OriginalLabels(LABELS).to_json() | change
    with pytest.raises(LabelError) as error:
        OriginalLabels.from_json(damaged, SPACE)
    assert "\n" not in str(error.value)
    CARD_OF_MODEL.write(tmp_path)
    content = json.loads((tmp_path / CARD).read_text())
    content.pop("sha256")
    (tmp_path / CARD).write_text(json.dumps(sealed(content | {"original": damaged})))
    with pytest.raises(CheckpointError, match=r"model\.json: damaged \("):
        ModelCard.read(tmp_path)


def test_a_card_keeps_them_and_earlier_cards_have_none(tmp_path):
    card = dataclasses.replace(CARD_OF_MODEL, original=OriginalLabels(COLOURED), fit="pad")
    card.write(tmp_path / "new")
    read = ModelCard.read(tmp_path / "new")
    assert read.original == card.original and read.fit == "pad"
    CARD_OF_MODEL.write(tmp_path / "old")
    assert not {"original", "fit"} & set(json.loads((tmp_path / "old" / CARD).read_text()))
    read = ModelCard.read(tmp_path / "old")
    assert read.original is None and read.fit == "stretch"
    dataclasses.replace(card, fit="squeeze").write(tmp_path / "new")
    with pytest.raises(CheckpointError, match="fit: expected stretch or pad"):
        ModelCard.read(tmp_path / "new")


def test_the_fingerprint_of_weights_does_not_depend_on_them():
    card = dataclasses.replace(CARD_OF_MODEL, original=OriginalLabels(LABELS))
    assert card.fingerprint({}) == CARD_OF_MODEL.fingerprint({})
