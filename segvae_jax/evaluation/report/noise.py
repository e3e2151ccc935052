"""Says of an evaluation result that its maps look like noise, which single scores can hide."""

from collections.abc import Iterator, Mapping
from typing import Any

from segvae_jax.specks import looks_like_noise

# In docs/results/ models have an FSD of up to 1.6 times that of independent parts, but for a few that lose small
# classes, with 2.2 to 13 times. Drawn faces of 32 px have 0.9 times after 600 steps, and 28 times after 150: noise.
_FAR_BEYOND = 2.0


def noise_warnings(result: Mapping[str, Any]) -> list[str]:
    """One sentence for each sign in a result of `evaluate` that the generated maps are those of an unfinished model."""
    return list(_found(result["rows"])) if "rows" in result else []


def _found(rows: Mapping[str, Any]) -> Iterator[str]:
    generated, parts, real = (rows[name] for name in ("generated", "independent_parts", "real_vs_real"))
    if generated["fsd"]["low"] > _FAR_BEYOND * parts["fsd"]["value"]:
        yield (
            f"FSD {generated['fsd']['value']:.0f} is far beyond the {parts['fsd']['value']:.0f} of independent parts:"
            " classes have wrong sizes, as in maps of an unfinished model"
        )
    share, of_real = generated["specks"]["value"], real["specks"]["value"]
    if looks_like_noise(share, of_real):
        yield (
            f"specks of one or two pixels are {share:.1%} of all pixels, {of_real:.1%} in real maps: the maps are"
            " noisy, as those of an unfinished model"
        )
