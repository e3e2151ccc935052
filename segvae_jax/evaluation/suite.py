"""The evaluation protocol: generated maps and the anchors, scored alike on what a viewer sees.

Every comparison is made on painted maps: class maps of any origin are flattened to the visible class
of each pixel and split into classes again, so that generated and real maps are treated alike.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import sklearn
from jaxtyping import Bool, Float, Shaped, UInt8

from segvae_jax.errors import DataError, MapError
from segvae_jax.evaluation import anchors, map_encoder
from segvae_jax.evaluation.bootstrap import bootstrap_mean
from segvae_jax.evaluation.control import area_threshold
from segvae_jax.evaluation.diversity import pairwise_diversity, real_groups
from segvae_jax.evaluation.edits import Edit, score_edits
from segvae_jax.evaluation.full_scoring import Measured, score_diversity, score_fully, score_latents
from segvae_jax.evaluation.given import Given
from segvae_jax.evaluation.neighbours import K_DENSITY
from segvae_jax.evaluation.reconstruction import reconstruction_iou
from segvae_jax.evaluation.scoring import ClassMaps, Reference, score_maps, without_nan
from segvae_jax.evaluation.two_sample import FOLDS
from segvae_jax.generation import Latents
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, label_set_of, paint, restore_covered

Generate = Callable[[Bool[np.ndarray, "N C"], int], UInt8[np.ndarray, "N H W"]]
Reconstruct = Callable[[ClassMaps], Float[np.ndarray, "N H W C"]]
Infer = Callable[[ClassMaps], Latents]

SUITES = ("quick", "all")
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
class _Judge:
    """What sets of maps are scored with; the fields that may be None are for the full suite."""

    reference: Reference
    space: LabelSpace
    seed: int
    encoder: map_encoder.Params | None = None
    real: Measured | None = None

    def score(self, maps: ClassMaps, label_sets: Bool[np.ndarray, "N C"] | None) -> dict:
        """The rows of one map a label-set; without the label-sets, all but control."""
        rows = score_maps(maps, label_sets, self.reference, seed=self.seed)
        if self.encoder is not None and self.real is not None:
            rows |= score_fully(Measured.of(maps, self.encoder, self.space), self.real, seed=self.seed)
        return rows

    def score_groups(self, maps: ClassMaps, sizes: list[int]) -> dict:
        """The rows of several maps a label-set."""
        rows = {
            "diversity": {
                **bootstrap_mean(pairwise_diversity(maps, sizes), seed=self.seed),
                "label_sets": len(sizes),
            }
        }
        if self.encoder is not None:
            rows |= score_diversity(maps, sizes, self.encoder, self.space, seed=self.seed)
        return rows


def run_suite(
    generate: Generate | Given,
    reconstruct: Reconstruct | None,
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    infer: Infer | None = None,
    edit: Edit | None = None,
    suite: str = "quick",
    seed: int = 0,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Scores a model and the anchors against the test maps, N maps on either side.

    Args:
      generate: draws an index map for each label-set from a seed; or as many maps as there are test maps.
      reconstruct: soft or hard class maps of the given class maps, from the posterior; None if there is none.
      splits: class maps as the model reads them of "train", "validation" and "test"; N is the size of
        the last. `real_vs_real` compares it with validation maps, filled up from training to N.
      space: the label space of the maps.
      infer: posterior and prior of the given class maps; None if there is none.
      edit: edits a map, see `score_edits`; None if nothing can.
      suite: "quick", or "all", which adds what needs the map encoder, the geometry of parts, `infer` or `edit`.
      seed: of sampling, anchors, folds and resampling. The map encoder has a fixed one.
      progress: called with a line before each part of the work.

    Returns:
      A JSON-serialisable result: conditions, `rows` ("generated" and each anchor), `reconstruction`, `latent`
      and `edits`. docs/evaluation.md explains every key.

    Raises:
      DataError: if a split is missing or too small, or the suite is unknown.
      MapError: if maps differ in shape or a generated map has an unknown class.
    """
    _check(splits, space, suite)
    judge = _judge(splits, space, suite, seed, progress)
    label_sets = label_set_of(splits["test"])
    rows = {}
    for name, draw in {"generated": generate, **_anchors(splits["train"], space)}.items():
        progress(f"scoring {name}")
        if isinstance(draw, Given):
            rows[name] = _score_given(draw, label_sets, judge)
            continue
        rows[name] = judge.score(_drawn(draw, label_sets, seed, space), label_sets)
        rows[name] |= _diversity(draw, label_sets, judge)
    progress("scoring real_vs_real")
    rows["real_vs_real"], from_train = _real_vs_real(splits, judge)
    result = _conditions(splits, space, seed) | {"suite": suite, "real_vs_real_from_train": from_train, "rows": rows}
    if judge.encoder is not None:
        result["map_encoder"] = map_encoder.describe(judge.encoder)
    progress("scoring reconstructions")
    result["reconstruction"] = reconstruct and _reconstruction(reconstruct(splits["test"]), judge)
    result["latent"] = score_latents(infer(splits["test"]), space, seed=seed) if infer and suite == "all" else None
    progress("scoring edits")
    result["edits"] = _edits(edit, splits, judge) if edit and suite == "all" else None
    return without_nan(result)


def _judge(
    splits: Mapping[str, ClassMaps], space: LabelSpace, suite: str, seed: int, progress: Callable[[str], object]
) -> _Judge:
    progress("painting the real maps and finding the nearest training map of each test map")
    reference = Reference.of(visible(splits["test"], space), visible(splits["train"], space))
    if suite == "quick":
        return _Judge(reference, space, seed)
    progress("training the map encoder on the training maps")
    encoder = map_encoder.fit_map_encoder(restore_covered(reference.train, space))
    return _Judge(reference, space, seed, encoder, Measured.of(reference.real, encoder, space))


def _check(splits: Mapping[str, ClassMaps], space: LabelSpace, suite: str) -> None:
    if suite not in SUITES:
        raise DataError(f"suite {suite!r} is unknown: choose from {', '.join(SUITES)}")
    if missing := [name for name in ("train", "validation", "test") if name not in splits]:
        raise DataError(f"split {missing[0]!r} is missing: pass train, validation and test maps")
    size, count = splits["test"].shape[1:], len(splits["test"])
    least = FOLDS if suite == "quick" else max(FOLDS, K_DENSITY + 1)
    if count < least or not len(splits["train"]):
        raise DataError(f"{count} test and {len(splits['train'])} training maps: pass at least {least} and 1")
    for name, class_maps in splits.items():
        if class_maps.shape[1:] != (*size[:2], space.num_channels):
            raise MapError(f"{name} maps are {class_maps.shape[1:]}: expected {(*size[:2], space.num_channels)}")


def _anchors(train: ClassMaps, space: LabelSpace) -> dict[str, Generate]:
    """The anchors in the form of a generator."""
    held = label_set_of(train)
    rng = np.random.default_rng
    cut = {
        "retrieval": lambda wanted, seed: anchors.retrieval(wanted, train, held, rng(seed)),
        "independent_parts": lambda wanted, seed: anchors.independent_parts(wanted, train, held, rng(seed)),
        "mean_shape": lambda wanted, seed: anchors.mean_shape(wanted, train, held),
    }
    painting = lambda anchor: lambda wanted, seed: painted(anchor(wanted, seed), space)
    return {name: painting(anchor) for name, anchor in cut.items()}


def _drawn(draw: Generate, label_sets: np.ndarray, seed: int, space: LabelSpace) -> ClassMaps:
    index = np.asarray(draw(label_sets, seed))
    if index.max(initial=0) >= space.num_channels:
        raise MapError(f"a generated map has class {index.max()}: expected less than {space.num_channels}")
    return index_to_class_maps(index, space.num_channels)


def _diversity(draw: Generate, label_sets: np.ndarray, judge: _Judge) -> dict:
    chosen = _diversity_label_sets(label_sets, judge.seed)
    # another seed than that of the scored maps, so that no sample is used twice
    class_maps = _drawn(draw, np.repeat(chosen, DIVERSITY_SAMPLES, axis=0), judge.seed + 1, judge.space)
    return judge.score_groups(class_maps, [DIVERSITY_SAMPLES] * len(chosen))


def _diversity_label_sets(label_sets: np.ndarray, seed: int) -> Bool[np.ndarray, "L C"]:
    return np.random.default_rng(seed).permutation(np.unique(label_sets, axis=0))[:DIVERSITY_LABEL_SETS]


def _real_vs_real(splits: Mapping[str, ClassMaps], judge: _Judge) -> tuple[dict, int]:
    """The row of other real maps (asked for their own label-sets), and how many come from training."""
    rng = np.random.default_rng(judge.seed)
    sizes = len(splits["test"]), len(splits["validation"]), len(splits["train"])
    validation, fill = anchors.real_rows(*sizes, rng)
    real = np.concatenate([splits["validation"][validation], splits["train"][fill]])
    rest = dataclasses.replace(judge, reference=judge.reference.without(fill))
    row = rest.score(visible(real, judge.space), label_set_of(real))
    held, wanted = label_set_of(splits["train"]), label_set_of(splits["test"])
    return row | _diversity_within(judge.reference.train, held, wanted, judge, rng), len(fill)


def _score_given(given: Given, wanted: Bool[np.ndarray, "N C"], judge: _Judge) -> dict:
    """The rows of maps that are there; their diversity is that of pairs among them, as of real maps."""
    class_maps = index_to_class_maps(given.index_maps, judge.space.num_channels)
    rng = np.random.default_rng(judge.seed)
    row = judge.score(class_maps, given.label_sets)
    return row | _diversity_within(class_maps, label_set_of(class_maps), wanted, judge, rng)


def _diversity_within(
    maps: ClassMaps, held: Bool[np.ndarray, "N C"], wanted: Bool[np.ndarray, "M C"], judge: _Judge, rng: Any
) -> dict:
    """The rows of maps that share one of the label-sets wanted."""
    groups, same = real_groups(_diversity_label_sets(wanted, judge.seed), held, rng, DIVERSITY_SAMPLES)
    rows = judge.score_groups(maps[np.concatenate(groups)], [len(group) for group in groups])
    rows["diversity"]["same_label_set"] = same
    return rows


def _reconstruction(class_maps: np.ndarray, judge: _Judge) -> dict:
    result = reconstruction_iou(judge.reference.real, visible(class_maps, judge.space))
    return {
        "mean_iou": bootstrap_mean(result.mean_iou, seed=judge.seed),
        "per_class": result.per_class[1:].tolist(),
    }


def _edits(edit: Edit, splits: Mapping[str, ClassMaps], judge: _Judge) -> dict:
    """The edits that the training maps make likely, of test maps."""
    frequency = label_set_of(splits["train"]).mean(axis=0)
    return score_edits(edit, painted(splits["test"], judge.space), frequency, judge.space, seed=judge.seed)


def _conditions(splits: Mapping[str, ClassMaps], space: LabelSpace, seed: int) -> dict[str, Any]:
    height, width = splits["test"].shape[1:3]
    return {
        "num_maps": len(splits["test"]),
        "splits": {name: len(class_maps) for name, class_maps in splits.items()},
        "size": [height, width],
        "classes": list(space.classes),
        "area_threshold": area_threshold(height, width),
        "seed": seed,
        "versions": {
            "segvae_jax": _installed_version("segvae_jax"),
            "jax": jax.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _installed_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
