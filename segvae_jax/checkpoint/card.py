"""The model card: everything that is needed to use the weights of a checkpoint, without the training data."""

import dataclasses
import hashlib
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Int

from segvae_jax.errors import CheckpointError, SegVAEError
from segvae_jax.files import write_atomically
from segvae_jax.json_objects import json_object, opened, sealed
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import FITS
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.registry import MODELS, check_arguments, hyperparameters_of, make_model
from segvae_jax.original_labels import OriginalLabels
from segvae_jax.shipped import checkpoint_names
from segvae_jax.translator.networks import TRANSLATOR, Networks

CARD = "model.json"
_FORMAT = 1
_LATER = ("name", "weights", "step", "program", "original", "fit")  # entries that cards of earlier versions may lack
_ENTRIES = ("format", "label_space", "model", "label_sets", "counts", "prepared", *_LATER)


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a checkpoint says about its model.

    Attributes:
      space: the classes.
      arguments: hyperparameters of the model, besides those that follow from the classes.
      label_sets: the distinct label-sets of the training data; empty if unknown.
      counts: how often each label-set occurred.
      prepared: directory of the training data, or "".
      name: of the kind of model, a key of `MODELS`, or `TRANSLATOR`.
      weights: SHA-256 of the `weights.npz` beside the card, or "" if there are saved steps instead.
      step: of training, at which `weights.npz` was written.
      program: SHA-256 of the sampling program beside the card, or "" if there is none.
      original: the labels of the training maps, and the class that each became; None if these maps had the classes of
        the model, or if that is unknown.
      fit: how training maps got their size, one of `maps.FITS`.
    """

    space: LabelSpace
    arguments: Mapping[str, Any]
    label_sets: Bool[np.ndarray, "M C"]
    counts: Int[np.ndarray, "M"]
    prepared: str = ""
    name: str = "segvae"
    weights: str = ""
    step: int = 0
    program: str = ""
    original: OriginalLabels | None = None
    fit: str = "stretch"

    def model(self) -> MapModel:
        """The model that generates maps, without its weights.

        Raises:
          CheckpointError: if it is a translator.
        """
        if self.name == TRANSLATOR:
            raise CheckpointError("this checkpoint holds a translator, which turns maps into pictures: name a model")
        space = self.space
        return make_model(self.name, space.num_channels, space.order, space.stack, self.arguments)

    def networks(self) -> Networks:
        """The networks of a translator, without their weights.

        Raises:
          CheckpointError: if it is a model of maps.
        """
        if self.name != TRANSLATOR:
            held = f"this checkpoint holds a {self.name} model, which generates maps"
            raise CheckpointError(f"{held}: name a translator")
        return Networks(self.space.num_channels, **self.arguments)

    def _described(self) -> dict[str, Any]:
        """All hyperparameters and the classes, including what the card leaves at its default."""
        made = self.networks() if self.name == TRANSLATOR else self.model()
        arguments = {name: getattr(made, name) for name in sorted(hyperparameters_of(type(made)))}
        classes = {"classes": self.space.classes, "drawing_order": self.space.drawing_order}
        return {"name": self.name, **arguments, **classes}

    def require_same_model(self, other: "ModelCard", directory: Path) -> None:
        """Checks that a configuration asks for the model of this card.

        Args:
          other: the card that the configuration would make.
          directory: of this card, for the error message.

        Raises:
          CheckpointError: naming the first hyperparameter that differs.
        """
        ours, theirs = self._described(), other._described()
        for key in ours:
            if ours[key] != theirs.get(key):
                raise CheckpointError(
                    f"{directory}: holds a model with {key}={ours[key]}, the configuration says {theirs[key]}: use"
                    " the configuration it was trained with, or another --workdir"
                )

    def fingerprint(self, variables: Any) -> str:
        """A short hash, equal for checkpoints of equal weights and label-sets, wherever they are stored."""
        model = [self.space.to_json(), sorted((key, str(value)) for key, value in self.arguments.items())]
        digest = hashlib.sha256(repr(model).encode())
        for array in jax.tree.leaves((variables, self.label_sets, self.counts)):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()[:12]

    def write(self, directory: Path) -> None:
        """Writes the card into a directory, which is made if it is missing; complete or not at all.

        Raises:
          OutputError: if it cannot be written.
        """
        content = {
            "format": _FORMAT, "label_space": json.loads(self.space.to_json()),
            "name": self.name, "model": dict(self.arguments),
            "label_sets": [np.packbits(row).tobytes().hex() for row in self.label_sets],
            "counts": self.counts.tolist(), "prepared": self.prepared, "weights": self.weights, "step": self.step,
            "program": self.program,
        }  # fmt: skip
        content |= {"original": self.original.to_json()} if self.original else {}
        content |= {"fit": self.fit} if self.fit != "stretch" else {}
        text = json.dumps(sealed(content), indent=1)
        write_atomically(directory / CARD, lambda path: path.write_text(text))

    @classmethod
    def read(cls, directory: Path) -> "ModelCard":
        """Reads the card of a checkpoint directory.

        Raises:
          CheckpointError: if there is no card, or it is damaged or of a later format.
        """
        path = directory / CARD
        try:
            return cls._parsed(json_object(path.read_bytes()), directory)
        except FileNotFoundError:
            raise CheckpointError(
                f"{directory}: no checkpoint in it: expected the --workdir of a training run, an imported or exported"
                f" checkpoint, or a name: {', '.join(checkpoint_names())}"
            ) from None
        except CheckpointError:
            raise
        except Exception as error:  # values of other types make Python raise nearly anything
            raise CheckpointError(f"{path}: damaged ({reason(error)}): restore it or train again") from None

    @classmethod
    def _parsed(cls, card: dict[str, Any], directory: Path) -> "ModelCard":
        if card["format"] != _FORMAT:
            raise CheckpointError(f"{directory}: format {card['format']!r:.40}: this version reads format {_FORMAT}")
        card = opened(card, _ENTRIES)
        space = LabelSpace.from_json(json.dumps(card["label_space"]))
        arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in card["model"].items()}
        rows = [np.frombuffer(bytes.fromhex(row), np.uint8) for row in card["label_sets"]]
        packed = np.array(rows, np.uint8).reshape(len(rows), -(-space.num_channels // 8))
        label_sets = np.unpackbits(packed, axis=-1, count=space.num_channels).astype(bool)
        if not all(type(count) is int for count in [*card["counts"], card.get("step", 0)]):
            raise TypeError("counts and step are no whole numbers")
        counts = np.array(card["counts"], int)
        later = {key: card[key] for key in _LATER if key in card}
        if "original" in later:
            later["original"] = OriginalLabels.from_json(later["original"], space)
        read = cls(space, arguments, label_sets, counts, card["prepared"], **later)
        read._check()
        return read

    def _check(self) -> None:
        """Checks types and sizes of what was read.

        Raises:
          ValueError, TypeError: if something has another type, or does not fit.
        """
        texts = self.name, self.prepared, self.weights, self.program
        if not all(isinstance(text, str) for text in texts) or not 0 <= self.step < 2**31:
            raise TypeError("an entry has another type, or is out of range")
        if self.fit not in FITS:
            raise ValueError(f"fit: expected {' or '.join(FITS)}")
        if self.counts.shape != (len(self.label_sets),) or (self.counts < 0).any():
            raise ValueError("counts: expected one for each label-set")
        if len(self.counts) and not self.counts.any():
            raise ValueError("counts: all are 0")
        check_arguments(Networks if self.name == TRANSLATOR else MODELS[self.name], self.arguments)
        self._described()


def distinct_label_sets(
    label_sets: Bool[np.ndarray, "N C"],
) -> tuple[Bool[np.ndarray, "M C"], Int[np.ndarray, "M"]]:
    """The distinct rows and how often each occurs."""
    rows, counts = np.unique(label_sets, axis=0, return_counts=True)
    return rows, counts


def reason(error: Exception) -> str:
    """An error as a short single line."""
    if isinstance(error, SegVAEError):
        return str(error)
    return textwrap.shorten(f"{type(error).__name__}: {error}", 150, placeholder=" ...")
