"""The cartoon set as a source, with its pictures."""

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map, cartoon_picture
from segvae_jax.data.sources.source import Source, fingerprint
from segvae_jax.errors import DataError

_DRAWINGS = "2"  # raised whenever the drawings change, so that no prepared set of earlier ones is taken for them


def cartoon(kind: str, num_maps: int, seed: int) -> Source:
    """`num_maps` cartoons of a kind, "faces" or "people"; equal seeds draw equal maps and pictures.

    Raises:
      DataError: if there is no such kind.
    """
    if kind not in CARTOON_SPACES:
        raise DataError(f"cartoon kind {kind!r}: expected {' or '.join(CARTOON_SPACES)}")
    read = lambda example_id, size: cartoon_map(kind, seed, int(example_id), size)
    image = lambda example_id, size: cartoon_picture(kind, seed, int(example_id), size)
    ids = tuple(f"{i:06d}" for i in range(num_maps))
    return Source(f"cartoon_{kind}", CARTOON_SPACES[kind], ids, read, fingerprint([seed, _DRAWINGS]), image=image)
