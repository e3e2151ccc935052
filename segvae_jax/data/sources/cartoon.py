"""Maps that the project draws itself, as a source."""

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.sources.source import Source, fingerprint
from segvae_jax.errors import DataError


def cartoon(kind: str, num_maps: int, seed: int) -> Source:
    """Maps that the project draws itself: `faces` or `people`."""
    if kind not in CARTOON_SPACES:
        raise DataError(f"cartoon kind {kind!r}: expected {' or '.join(CARTOON_SPACES)}")
    read = lambda example_id, size: cartoon_map(kind, seed, int(example_id), size)
    ids = tuple(f"{i:06d}" for i in range(num_maps))
    return Source(f"cartoon_{kind}", CARTOON_SPACES[kind], ids, read, fingerprint([seed, "1"]))
