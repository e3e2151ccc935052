"""Scores sets of maps, generated ones and anchors alike, by what a viewer sees.

All comparisons use visible maps: class maps of any origin are painted, i.e. reduced to the visible class of each pixel,
and split into classes again. So generated and real maps are treated alike.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from segvae_jax.errors import MapError
from segvae_jax.evaluation.full_scoring import Measurements, score_by_cnn, score_full, score_full_diversity
from segvae_jax.evaluation.map_set import MapSet
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.diversity import pairwise_diversity, perceptual_diversity, real_groups
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.lpips import Lpips
from segvae_jax.evaluation.quick_scoring import ClassMaps, Reference, score_quick
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import colour, index_to_class_maps, label_set_of, paint, restore_covered

Generate = Callable[[Bool[np.ndarray, "N C"], int], UInt8[np.ndarray, "N H W"]]  # of label-sets, from a seed
MapSource = Generate | MapSet

DIVERSITY_LABEL_SETS = 32
DIVERSITY_SAMPLES = 10  # per label-set
ENOUGH = 300  # maps; with fewer, the two-sample tests take several sets of samples
MAX_SAMPLE_SETS = 3
PAINT_CHUNK = 256  # maps per chunk, as painting needs floats: 80 MB at 64 x 64 x 19


def painted(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> UInt8[np.ndarray, "N H W"]:
    """Index maps of hard or soft class maps: `maps.paint` in chunks, which saves memory."""
    chunks = np.split(class_maps, range(PAINT_CHUNK, len(class_maps), PAINT_CHUNK))
    return np.concatenate([paint(chunk, space) for chunk in chunks])


def visible(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> ClassMaps:
    """Class maps of the visible pixels of hard or soft class maps, so without overlaps."""
    return index_to_class_maps(painted(class_maps, space), space.num_channels)


def sample_sets(count: int) -> int:
    """How many sets of samples the two-sample tests take for `count` held-out maps."""
    return min(MAX_SAMPLE_SETS, -(-ENOUGH // count))


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Scores sets of maps against the held-out maps.

    Attributes:
      reference: the held-out maps and the training maps.
      label_sets: the label-sets that maps are generated for: those of the held-out maps, covered classes included.
      space: the label space of all maps.
      seed: the seed of sampling, folds and resampling.
      encoder: the map encoder; None in the quick suite.
      real: the measurements of the held-out maps; None in the quick suite.
      lpips: the weights of LPIPS; None if there are none.
    """

    reference: Reference
    label_sets: Bool[np.ndarray, "N C"]
    space: LabelSpace
    seed: int
    encoder: map_encoder.Params | None = None
    real: Measurements | None = None
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
    ) -> "Scorer":
        """Computes what all sets of maps share; the arguments are those of `run_suite`."""
        progress("painting the real maps and finding the nearest training map of each test map")
        reference = Reference.of(visible(splits["test"], space), visible(splits["train"], space))
        scorer = cls(reference, label_set_of(splits["test"]), space, seed, lpips=lpips)
        if suite == "quick":
            return scorer
        progress("training the map encoder on the training maps")
        encoder = map_encoder.fit_map_encoder(restore_covered(reference.train, space))
        return dataclasses.replace(scorer, encoder=encoder, real=Measurements.of(reference.real, encoder, space))

    def score(self, source: MapSource) -> dict:
        """All scores of the maps that are generated for `label_sets`, or of a map set of the same size."""
        if isinstance(source, MapSet):
            class_maps = index_to_class_maps(source.index_maps, self.space.num_channels)
            rng = np.random.default_rng(self.seed)
            scores = self.score_maps(class_maps, source.label_sets)
            return scores | self.score_diversity_within(class_maps, label_set_of(class_maps), rng)
        chosen = self._diversity_label_sets()
        # with different seeds, so that no sample is used twice
        first, again, *others = range(self.seed, self.seed + 1 + sample_sets(len(self.label_sets)))
        more = [self._generated(source, self.label_sets, seed) for seed in others]
        scores = self.score_maps(self._generated(source, self.label_sets, first), self.label_sets, more)
        samples = self._generated(source, np.repeat(chosen, DIVERSITY_SAMPLES, axis=0), again)
        return scores | self.score_diversity(samples, [DIVERSITY_SAMPLES] * len(chosen))

    def score_maps(
        self, maps: ClassMaps, label_sets: Bool[np.ndarray, "N C"] | None, more: Sequence[ClassMaps] = ()
    ) -> dict:
        """The scores that need one map per label-set, but for the two-sample tests, which take `more` sets of maps.

        Without `label_sets`, there is no control.
        """
        scores = score_quick(maps, label_sets, self.reference, seed=self.seed, more=more)
        if self.encoder is not None and self.real is not None:
            scores |= score_full(Measurements.of(maps, self.encoder, self.space), self.real, seed=self.seed)
            scores["c2st"]["cnn"] = score_by_cnn(maps, self.reference.real, seed=self.seed)
        return scores

    def score_diversity(self, maps: ClassMaps, sizes: list[int]) -> dict:
        """The scores that need several maps per label-set: maps in groups of these sizes, one after another."""
        diversity = bootstrap_mean(pairwise_diversity(maps, sizes), seed=self.seed)
        scores: dict = {"diversity": {**diversity, "label_sets": len(sizes)}}
        if self.encoder is not None:
            scores |= score_full_diversity(maps, sizes, self.encoder, self.space, seed=self.seed)
        if self.lpips is not None:
            layers = self.lpips.layers(colour(painted(maps, self.space), self.space))
            distances = perceptual_diversity(layers, sizes, self.lpips.linear)
            scores["diversity_lpips"] = bootstrap_mean(distances, seed=self.seed)
        return scores

    def score_diversity_within(
        self, maps: ClassMaps, label_sets: Bool[np.ndarray, "N C"], rng: np.random.Generator
    ) -> dict:
        """As `score_diversity`, for the maps that share one of the held-out label-sets.

        Args:
          maps: visible class maps.
          label_sets: the label-sets of the maps.
          rng: chooses among the maps with equal label-sets.
        """
        groups, same = real_groups(self._diversity_label_sets(), label_sets, rng, DIVERSITY_SAMPLES)
        scores = self.score_diversity(maps[np.concatenate(groups)], [len(group) for group in groups])
        scores["diversity"]["same_label_set"] = same
        return scores

    def _generated(self, generate: Generate, label_sets: np.ndarray, seed: int) -> ClassMaps:
        index = np.asarray(generate(label_sets, seed))
        if index.max(initial=0) >= self.space.num_channels:
            raise MapError(f"a generated map has class {index.max()}: expected less than {self.space.num_channels}")
        return index_to_class_maps(index, self.space.num_channels)

    def _diversity_label_sets(self) -> Bool[np.ndarray, "L C"]:
        return np.random.default_rng(self.seed).permutation(np.unique(self.label_sets, axis=0))[:DIVERSITY_LABEL_SETS]
