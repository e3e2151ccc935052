"""Albums of translated pictures for the page of an evaluation, beside their maps and real pictures."""

import numpy as np
from jaxtyping import UInt8

from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.evaluation.pairs import MapTranslator, read_pairs
from segvae_jax.evaluation.report.gallery import Album, Row

SHOWN = 8  # maps in an album
PICTURES = 5  # of each map


def picture_albums(
    translator: MapTranslator,
    prepared: Prepared,
    *,
    generated: UInt8[np.ndarray, "N H W"] | None = None,
    seed: int = 0,
) -> list[Album]:
    """Makes the albums of a translator that was scored with `seed`.

    Args:
      translator: paints the pictures.
      prepared: data with pictures, as for `evaluate_translator`.
      generated: generated maps; None if there are none.
      seed: of translation.
    """
    real = read_pairs(prepared, "test", SHOWN)
    text = "Held-out maps, each with its real picture and pictures that the translator painted of it."
    pictures = translator.translate(real.index_maps, num=PICTURES, seed=seed + 1)
    captions = ["map", "real picture", *[""] * PICTURES]
    rows = [
        Row("", [index, picture, *painted], captions)
        for index, picture, painted in zip(real.index_maps, real.pictures, pictures, strict=True)
    ]
    found = [Album("One map, many pictures", text, rows)]
    if generated is not None:
        found.append(_of_generated(translator, generated[:SHOWN], seed))
    return found


def _of_generated(translator: MapTranslator, index_maps: UInt8[np.ndarray, "N H W"], seed: int) -> Album:
    pictures = translator.translate_each(index_maps, seed=seed)
    rows = [Row("", pair, ["generated", "picture"]) for pair in zip(index_maps, pictures, strict=True)]
    return Album("Generated maps and their pictures", "Each generated map beside a picture of it.", rows)
