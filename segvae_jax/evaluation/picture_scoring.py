"""The scores of a translator: its pictures of generated maps and of real ones, beside real pictures."""

import dataclasses
import functools
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from segvae_jax.errors import DataError
from segvae_jax.evaluation.full_scoring import kernel_estimate
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_distance, bootstrap_mean
from segvae_jax.evaluation.metrics.diversity import perceptual_diversity, pixel_diversity
from segvae_jax.evaluation.metrics.frechet import frechet_distance
from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou
from segvae_jax.evaluation.networks.parser import Parser
from segvae_jax.evaluation.networks.picture_network import PictureNetwork
from segvae_jax.evaluation.pairs import MapTranslator, Pairs
from segvae_jax.maps import index_to_class_maps

LEAST = 4  # pairs on either side, for the KID
DIVERSITY_MAPS = 32
DIVERSITY_PICTURES = 4  # of each map

Pictures = UInt8[np.ndarray, "N H W 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class PictureScorer:
    """Scores sets of pictures against the held-out pictures.

    Attributes:
      real: the held-out pairs.
      parser: trained on the training pairs.
      network: its features are compared; None if there is none.
      seed: of translation, resampling and the choice of maps and pictures.
    """

    real: Pairs
    parser: Parser
    network: PictureNetwork | None
    seed: int

    def score_translator(
        self,
        translator: MapTranslator,
        train: UInt8[np.ndarray, "T H W 3"],
        generated: UInt8[np.ndarray, "N H W"] | None,
    ) -> dict[str, Any]:
        """The scores of a translator.

        Args:
          translator: paints the pictures.
          train: training pictures, to compare real ones with real ones where there are as many as held-out ones.
          generated: as many generated maps as there are held-out ones; None if there are none.

        Returns:
          JSON-serialisable scores: `generated` of the pictures of generated maps, if there are any; `translated_real`
          of those of the held-out maps; and `real_vs_real` of the held-out pictures.

        Raises:
          DataError: if there are fewer than four held-out pairs.
        """
        if len(self.real) < LEAST:
            raise DataError(f"{len(self.real)} held-out pictures: expected at least {LEAST}, better hundreds")
        columns = {}
        if generated is not None:
            pictures = translator.translate_each(generated, seed=self.seed)
            columns["generated"] = self._against_real(pictures) | self._parsed(Pairs(generated, pictures))
        pictures = translator.translate_each(self.real.index_maps, seed=self.seed + 1)
        translated = self._against_real(pictures) | self._parsed(Pairs(self.real.index_maps, pictures))
        columns["translated_real"] = translated | self._diversity(*self._pictures_of_few_maps(translator))
        return columns | {"real_vs_real": self._real_vs_real(train)}

    @functools.cached_property
    def _real_features(self) -> Float[np.ndarray, "N D"]:
        assert self.network is not None
        return self.network.features(self.real.pictures)

    def _real_vs_real(self, train: UInt8[np.ndarray, "T H W 3"]) -> dict[str, Any]:
        """The scores of the held-out pictures, and the distance of as many training pictures from them."""
        rng = np.random.default_rng(self.seed)
        others = train[rng.permutation(len(train))[: len(self.real)]]
        distances = self._against_real(others) if len(others) == len(self.real) else {}
        return distances | self._parsed(self.real) | self._diversity(*self._real_in_pairs(rng))

    def _against_real(self, pictures: Pictures) -> dict[str, Any]:
        """Distances of pictures from the held-out ones, in the features of the network."""
        if self.network is None:
            return {}
        sides = self.network.features(pictures), self._real_features
        return {
            self.network.distance: self._frechet(*sides),
            f"kid_{self.network.name}": kernel_estimate([sides], self.seed),
        }

    def _frechet(self, a: Float[np.ndarray, "N D"], b: Float[np.ndarray, "N D"]) -> dict[str, float]:
        """The distance; with its interval where there are fewer pictures than features, as it would take long."""
        if len(a) < a.shape[1]:
            return dict(bootstrap_distance(frechet_distance, a, b, seed=self.seed))
        return {"value": frechet_distance(a, b)}

    def _parsed(self, pairs: Pairs) -> dict[str, Any]:
        """What the parser finds in pictures, against their maps: mIoU, and IoU of each class."""
        found = self.parser.predict(pairs.pictures)
        sides = [index_to_class_maps(maps, self.parser.num_channels) for maps in (found, pairs.index_maps)]
        iou = class_iou(*sides)[:, 1:]
        count = np.isfinite(iou).sum(axis=0)
        per_class = np.divide(np.nansum(iou, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
        mean = bootstrap_mean(mean_iou(*sides), seed=self.seed)
        return {"parser": {"mean_iou": mean, "per_class": per_class.tolist()}}

    def _pictures_of_few_maps(self, translator: MapTranslator) -> tuple[Pictures, list[int]]:
        """Several pictures of each of some held-out maps, and the size of each group."""
        chosen = np.random.default_rng(self.seed).permutation(len(self.real))[:DIVERSITY_MAPS]
        pictures = translator.translate(self.real.index_maps[chosen], num=DIVERSITY_PICTURES, seed=self.seed + 2)
        return pictures.reshape(-1, *pictures.shape[2:]), [DIVERSITY_PICTURES] * len(chosen)

    def _real_in_pairs(self, rng: np.random.Generator) -> tuple[Pictures, list[int]]:
        """Held-out pictures in pairs: of different maps, as there is one picture of each."""
        rows = rng.permutation(len(self.real))[: 2 * (len(self.real) // 2)]
        return self.real.pictures[rows], [2] * (len(rows) // 2)

    def _diversity(self, pictures: Pictures, sizes: list[int]) -> dict[str, Any]:
        """The diversity of pictures in groups of these sizes, one after another."""
        scores: dict[str, Any] = {"diversity_pixels": bootstrap_mean(pixel_diversity(pictures, sizes), seed=self.seed)}
        if self.network is not None:
            features = self.network.features(pictures)[:, None, None]
            distances = perceptual_diversity([features], sizes)
            scores[f"diversity_{self.network.name}"] = bootstrap_mean(distances, seed=self.seed)
        return scores
