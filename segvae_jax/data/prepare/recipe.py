"""What to make of a source: sizes, exclusions, splits."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from segvae_jax.data.prepare.splits import by_number, official_partition
from segvae_jax.data.sources.exclusions import read_exclusions, shipped_exclusions
from segvae_jax.data.sources.registry import DATA_SETS
from segvae_jax.data.sources.source import Size, Source
from segvae_jax.errors import DataError

FORMAT = "3"  # of the prepared files and of the conversion to them
_LARGEST = 8_192  # pixels of a side


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What to make of a source.

    Attributes:
      size: (H, W) of the maps, in pixels.
      image_size: (H, W) of the RGB pictures beside the maps; None leaves pictures out.
      exclude: id -> reason, of the maps to be left out.
      splits: id -> split, e.g. of an official partition; None applies the rule on ids, `splits.split_of`.
      skip_broken: leaves out, and reports, maps that cannot be read; otherwise such a map is an error.
    """

    size: Size
    image_size: Size | None = None
    exclude: Mapping[str, str] = dataclasses.field(default_factory=dict)
    splits: Mapping[str, str] | None = None
    skip_broken: bool = False

    def fingerprint(self, source: Source) -> str:
        """A short hash that differs if the source or the recipe does."""
        recipe = json.dumps(dataclasses.asdict(self), sort_keys=True)
        order = ["order by area"] if source.order_by_area else []
        return digest_of([FORMAT, source.name, source.version, source.space.to_json(), *order, recipe, *source.ids])


@dataclasses.dataclass(frozen=True)
class RecipeOptions:
    """What users may say about preparing, besides sizes.

    Attributes:
      exclude: file that lists maps to be left out, in addition to the shipped list; see `read_exclusions`.
      skip_broken: as in `Recipe`.
      celeba_mapping, celeba_partition: the two files of the official splits, see `official_partition`.
    """

    exclude: str = ""
    skip_broken: bool = False
    celeba_mapping: str = ""
    celeba_partition: str = ""


def make_recipe(
    name: str,
    source: Source,
    options: RecipeOptions,
    size: Size,
    image_size: Size | None = None,
    flag: str = "--",
) -> Recipe:
    """The recipe for a data set; `prepare.py` and training both use this function.

    Args:
      name: of the data set, one of `DATA_SETS`.
      source: opened from that data set.
      options: given by the user.
      size: (H, W) of the maps.
      image_size: (H, W) of the pictures; None leaves them out.
      flag: what users type before the name of an option.

    Raises:
      DataError: if a file cannot be used.
    """
    mapping, partition = options.celeba_mapping, options.celeba_partition
    if bool(mapping) != bool(partition):
        both = f"{flag}celeba_mapping and {flag}celeba_partition"
        raise DataError(f"the official splits of CelebA need two files: give {both}")
    splits = by_number(official_partition(mapping, partition), source.ids) if mapping else None
    return Recipe(size, image_size, _excluded(name, source, options.exclude), splits, options.skip_broken)


def parse_size(flag: str, words: Sequence[str]) -> Size:
    """(H, W) of the one or two numbers that users type.

    Raises:
      DataError: naming the flag, if there are other words.
    """
    sizes = [int(word) for word in words if re.fullmatch(r"\s*[0-9]{1,4}\s*", word)]
    if len(words) not in (1, 2) or len(sizes) < len(words) or not all(1 <= size <= _LARGEST for size in sizes):
        expected = f"expected SIDE, or HEIGHT,WIDTH, from 1 to {_LARGEST} pixels"
        raise DataError(f"--{flag}={','.join(words)}: {expected}")
    return sizes[0], sizes[-1]


def digest_of(parts: list[str]) -> str:
    """A short hash of a list of texts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _excluded(name: str, source: Source, path: str) -> dict[str, str]:
    """Maps of the source that the shipped list or the user's list names: id -> reason."""
    shipped = shipped_exclusions(DATA_SETS[name].exclusions) if DATA_SETS[name].exclusions else {}
    listed = read_exclusions(path) if path else {}
    ids = set(source.ids)
    if unknown := sorted(set(listed) - ids):
        raise DataError(f"{path}: no map {unknown[0]!r} in {source.name}: its ids look like {source.ids[0]!r}")
    return {example_id: reason for example_id, reason in (shipped | listed).items() if example_id in ids}
