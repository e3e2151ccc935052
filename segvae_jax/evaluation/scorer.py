"""What sets of maps are scored with, generated ones and anchors alike: on what a viewer sees.

Every comparison is made on painted maps: class maps of any origin are flattened to the visible class
of each pixel and split into classes again, so that generated and real maps are treated alike.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from segvae_jax.errors import MapError
from segvae_jax.evaluation.full_scoring import Measured, score_diversity, score_fully
from segvae_jax.evaluation.map_set import Given
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.diversity import pairwise_diversity, perceptual_diversity, real_groups
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.lpips import Lpips
from segvae_jax.evaluation.quick_scoring import ClassMaps, Reference, score_maps
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import colour, index_to_class_maps, label_set_of, paint, restore_covered

Generate = Callable[[Bool[np.ndarray, "N C"], int], UInt8[np.ndarray, "N H W"]]

DIVERSITY_LABEL_SETS = 32
DIVERSITY_SAMPLES = 10  # a label-set
PAINT_CHUNK = 256  # painting needs floats: 80 MB at 64 x 64 x 19


def painted(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> UInt8[np.ndarray, "N H W"]:
    """Index maps of hard or soft class maps, as `maps.paint`, without a float copy of all of them."""
    chunks = np.split(class_maps, range(PAINT_CHUNK, len(class_maps), PAINT_CHUNK))
    return np.concatenate([paint(chunk, space) for chunk in chunks])


def visible(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> ClassMaps:
    """Class maps of what remains to be seen of hard or soft class maps once painted: no overlaps."""
    return index_to_class_maps(painted(class_maps, space), space.num_channels)


@dataclasses.dataclass(frozen=True)
class Judge:
    """What sets of maps are scored with; the fields that may be None are for the full suite.

    Attributes:
      reference: the held-out maps to compare with, and the training maps.
      wanted: the label-sets that maps are drawn for, those of the held-out maps before anything covered them.
      space: the label space of all maps.
      seed: of sampling, folds and resampling.
      encoder: the map encoder.
      real: measured of the held-out maps.
      lpips: weights of LPIPS, if there are any.
    """

    reference: Reference
    wanted: Bool[np.ndarray, "N C"]
    space: LabelSpace
    seed: int
    encoder: map_encoder.Params | None = None
    real: Measured | None = None
    lpips: Lpips | None = None

    @classmethod
    def of(
        cls,
        splits: Mapping[str, ClassMaps],
        space: LabelSpace,
        *,
        suite: str,
        seed: int,
        lpips: Lpips | None,
        progress: Callable[[str], object],
    ) -> "Judge":
        """Prepares what is computed once; arguments as those of `run_suite`."""
        progress("painting the real maps and finding the nearest training map of each test map")
        reference = Reference.of(visible(splits["test"], space), visible(splits["train"], space))
        judge = cls(reference, label_set_of(splits["test"]), space, seed, lpips=lpips)
        if suite == "quick":
            return judge
        progress("training the map encoder on the training maps")
        encoder = map_encoder.fit_map_encoder(restore_covered(reference.train, space))
        return dataclasses.replace(judge, encoder=encoder, real=Measured.of(reference.real, encoder, space))

    def score(self, made: Generate | Given) -> dict:
        """All rows of what is drawn for the label-sets wanted, or of as many maps that are there."""
        if isinstance(made, Given):
            class_maps = index_to_class_maps(made.index_maps, self.space.num_channels)
            rng = np.random.default_rng(self.seed)
            row = self.score_maps(class_maps, made.label_sets)
            return row | self.score_within(class_maps, label_set_of(class_maps), rng)
        row = self.score_maps(self._drawn(made, self.wanted, self.seed), self.wanted)
        chosen = self._diversity_label_sets()
        # another seed than that of the scored maps, so that no sample is used twice
        several = self._drawn(made, np.repeat(chosen, DIVERSITY_SAMPLES, axis=0), self.seed + 1)
        return row | self.score_groups(several, [DIVERSITY_SAMPLES] * len(chosen))

    def score_maps(self, maps: ClassMaps, label_sets: Bool[np.ndarray, "N C"] | None) -> dict:
        """The rows of one map a label-set; without the label-sets, all but control."""
        rows = score_maps(maps, label_sets, self.reference, seed=self.seed)
        if self.encoder is not None and self.real is not None:
            rows |= score_fully(Measured.of(maps, self.encoder, self.space), self.real, seed=self.seed)
        return rows

    def score_groups(self, maps: ClassMaps, sizes: list[int]) -> dict:
        """The rows of several maps a label-set."""
        diversity = bootstrap_mean(pairwise_diversity(maps, sizes), seed=self.seed)
        rows: dict = {"diversity": {**diversity, "label_sets": len(sizes)}}
        if self.encoder is not None:
            rows |= score_diversity(maps, sizes, self.encoder, self.space, seed=self.seed)
        if self.lpips is not None:
            layers = self.lpips.layers(colour(painted(maps, self.space), self.space))
            distances = perceptual_diversity(layers, sizes, self.lpips.linear)
            rows["diversity_lpips"] = bootstrap_mean(distances, seed=self.seed)
        return rows

    def score_within(self, maps: ClassMaps, held: Bool[np.ndarray, "N C"], rng: np.random.Generator) -> dict:
        """The rows of those maps, of label-sets `held`, that share one of the label-sets wanted."""
        groups, same = real_groups(self._diversity_label_sets(), held, rng, DIVERSITY_SAMPLES)
        rows = self.score_groups(maps[np.concatenate(groups)], [len(group) for group in groups])
        rows["diversity"]["same_label_set"] = same
        return rows

    def _drawn(self, draw: Generate, label_sets: np.ndarray, seed: int) -> ClassMaps:
        index = np.asarray(draw(label_sets, seed))
        if index.max(initial=0) >= self.space.num_channels:
            raise MapError(f"a generated map has class {index.max()}: expected less than {self.space.num_channels}")
        return index_to_class_maps(index, self.space.num_channels)

    def _diversity_label_sets(self) -> Bool[np.ndarray, "L C"]:
        return np.random.default_rng(self.seed).permutation(np.unique(self.wanted, axis=0))[:DIVERSITY_LABEL_SETS]
