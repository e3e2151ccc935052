"""How do generated maps differ from the training maps?

    python -m experiments.training_maps --checkpoint=runs/celeba --classes=skin,hair

Generates a map for each label-set of the training maps, and prints the AUCs of the two-sample tests between both, a
mean over several samples. Then it prints, class by class, mean and standard deviation of the outline features of real
and of generated shapes. It leaves the held-out maps alone, so settings may be chosen by it; but it does not see
whether a model knows its training maps by heart.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from absl import flags
from jaxtyping import Float

from segvae_jax.cli.script import checkpoint_help, run_user_script
from segvae_jax.errors import ConfigError, SegVAEError
from segvae_jax.evaluation.metrics.outline import ABSENT, FEATURES, outline_features
from segvae_jax.evaluation.metrics.two_sample import JUDGES
from segvae_jax.evaluation.quick_scoring import ClassMaps
from segvae_jax.evaluation.scorer import visible
from segvae_jax.evaluation.target import open_checkpoint
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, label_set_of


def main(argv: list[str]) -> None:
    """Prints what `compared` says."""
    given = flags.FLAGS
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    if not given.checkpoint:
        raise ConfigError("nothing to compare: give --checkpoint=DIR")
    target = open_checkpoint(given.checkpoint, data=given.data, max_train=given.max_train)
    generator = target.generator
    assert generator  # as it is a checkpoint
    space, train = target.space, target.splits["train"]
    classes = space.resolve(given.classes or space.classes)
    generated = lambda seed: np.asarray(generator.generate_each(label_set_of(train), seed))
    samples = [index_to_class_maps(generated(seed), space.num_channels) for seed in range(given.samples)]
    print("\n".join(compared(samples, visible(train, space), space, classes)))


def compared(samples: Sequence[ClassMaps], real: ClassMaps, space: LabelSpace, classes: Sequence[str]) -> Iterator[str]:
    """Lines of text: the AUCs of both judges, then mean and standard deviation of the outlines of each class.

    Args:
      samples: sets of visible generated maps, each with as many maps as `real`.
      real: visible real maps.
      space: the label space of all maps.
      classes: names of the classes with a line.
    """
    aucs = [
        f"{name} AUC {np.mean([judge(s, real, seed=0).auc for s in samples]):.3f}" for name, judge in JUDGES.items()
    ]
    yield f"{len(samples)} x {len(real)} generated maps against training maps: {', '.join(aucs)}"
    yield "mean (standard deviation) of real -> generated shapes"
    sides = _outlines(real), _outlines(np.concatenate(samples))
    for name in classes:
        yield f"{name}: {_of_class(*(side[:, space.channel(name)] for side in sides))}"


def _outlines(class_maps: ClassMaps) -> Float[np.ndarray, "N C F"]:
    """The outline features of each class; the background comes first."""
    return outline_features(class_maps).reshape(len(class_maps), -1, len(FEATURES))


def _of_class(real: Float[np.ndarray, "N F"], generated: Float[np.ndarray, "M F"]) -> str:
    """What is printed of one class; areas are left out, as the layout test sees them."""
    sides = [side[side[:, 1] != ABSENT] for side in (real, generated)]
    if not all(map(len, sides)):
        return "absent from a side"
    spread = lambda values: f"{values.mean():.2f} ({values.std():.2f})"
    return ", ".join(f"{FEATURES[i]} {' -> '.join(spread(side[:, i]) for side in sides)}" for i in (1, 2, 3))


if __name__ == "__main__":
    flags.DEFINE_string("checkpoint", None, checkpoint_help())
    flags.DEFINE_string("data", None, "Prepared data set; that of the training if not given.")
    flags.DEFINE_list("classes", None, "Classes whose outlines are printed; all if not given.")
    flags.DEFINE_integer("samples", 2, "Generated maps for each training map.", lower_bound=1)
    flags.DEFINE_integer("max_train", 2_000, "Training maps to use, at most.", lower_bound=10)
    run_user_script(main)
