"""Where maps come from: data sets in a layout that is known, and the cartoon set; `own` has the user's.

A source lists ids and reads one map at a time at the size asked for; it knows nothing of splits,
files of its own, or batches.
"""

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.layouts.detection import celebamask, human_parsing
from segvae_jax.data.source import Source, fingerprint
from segvae_jax.errors import DataError

__all__ = ["Source", "cartoon", "celebamask", "human_parsing"]


def cartoon(kind: str, num_maps: int, seed: int) -> Source:
    """Maps that the project draws itself: `faces` or `people`."""
    if kind not in CARTOON_SPACES:
        raise DataError(f"cartoon kind {kind!r}: expected {' or '.join(CARTOON_SPACES)}")
    read = lambda example_id, size: cartoon_map(kind, seed, int(example_id), size)
    ids = tuple(f"{i:06d}" for i in range(num_maps))
    return Source(f"cartoon_{kind}", CARTOON_SPACES[kind], ids, read, fingerprint([seed, "1"]))
