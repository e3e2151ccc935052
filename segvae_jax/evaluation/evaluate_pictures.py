"""Scores a translator on the test split of prepared data with pictures.

    prepared = open_prepared("data/fashion")
    result = evaluate_translator(translator, prepared)

The result has the form of that of `evaluate`, and may be merged with it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.evaluation.networks import parser
from segvae_jax.evaluation.networks.efficientnet import NO_WEIGHTS
from segvae_jax.evaluation.networks.parser import train_parser
from segvae_jax.evaluation.networks.picture_network import open_network
from segvae_jax.evaluation.pairs import MapTranslator, check_translator, read_pairs
from segvae_jax.evaluation.picture_scoring import PictureScorer
from segvae_jax.evaluation.quick_scoring import without_nan
from segvae_jax.numerics import fixed_numerics


@fixed_numerics()
def evaluate_translator(
    translator: MapTranslator,
    prepared: Prepared,
    *,
    generated: UInt8[np.ndarray, "N H W"] | None = None,
    inception_weights: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
    seed: int = 0,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Trains a parser on the training pairs, and scores the pictures of a translator.

    Args:
      translator: paints the pictures.
      prepared: data with pictures, of the classes and the size of the translator.
      generated: generated maps to translate as well; as many of the held-out pairs are used.
      inception_weights: PyTorch file of the Inception network; if None, EfficientNet-Lite0 is used where it is
        installed.
      max_test, max_train: how many pairs of the splits are used at most, from their start.
      seed: of the parser, of translation and of resampling.
      progress: called with one line of text before each part of the work.

    Returns:
      A JSON-serialisable result: conditions, `pictures`, `picture_network`, `parser` and, under `omitted`, the reason
      for missing scores. docs/evaluation.md explains every key.

    Raises:
      SegVAEError: if data, translator or weights cannot be used.
    """
    check_translator(translator, prepared)
    network = open_network(inception_weights)
    test = read_pairs(prepared, "test", max_test if generated is None else len(generated))
    train = read_pairs(prepared, "train", max_train)
    generated = None if generated is None else generated[: len(test)]
    progress("training the parser on the training pairs")
    scorer = PictureScorer(test, train_parser(train, space=prepared.space, seed=seed), network, seed)
    progress("scoring pictures")
    columns = scorer.score_translator(translator, train.pictures, generated)
    return without_nan({
        "data": str(prepared.directory), "num_maps": len(test), "splits": {"train": len(train), "test": len(test)},
        "size": list(prepared.image_size), "classes": list(prepared.space.classes), "seed": seed,
        "pictures": {"num_maps": len(test), **columns},
        "picture_network": network and {"name": network.name, "sha256": network.sha256},
        "parser": {"steps": parser.STEPS, "training_pairs": len(train)},
        "omitted": {} if network else {"pictures": NO_WEIGHTS},
    })  # fmt: skip
